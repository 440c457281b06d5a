// clone_test: FICLONE, FICLONERANGE, and what comes after them. tmpfs has no reflinks: there the oracle for a clone is
// a copy of the same range, so that each later change is compared with Linux's; refusals are as of Linux's
// generic_remap_file_range_prep.
#include "tests/posix/case.h"

#include <algorithm>
#include <linux/falloc.h>
#include <random>

namespace posix {
namespace {

constexpr int64_t block = 4096;

class Clone : public Case {
protected:
    static std::string text(size_t size, unsigned seed) {
        std::string bytes(size, 0);
        std::mt19937 random(seed);
        std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>('a' + random() % 26); });
        return bytes;
    }
    bool has_clones() {
        make("/probe-a", text(5000, 1));
        make("/probe-b");
        const int a = opened("/probe-a", O_RDWR), b = opened("/probe-b", O_RDWR);
        const long done = t.clone_range(a, 0, b, 0, 0);
        t.close(a);
        t.close(b);
        EXPECT_TRUE(done == 0 || done == -EOPNOTSUPP) << done;
        return done == 0;
    }
    // As the clone, where there are none: by read and write.
    void clone(const std::string &from, const std::string &to, int64_t from_at = 0, int64_t to_at = 0,
               int64_t size = 0) {
        const int source = opened(from, O_RDWR), target = opened(to, O_RDWR | O_CREAT);
        const long done = t.clone_range(source, from_at, target, to_at, size);
        if (done == -EOPNOTSUPP) {
            std::string bytes = content(from).substr(static_cast<size_t>(from_at));
            if (size != 0)
                bytes.resize(static_cast<size_t>(size));
            EXPECT_EQ(t.pwrite(target, bytes.data(), bytes.size(), to_at), static_cast<long>(bytes.size()));
        } else {
            EXPECT_EQ(done, 0) << from << " to " << to;
        }
        t.close(source);
        t.close(target);
    }
    void put(const std::string &path, int64_t at, const std::string &bytes) {
        const int file = opened(path, O_RDWR);
        EXPECT_EQ(t.pwrite(file, bytes.data(), bytes.size(), at), static_cast<long>(bytes.size()));
        t.close(file);
    }
};

