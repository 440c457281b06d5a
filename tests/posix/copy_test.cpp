// copy_test: copy_file_range(2) within one filesystem.
#include "tests/posix/case.h"

#include <algorithm>
#include <random>

namespace posix {
namespace {

class Copy : public Case {
protected:
    int from = -1, to = -1;

    void SetUp() override {
        make("/from", "0123456789");
        make("/to", "abcdefghijklmn");
        from = opened("/from", O_RDWR);
        to = opened("/to", O_RDWR);
    }
    void TearDown() override {
        t.close(from);
        t.close(to);
    }
    static std::string text(size_t size, unsigned seed) {
        std::string bytes(size, 0);
        std::mt19937 random(seed);
        std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>('a' + random() % 26); });
        return bytes;
    }
};

TEST_F(Copy, BetweenGivenOffsets) {
    int64_t from_offset = 2, to_offset = 5;
    EXPECT_EQ(t.copy_range(from, &from_offset, to, &to_offset, 4), 4);
    EXPECT_EQ(from_offset, 6);
    EXPECT_EQ(to_offset, 9);
    EXPECT_EQ(t.seek(from, 0, SEEK_CUR), 0) << "the file's own offset stays";
    EXPECT_EQ(t.seek(to, 0, SEEK_CUR), 0);
    EXPECT_EQ(content("/to"), "abcde2345jklmn");
}
TEST_F(Copy, BetweenTheFilesOffsets) {
    EXPECT_EQ(t.seek(from, 7, SEEK_SET), 7);
    EXPECT_EQ(t.seek(to, 1, SEEK_SET), 1);
    EXPECT_EQ(t.copy_range(from, nullptr, to, nullptr, 100), 3) << "up to the source's end";
    EXPECT_EQ(t.seek(from, 0, SEEK_CUR), 10);
    EXPECT_EQ(t.seek(to, 0, SEEK_CUR), 4);
    EXPECT_EQ(t.copy_range(from, nullptr, to, nullptr, 100), 0);
    EXPECT_EQ(content("/to"), "a789efghijklmn");
}
TEST_F(Copy, BeyondTheTargetsEnd) {
    int64_t from_offset = 0, to_offset = 20;
    EXPECT_EQ(t.copy_range(from, &from_offset, to, &to_offset, 3), 3);
    EXPECT_EQ(content("/to"), std::string("abcdefghijklmn\0\0\0\0\0\0", 20) + "012");
}
TEST_F(Copy, WithinOneFile) {
    const std::string bytes = text(200000, 1);
    make("/one", bytes);
    const int one = opened("/one", O_RDWR);
    int64_t from_offset = 100, to_offset = 80000;
    EXPECT_EQ(t.copy_range(one, &from_offset, one, &to_offset, 70001), 70001);
    std::string expected = bytes;
    expected.replace(80000, 70001, bytes, 100, 70001);
    EXPECT_TRUE(content("/one") == expected);
    // In one block.
    from_offset = 10;
    to_offset = 2000;
    EXPECT_EQ(t.copy_range(one, &from_offset, one, &to_offset, 500), 500);
    expected.replace(2000, 500, expected, 10, 500);
    EXPECT_TRUE(content("/one") == expected);
    // Touching is not overlapping.
    from_offset = 0;
    to_offset = 4000;
    EXPECT_EQ(t.copy_range(one, &from_offset, one, &to_offset, 4000), 4000);
    expected.replace(4000, 4000, expected, 0, 4000);
    EXPECT_TRUE(content("/one") == expected);
    t.close(one);
}
TEST_F(Copy, ASmallFileOverItself) {
    int64_t from_offset = 0, to_offset = 10;
    EXPECT_EQ(t.copy_range(from, &from_offset, from, &to_offset, 10), 10);
    EXPECT_EQ(content("/from"), "01234567890123456789");
    from_offset = 0, to_offset = 5000;
    EXPECT_EQ(t.copy_range(from, &from_offset, from, &to_offset, 20), 20);
    EXPECT_EQ(content("/from"), "01234567890123456789" + std::string(4980, 0) + "01234567890123456789");
}
TEST_F(Copy, OverlapIsRefused) {
    int64_t from_offset = 0, to_offset = 3;
    EXPECT_EQ(t.copy_range(from, &from_offset, from, &to_offset, 4), -EINVAL);
    from_offset = 5, to_offset = 3;
    EXPECT_EQ(t.copy_range(from, &from_offset, from, &to_offset, 4), -EINVAL);
    from_offset = 6, to_offset = 11;
    EXPECT_EQ(t.copy_range(from, &from_offset, from, &to_offset, 100), 4) << "only what there is counts";
    EXPECT_EQ(from_offset, 10);
    EXPECT_EQ(content("/from"), std::string("0123456789\0", 11) + "6789");
}
TEST_F(Copy, HolesAreZeros) {
    make("/sparse");
    const int sparse = opened("/sparse", O_RDWR);
    EXPECT_EQ(t.pwrite(sparse, "end", 3, 300000), 3);
    const std::string full = text(400000, 3);
    make("/full", full);
    const int target = opened("/full", O_RDWR);
    int64_t from_offset = 0, to_offset = 1000;
    int64_t left = 300003;
    while (left > 0) {
        const long done = t.copy_range(sparse, &from_offset, target, &to_offset, static_cast<size_t>(left));
        ASSERT_GT(done, 0);
        left -= done;
    }
    std::string expected = full;
    expected.replace(1000, 300003, std::string(300000, 0) + "end");
    EXPECT_TRUE(content("/full") == expected);
    t.close(sparse);
    t.close(target);
}
TEST_F(Copy, LargeScatteredFiles) {
    // Blocks of two files in turn: each has many runs.
    make("/a");
    make("/b");
    const int a = opened("/a", O_RDWR), b = opened("/b", O_RDWR);
    const std::string bytes = text(4096 * 600, 4);
    for (size_t at = 0; at < bytes.size(); at += 4096) {
        ASSERT_EQ(t.pwrite(a, bytes.data() + at, 4096, static_cast<int64_t>(at)), 4096);
        ASSERT_EQ(t.pwrite(b, "x", 1, static_cast<int64_t>(at)), 1);
    }
    int64_t from_offset = 17, to_offset = 5;
    int64_t left = static_cast<int64_t>(bytes.size()) - 100;
    while (left > 0) {
        const long done = t.copy_range(a, &from_offset, to, &to_offset, static_cast<size_t>(left));
        ASSERT_GT(done, 0);
        left -= done;
    }
    EXPECT_TRUE(content("/to") == "abcde" + bytes.substr(17, bytes.size() - 100));
    t.close(a);
    t.close(b);
}
TEST_F(Copy, TakesTheTimesOfAWrite) {
    const struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};
    EXPECT_EQ(t.utimens("/to", long_ago), 0);
    EXPECT_EQ(t.utimens("/from", long_ago), 0);
    EXPECT_EQ(t.copy_range(from, nullptr, to, nullptr, 1), 1);
    EXPECT_GT(attributes("/to").st_mtime, 1000);
    EXPECT_EQ(attributes("/from").st_mtime, 1000);
}
TEST_F(Copy, Errors) {
    const int readable = opened("/from", O_RDONLY), writable = opened("/to", O_WRONLY);
    const int appending = opened("/to", O_WRONLY | O_APPEND), path = opened("/to", O_PATH);
    const int directory = opened("/", O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(t.copy_range(writable, nullptr, to, nullptr, 1), -EBADF);
    EXPECT_EQ(t.copy_range(from, nullptr, readable, nullptr, 1), -EBADF);
    EXPECT_EQ(t.copy_range(from, nullptr, appending, nullptr, 1), -EBADF);
    EXPECT_EQ(t.copy_range(from, nullptr, path, nullptr, 1), -EBADF);
    EXPECT_EQ(t.copy_range(directory, nullptr, to, nullptr, 1), -EISDIR);
    EXPECT_EQ(t.copy_range(from, nullptr, directory, nullptr, 1), -EISDIR);
    EXPECT_EQ(t.copy_range(from, nullptr, to, nullptr, 1, 1u << 20), -EINVAL);
    EXPECT_EQ(t.copy_range(9999, nullptr, to, nullptr, 1), -EBADF);
    EXPECT_EQ(t.copy_range(from, nullptr, to, nullptr, 0), 0);
    int64_t offset = 5;
    EXPECT_EQ(t.copy_range(from, &offset, to, nullptr, SIZE_MAX), -EOVERFLOW);
    offset = -5;
    EXPECT_EQ(t.copy_range(from, &offset, to, nullptr, 1), -EINVAL);
    EXPECT_EQ(content("/to"), "abcdefghijklmn");
    for (const int file : {readable, writable, appending, path, directory})
        t.close(file);
}

} // namespace
} // namespace posix
