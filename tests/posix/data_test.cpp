// data_test: bytes of files: read, write, seek, truncate, holes.
#include "tests/posix/case.h"

#include <random>
#include <sys/mman.h>

namespace posix {
namespace {

class Data : public Case {};

// Sizes around every border: inline content, lines, blocks, nodes of the map.
class DataSize : public Case, public testing::WithParamInterface<size_t> {
protected:
    static std::string pattern(size_t size_bytes, unsigned seed = 1) {
        std::mt19937 random(seed);
        std::string text(size_bytes, 0);
        for (char &byte : text)
            byte = static_cast<char>(random());
        return text;
    }
};

TEST_P(DataSize, WriteThenRead) {
    std::string text = pattern(GetParam());
    make("/a", text);
    EXPECT_EQ(attributes("/a").st_size, static_cast<off_t>(text.size()));
    EXPECT_TRUE(content("/a") == text);
}
TEST_P(DataSize, OverwriteTheMiddle) {
    std::string text = pattern(GetParam()), patch = pattern(GetParam() / 3 + 1, 2);
    make("/a", text);
    int file = opened("/a", O_WRONLY);
    size_t offset = GetParam() / 2;
    ASSERT_EQ(t.pwrite(file, patch.data(), patch.size(), static_cast<int64_t>(offset)),
              static_cast<long>(patch.size()));
    t.close(file);
    if (text.size() < offset + patch.size())
        text.resize(offset + patch.size());
    text.replace(offset, patch.size(), patch);
    EXPECT_TRUE(content("/a") == text);
}
TEST_P(DataSize, AppendInPieces) {
    std::string text = pattern(GetParam()), expected;
    int file = opened("/a", O_CREAT | O_WRONLY | O_APPEND);
    for (int i = 0; i < 3; i++) {
        t.seek(file, 0, SEEK_SET);
        ASSERT_EQ(t.write(file, text.data(), text.size()), static_cast<long>(text.size()));
        expected += text;
    }
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), static_cast<long>(expected.size()));
    t.close(file);
    EXPECT_TRUE(content("/a") == expected);
}
TEST_P(DataSize, ShrinkAndGrowReadsZeros) {
    std::string text = pattern(GetParam());
    make("/a", text);
    auto half = static_cast<int64_t>(GetParam() / 2);
    ASSERT_EQ(t.truncate("/a", half), 0);
    ASSERT_EQ(t.truncate("/a", static_cast<int64_t>(GetParam()) + 100), 0);
    text.resize(static_cast<size_t>(half));
    text.resize(GetParam() + 100);
    EXPECT_TRUE(content("/a") == text);
}
TEST_P(DataSize, HoleBeforeTheData) {
    int file = opened("/a", O_CREAT | O_RDWR);
    ASSERT_EQ(t.pwrite(file, "x", 1, static_cast<int64_t>(GetParam())), 1);
    t.close(file);
    EXPECT_TRUE(content("/a") == std::string(GetParam(), 0) + "x");
}
INSTANTIATE_TEST_SUITE_P(, DataSize,
                         testing::Values(1, 64, 127, 128, 129, 1000, 4095, 4096, 4097, 8192, 65535, 65537, 1048576 + 7,
                                         9 * 1048576 + 1));