TEST_F(Clone, ReadsAsTheSourceAndIsIndependent) {
    for (const size_t size : {size_t{0}, size_t{50}, size_t{4096}, size_t{5000}, size_t{100'000}, size_t{3'000'001}}) {
        const std::string bytes = text(size, 7);
        const std::string a = "/a" + std::to_string(size), b = "/b" + std::to_string(size);
        make(a, bytes);
        clone(a, b);
        EXPECT_EQ(content(b), bytes) << size;
        if (size == 0)
            continue;
        put(a, static_cast<int64_t>(size / 2), "A");
        std::string changed = bytes;
        changed[size / 2] = 'A';
        EXPECT_EQ(content(a), changed);
        EXPECT_EQ(content(b), bytes) << "the source changed, not the clone";
        put(b, 0, "B");
        EXPECT_EQ(content(a), changed) << "the clone changed, not the source";
        EXPECT_EQ(t.unlink(a), 0);
        std::string other = bytes;
        other[0] = 'B';
        EXPECT_EQ(content(b), other);
    }
}
TEST_F(Clone, EveryChangeLeavesTheOtherAlone) {
    const std::string bytes = text(20 * block + 700, 3);
    make("/source", bytes);
    auto changed = [&](const char *what, auto &&change) {
        clone("/source", "/clone");
        const int file = opened("/clone", O_RDWR);
        change(file);
        t.close(file);
        EXPECT_EQ(content("/source"), bytes) << what;
        EXPECT_EQ(t.unlink("/clone"), 0);
    };
    changed("truncate in a block", [&](int f) {
        EXPECT_EQ(t.ftruncate(f, 3 * block + 10), 0);
        EXPECT_EQ(t.ftruncate(f, 9 * block), 0);
        std::string expected = bytes.substr(0, 3 * block + 10);
        expected.resize(9 * block);
        EXPECT_EQ(content("/clone"), expected);
    });
    changed("truncate to nothing", [&](int f) { EXPECT_EQ(t.ftruncate(f, 0), 0); });
    changed("a hole", [&](int f) {
        EXPECT_EQ(t.fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, block + 5, 3 * block), 0);
        std::string expected = bytes;
        std::fill_n(expected.begin() + block + 5, 3 * block, '\0');
        EXPECT_EQ(content("/clone"), expected);
    });
    changed("a write over blocks", [&](int f) {
        const std::string other = text(5 * block, 9);
        EXPECT_EQ(t.pwrite(f, other.data(), other.size(), 100), static_cast<long>(other.size()));
        EXPECT_EQ(content("/clone"), bytes.substr(0, 100) + other + bytes.substr(100 + other.size()));
    });
    changed("an append", [&](int f) {
        EXPECT_EQ(t.pwrite(f, "end", 3, 20 * block + 700), 3);
        EXPECT_EQ(content("/clone"), bytes + "end");
    });
    changed("a write over two blocks' edge", [&](int f) {
        EXPECT_EQ(t.pwrite(f, "edge", 4, 2 * block - 2), 4);
        EXPECT_EQ(content("/clone"), bytes.substr(0, 2 * block - 2) + "edge" + bytes.substr(2 * block + 2));
    });
}
TEST_F(Clone, RangesAndTheSameFile) {
    const std::string bytes = text(8 * block, 5);
    make("/file", bytes);
    clone("/file", "/file", 0, 8 * block, 4 * block);
    clone("/file", "/file", 0, 20 * block, 2 * block);
    std::string expected = bytes + bytes.substr(0, 4 * block);
    expected.resize(20 * block);
    expected += bytes.substr(0, 2 * block);
    EXPECT_EQ(content("/file"), expected);
    put("/file", 8 * block + 17, "x");
    expected[8 * block + 17] = 'x';
    EXPECT_EQ(content("/file"), expected);
    make("/other", text(12 * block, 6));
    std::string other = text(12 * block, 6);
    clone("/file", "/other", 0, 2 * block, 3 * block);
    clone("/file", "/other", 0, 2 * block, 3 * block); // over itself
    other.replace(2 * block, 3 * block, bytes.substr(0, 3 * block));
    EXPECT_EQ(content("/other"), other);
    const int file = opened("/file", O_RDWR);
    EXPECT_EQ(t.ftruncate(file, 5 * block), 0);
    t.close(file);
    EXPECT_EQ(content("/file"), bytes.substr(0, 5 * block));
    EXPECT_EQ(t.unlink("/file"), 0);
    EXPECT_EQ(content("/other"), other);
}
TEST_F(Clone, MoreOwnersThanACountHolds) {
    const std::string bytes = text(2 * block, 8);
    make("/first", bytes);
    for (int i = 0; i < 300; ++i)
        clone("/first", "/c" + std::to_string(i));
    put("/first", 0, "changed");
    for (int i = 0; i < 300; ++i) {
        const std::string path = "/c" + std::to_string(i);
        EXPECT_EQ(content(path), bytes) << i;
        EXPECT_EQ(t.unlink(path), 0);
    }
    EXPECT_EQ(content("/first"), "changed" + bytes.substr(7));
}
TEST_F(Clone, CopyFileRangeLeavesBothAlone) {
    const std::string bytes = text(40 * block + 300, 12);
    make("/a", bytes);
    make("/b");
    const int a = opened("/a", O_RDWR), b = opened("/b", O_RDWR);
    int64_t from = 100, to = 100;
    while (static_cast<size_t>(from) < bytes.size())
        ASSERT_GT(t.copy_range(a, &from, b, &to, bytes.size()), 0);
    std::string expected = bytes;
    std::fill_n(expected.begin(), 100, '\0');
    EXPECT_EQ(content("/b"), expected);
    EXPECT_EQ(t.pwrite(a, "AAAA", 4, 9 * block), 4);
    EXPECT_EQ(content("/b"), expected);
    EXPECT_EQ(t.pwrite(b, "BBBB", 4, 10 * block), 4);
    EXPECT_EQ(content("/a"), bytes.substr(0, 9 * block) + "AAAA" + bytes.substr(9 * block + 4));
    t.close(a);
    t.close(b);
}
TEST_F(Clone, RandomChangesAreAsOfCopies) {
    std::mt19937 random(4711);
    constexpr int64_t most = 30 * block;
    std::string model[3];
    for (int i = 0; i < 3; ++i) {
        model[i] = text(static_cast<size_t>(static_cast<int64_t>(random()) % most), random());
        make("/m" + std::to_string(i), model[i]);
    }
    for (int turn = 0; turn < 1500; ++turn) {
        const int i = static_cast<int>(random() % 3), k = static_cast<int>(random() % 3);
        const std::string path = "/m" + std::to_string(i);
        const int64_t at = static_cast<int64_t>(random()) % most;
        const auto size = static_cast<size_t>(random() % (random() % 2 ? 300 : 9000) + 1);
        std::string &bytes = model[i];
        const int file = opened(path, O_RDWR);
        switch (random() % 5) {
        case 0:
            EXPECT_EQ(t.ftruncate(file, at), 0);
            bytes.resize(static_cast<size_t>(at));
            break;
        case 1:
            EXPECT_EQ(t.fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, static_cast<int64_t>(size)), 0);
            for (size_t b = static_cast<size_t>(at); b < std::min(bytes.size(), static_cast<size_t>(at) + size); ++b)
                bytes[b] = '\0';
            break;
        case 2:
            // Else EINVAL: the source's end would lie inside the target.
            if (i != k && !model[k].empty() && (model[k].size() % block == 0 || model[k].size() >= bytes.size())) {
                clone("/m" + std::to_string(k), path);
                bytes = model[k] + (bytes.size() > model[k].size() ? bytes.substr(model[k].size()) : "");
            }
            break;
        default: {
            const std::string other = text(size, static_cast<unsigned>(turn));
            EXPECT_EQ(t.pwrite(file, other.data(), size, at), static_cast<long>(size));
            bytes.resize(std::max(bytes.size(), static_cast<size_t>(at) + size));
            bytes.replace(static_cast<size_t>(at), size, other);
        }
        }
        t.close(file);
        for (int f = 0; f < 3; ++f)
            ASSERT_TRUE(content("/m" + std::to_string(f)) == model[f]) << "file " << f << ", turn " << turn;
    }
}
TEST_F(Clone, Refusals) {
    if (!has_clones()) // tmpfs: EOPNOTSUPP, and nothing to compare with
        return;
    make("/a", text(3 * block + 100, 1));
    make("/b", text(5 * block, 2));
    const int a = opened("/a", O_RDWR), b = opened("/b", O_RDWR);
    EXPECT_EQ(t.clone_range(a, 1, b, 0, block), -EINVAL);
    EXPECT_EQ(t.clone_range(a, 0, b, 1, block), -EINVAL);
    EXPECT_EQ(t.clone_range(a, 0, b, 0, 100), -EINVAL) << "neither blocks nor the end";
    EXPECT_EQ(t.clone_range(a, 0, b, 0, 4 * block), -EINVAL) << "beyond the end";
    EXPECT_EQ(t.clone_range(a, 0, b, 0, 0), -EINVAL) << "the end would lie inside the target";
    EXPECT_EQ(t.clone_range(b, 0, b, block, 2 * block), -EINVAL) << "overlap";
    EXPECT_EQ(t.clone_range(a, 3 * block, b, 5 * block, 0), 0);
    const int readable = opened("/a", O_RDONLY), writable = opened("/b", O_WRONLY),
              appending = opened("/b", O_RDWR | O_APPEND), directory = opened("/", O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(t.clone_range(a, 0, readable, 0, block), -EBADF);
    EXPECT_EQ(t.clone_range(writable, 0, a, 0, block), -EBADF);
    EXPECT_EQ(t.clone_range(a, 0, appending, 0, block), -EBADF);
    EXPECT_EQ(t.clone_range(directory, 0, a, 0, block), -EISDIR);
    for (const int file : {a, b, readable, writable, appending, directory})
        t.close(file);
}

} // namespace
} // namespace posix