TEST_F(Data, RandomAgainstAModel) {
    std::mt19937 random(5);
    std::string model;
    int file = opened("/a", O_CREAT | O_RDWR);
    for (int round = 0; round < 2000; round++) {
        size_t offset = random() % 40000, size = random() % (round % 10 ? 300 : 20000);
        if (random() % 8 == 0) {
            model.resize(offset);
            ASSERT_EQ(t.ftruncate(file, static_cast<int64_t>(offset)), 0);
        } else if (random() % 2) {
            std::string text(size, static_cast<char>('a' + round % 26));
            if (size && model.size() < offset + size)
                model.resize(offset + size);
            if (size)
                model.replace(offset, size, text);
            ASSERT_EQ(t.pwrite(file, text.data(), size, static_cast<int64_t>(offset)), static_cast<long>(size));
        } else {
            std::string read(size, 0);
            long n = t.pread(file, read.data(), size, static_cast<int64_t>(offset));
            std::string expected = offset < model.size() ? model.substr(offset, size) : "";
            ASSERT_EQ(n, static_cast<long>(expected.size())) << "round " << round;
            ASSERT_TRUE(read.compare(0, expected.size(), expected) == 0) << "round " << round;
        }
    }
    t.close(file);
    EXPECT_TRUE(content("/a") == model);
}
TEST_F(Data, ReadAtAndBeyondTheEnd) {
    make("/a", "abc");
    int file = opened("/a", O_RDONLY);
    char buffer[8];
    EXPECT_EQ(t.pread(file, buffer, 8, 2), 1);
    EXPECT_EQ(t.pread(file, buffer, 8, 3), 0);
    EXPECT_EQ(t.pread(file, buffer, 8, 1000), 0);
    EXPECT_EQ(t.pread(file, buffer, 0, 0), 0);
    EXPECT_EQ(t.pread(file, buffer, 8, -1), -EINVAL);
    EXPECT_EQ(t.pwrite(file, buffer, 8, -1), -EINVAL);
    t.close(file);
}
TEST_F(Data, PositionalLeavesTheOffset) {
    make("/a", "abc");
    int file = opened("/a", O_RDWR);
    char buffer[2];
    EXPECT_EQ(t.pread(file, buffer, 2, 1), 2);
    EXPECT_EQ(t.pwrite(file, "z", 1, 0), 1);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 0);
    t.close(file);
}
TEST_F(Data, AppendOfNothingMovesNoOffset) {
    make("/a", "abc");
    int file = opened("/a", O_WRONLY | O_APPEND);
    EXPECT_EQ(t.write(file, "", 0), 0);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 0);
    t.close(file);
}
TEST_F(Data, PwriteOfAppendFileAppends) {
    make("/a", "abc");
    int file = opened("/a", O_WRONLY | O_APPEND);
    EXPECT_EQ(t.pwrite(file, "d", 1, 0), 1);
    t.close(file);
    EXPECT_EQ(content("/a"), "abcd") << "as Linux does, pwrite(2) BUGS";
}
TEST_F(Data, Vectors) {
    int file = opened("/a", O_CREAT | O_RDWR);
    char a[] = "ab", b[] = "cde", x[4] = {}, y[4] = {};
    struct iovec out[] = {{a, 2}, {nullptr, 0}, {b, 3}}, in[] = {{x, 1}, {y, 3}};
    EXPECT_EQ(t.writev(file, out, 3), 5);
    EXPECT_EQ(t.seek(file, 0, SEEK_SET), 0);
    EXPECT_EQ(t.readv(file, in, 2), 4);
    EXPECT_STREQ(x, "a");
    EXPECT_STREQ(y, "bcd");
    EXPECT_EQ(t.pwritev(file, out, 3, 10), 5);
    EXPECT_EQ(t.preadv(file, in, 2, 12), 3);
    EXPECT_EQ(t.readv(file, in, 0), 0);
    EXPECT_EQ(t.readv(file, in, -1), -EINVAL);
    EXPECT_EQ(t.readv(file, in, 1025), -EINVAL);
    struct iovec huge[] = {{a, 1}, {b, SIZE_MAX}};
    EXPECT_EQ(t.writev(file, huge, 2), -EINVAL);
    t.close(file);
}
TEST_F(Data, BadAddressIsEfault) {
    make("/a", std::string(9000, 'a'));
    int file = opened("/a", O_RDWR);
    auto *bad = reinterpret_cast<char *>(16);
    EXPECT_EQ(t.read(file, bad, 10), -EFAULT);
    EXPECT_EQ(t.write(file, bad, 10), -EFAULT);
    EXPECT_EQ(t.write(file, bad, 8192), -EFAULT);
    EXPECT_EQ(t.readv(file, reinterpret_cast<struct iovec *>(bad), 1), -EFAULT);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 0);
    t.close(file);
    EXPECT_EQ(content("/a"), std::string(9000, 'a'));
}
TEST_F(Data, WriteFromReadOnlyMemoryAndReadIntoIt) {
    make("/a", "abc");
    int file = opened("/a", O_RDWR);
    void *page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(t.write(file, page, 2), 2);
    EXPECT_EQ(t.pread(file, page, 2, 0), -EFAULT);
    munmap(page, 4096);
    t.close(file);
}
TEST_F(Data, EmptyWriteChangesNothing) {
    make("/a", "abc");
    int file = opened("/a", O_WRONLY);
    EXPECT_EQ(t.pwrite(file, "", 0, 1000), 0);
    EXPECT_EQ(attributes("/a").st_size, 3);
    t.close(file);
}
TEST_F(Data, DirectoryIsNotRead) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    int file = opened("/d", O_RDONLY);
    char byte;
    EXPECT_EQ(t.read(file, &byte, 1), -EISDIR);
    EXPECT_EQ(t.pread(file, &byte, 1, 0), -EISDIR);
    EXPECT_EQ(t.write(file, &byte, 1), -EBADF);
    t.close(file);
}
TEST_F(Data, SeekWays) {
    make("/a", "abcdef");
    int file = opened("/a", O_RDONLY);
    EXPECT_EQ(t.seek(file, 2, SEEK_SET), 2);
    EXPECT_EQ(t.seek(file, 2, SEEK_CUR), 4);
    EXPECT_EQ(t.seek(file, -1, SEEK_END), 5);
    EXPECT_EQ(t.seek(file, 1000, SEEK_END), 1006);
    EXPECT_EQ(t.seek(file, -1, SEEK_SET), -EINVAL);
    EXPECT_EQ(t.seek(file, 0, 99), -EINVAL);
    EXPECT_EQ(t.seek(file, INT64_MAX, SEEK_CUR), -EINVAL);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 1006);
    EXPECT_EQ(t.seek(9999, 0, SEEK_SET), -EBADF);
    t.close(file);
}
TEST_F(Data, SeekDataAndHole) {
    int file = opened("/a", O_CREAT | O_RDWR);
    std::string block(4096, 'x');
    ASSERT_EQ(t.pwrite(file, block.data(), 4096, 8 * 4096), 4096);
    ASSERT_EQ(t.ftruncate(file, 16 * 4096), 0);
    EXPECT_EQ(t.seek(file, 0, SEEK_DATA), 8 * 4096);
    EXPECT_EQ(t.seek(file, 0, SEEK_HOLE), 0);
    EXPECT_EQ(t.seek(file, 8 * 4096 + 5, SEEK_DATA), 8 * 4096 + 5);
    EXPECT_EQ(t.seek(file, 8 * 4096 + 5, SEEK_HOLE), 9 * 4096);
    EXPECT_EQ(t.seek(file, 9 * 4096, SEEK_DATA), -ENXIO);
    EXPECT_EQ(t.seek(file, 16 * 4096, SEEK_HOLE), -ENXIO);
    t.close(file);
}
TEST_F(Data, FarOffsets) {
    int file = opened("/a", O_CREAT | O_RDWR);
    int64_t far = int64_t{1} << 40;
    ASSERT_EQ(t.pwrite(file, "far", 3, far), 3);
    char buffer[4] = {};
    EXPECT_EQ(t.pread(file, buffer, 4, far), 3);
    EXPECT_STREQ(buffer, "far");
    EXPECT_EQ(t.pread(file, buffer, 1, far / 2), 1);
    EXPECT_EQ(buffer[0], 0);
    struct stat stat;
    EXPECT_EQ(t.fstat(file, &stat), 0);
    EXPECT_EQ(stat.st_size, far + 3);
    EXPECT_LT(stat.st_blocks, 1000);
    t.close(file);
}
TEST_F(Data, TruncateErrors) {
    make("/a");
    ASSERT_EQ(t.mkdir("/d"), 0);
    EXPECT_EQ(t.truncate("/a", -1), -EINVAL);
    EXPECT_EQ(t.truncate("/d", 0), -EISDIR);
    EXPECT_EQ(t.truncate("/none", 0), -ENOENT);
    EXPECT_EQ(t.truncate("/a/x", 0), -ENOTDIR);
}
TEST_F(Data, AllocateKeepsOrGrowsTheSize) {
    int file = opened("/a", O_CREAT | O_RDWR);
    ASSERT_EQ(t.fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 10000), 0);
    EXPECT_EQ(attributes("/a").st_size, 0);
    EXPECT_GE(attributes("/a").st_blocks, 10000 / 512);
    ASSERT_EQ(t.fallocate(file, 0, 0, 10000), 0);
    EXPECT_EQ(attributes("/a").st_size, 10000);
    EXPECT_EQ(t.fallocate(file, 0, -1, 10), -EINVAL);
    EXPECT_EQ(t.fallocate(file, 0, 0, 0), -EINVAL);
    t.close(file);
    EXPECT_TRUE(content("/a") == std::string(10000, 0));
}
TEST_F(Data, PunchHole) {
    make("/a", std::string(5 * 4096, 'x'));
    int file = opened("/a", O_RDWR);
    ASSERT_EQ(t.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4000, 8192), 0);
    t.close(file);
    std::string expected(5 * 4096, 'x');
    expected.replace(4000, 8192, std::string(8192, 0));
    EXPECT_TRUE(content("/a") == expected);
}

TEST_F(Data, PunchedHolesAreHoles) {
    make("/a", std::string(64 * 4096, 'x'));
    int file = opened("/a", O_RDWR);
    const auto before = attributes("/a").st_blocks;
    ASSERT_EQ(t.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * 4096, 16 * 4096), 0);
    EXPECT_EQ(attributes("/a").st_blocks, before - 16 * 8);
    EXPECT_EQ(attributes("/a").st_size, 64 * 4096);
    EXPECT_EQ(t.seek(file, 0, SEEK_HOLE), 8 * 4096);
    EXPECT_EQ(t.seek(file, 8 * 4096, SEEK_DATA), 24 * 4096);
    EXPECT_EQ(t.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 60 * 4096, 100 * 4096), 0);
    EXPECT_EQ(attributes("/a").st_size, 64 * 4096);
    EXPECT_EQ(t.fallocate(file, FALLOC_FL_PUNCH_HOLE, 0, 4096), -EOPNOTSUPP);
    EXPECT_EQ(t.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 0), -EINVAL);
    EXPECT_EQ(t.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, -1, 4096), -EINVAL);
    t.close(file);
    int reader = opened("/a", O_RDONLY);
    EXPECT_EQ(t.fallocate(reader, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -EBADF);
    t.close(reader);
}

} // namespace
} // namespace posix
