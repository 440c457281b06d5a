// mapping_test: mmap(2) and its kin. What only a process of the kernel's can do (fork with a mapping, threads that
// touch what grew) is in tests/shim_mapping.
#include "tests/posix/case.h"

#include <csignal>
#include <sys/mman.h>
#include <sys/wait.h>
#include <vector>

namespace posix {
namespace {

constexpr size_t page = 4096;
constexpr int both = PROT_READ | PROT_WRITE;

char pattern_at(size_t offset) {
    return static_cast<char>(1 + (offset * 7 + offset / page) % 250);
}

class Mapped : public Case {
protected:
    int file = -1;

    void SetUp() override {
        file = opened("/file", O_RDWR | O_CREAT);
    }
    void TearDown() override {
        t.close(file);
    }
    void fill(size_t size_bytes, size_t from = 0) {
        std::string bytes(size_bytes, 0);
        for (size_t i = 0; i < size_bytes; i++)
            bytes[i] = pattern_at(from + i);
        ASSERT_EQ(t.pwrite(file, bytes.data(), size_bytes, static_cast<int64_t>(from)), static_cast<long>(size_bytes));
    }
    char *map(size_t size_bytes, int protection = both, int flags = MAP_SHARED, int64_t offset = 0) {
        const long at = t.mmap(nullptr, size_bytes, protection, flags, file, offset);
        EXPECT_TRUE(at < -4095 || at > 0) << -at;
        return reinterpret_cast<char *>(at);
    }
    char stored(size_t offset) {
        char byte = 0;
        EXPECT_EQ(t.pread(file, &byte, 1, static_cast<int64_t>(offset)), 1);
        return byte;
    }
    static void expect_pattern(const char *at, size_t offset, size_t size_bytes) {
        for (size_t i = 0; i < size_bytes; i++)
            ASSERT_EQ(at[i], pattern_at(offset + i)) << "offset " << offset + i;
    }
    // How a child that touches the address ends: 0, or minus the signal. It makes no call of the target.
    static int touch(char *at, bool stores = false) {
        const pid_t child = fork();
        if (child == 0) {
            signal(SIGBUS, SIG_DFL);
            signal(SIGSEGV, SIG_DFL);
            volatile char *const byte = at;
            if (stores)
                *byte = 'x';
            else
                static_cast<void>(*byte);
            _exit(0);
        }
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, 0), child);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }
};

TEST_F(Mapped, ArgumentsAreChecked) {
    fill(3 * page);
    t.mkdir("/folder");
    const int reader = opened("/file", O_RDONLY), writer = opened("/file", O_WRONLY);
    const int by_path = opened("/file", O_PATH), folder = opened("/folder", O_RDONLY | O_DIRECTORY);
    struct {
        int line, file;
        size_t size_bytes;
        int protection, flags;
        int64_t offset;
        int error;
    } cases[] = {
        {__LINE__, file, 0, PROT_READ, MAP_SHARED, 0, EINVAL},
        {__LINE__, file, page, PROT_READ, MAP_SHARED, 1, EINVAL},
        {__LINE__, file, page, PROT_READ, 0, 0, EINVAL},
        {__LINE__, file, page, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, 0, EOPNOTSUPP},
        {__LINE__, file, page, PROT_READ, MAP_SHARED_VALIDATE, 0, 0},
        {__LINE__, file, page, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN, 0, EINVAL},
        {__LINE__, file, page, PROT_READ, MAP_SHARED | MAP_HUGETLB, 0, EINVAL},
        {__LINE__, file, SIZE_MAX - 10, PROT_READ, MAP_SHARED, 0, ENOMEM},
        {__LINE__, file, page, PROT_NONE, MAP_PRIVATE, 0, 0},
        {__LINE__, file, size_t{1} << 50, PROT_READ, MAP_SHARED, 0, ENOMEM},
        {__LINE__, file, page, PROT_READ, MAP_SHARED, INT64_MAX & ~4095L, EOVERFLOW},
        {__LINE__, file, page, PROT_READ, MAP_SHARED, -4096, EOVERFLOW},
        {__LINE__, reader, page, both, MAP_SHARED, 0, EACCES},
        {__LINE__, writer, page, PROT_WRITE, MAP_SHARED, 0, EACCES},
        {__LINE__, writer, page, PROT_READ, MAP_PRIVATE, 0, EACCES},
        {__LINE__, writer, page, PROT_NONE, MAP_PRIVATE, 0, EACCES},
        {__LINE__, by_path, page, PROT_READ, MAP_SHARED, 0, EBADF},
        {__LINE__, folder, page, PROT_READ, MAP_SHARED, 0, ENODEV},
        {__LINE__, folder, page, both, MAP_SHARED, 0, EACCES},
        {__LINE__, 987654, page, PROT_READ, MAP_SHARED, 0, EBADF},
        {__LINE__, reader, page, PROT_READ, MAP_SHARED, 0, 0},
        {__LINE__, reader, page, both, MAP_PRIVATE, 0, 0},
        {__LINE__, file, 1, both, MAP_SHARED | MAP_POPULATE | MAP_NORESERVE, 0, 0},
    };
    for (const auto &c : cases) {
        const long at = t.mmap(nullptr, c.size_bytes, c.protection, c.flags, c.file, c.offset);
        EXPECT_EQ(at < 0 && at >= -4095 ? static_cast<int>(-at) : 0, c.error) << "case of line " << c.line;
        if (c.error == 0) {
            EXPECT_EQ(t.munmap(reinterpret_cast<void *>(at), c.size_bytes), 0);
        }
    }
    for (const int opened : {reader, writer, by_path, folder})
        t.close(opened);
}

TEST_F(Mapped, SharedIsTheFile) {
    fill(5 * page + 100);
    char *const at = map(6 * page);
    expect_pattern(at, 0, 5 * page + 100);
    for (size_t i = 5 * page + 100; i < 6 * page; i++)
        ASSERT_EQ(at[i], 0) << "behind the end, in the last page";
    at[2 * page + 5] = 'S';
    EXPECT_EQ(stored(2 * page + 5), 'S');
    const std::string whole(3 * page, 'w');
    EXPECT_EQ(t.pwrite(file, whole.data(), whole.size(), page / 2), static_cast<long>(whole.size()));
    EXPECT_EQ(std::string(at + page / 2, whole.size()), whole);
    at[2 * page + 5] = 'S';
    char *const again = map(page, PROT_READ, MAP_SHARED, 2 * page);
    EXPECT_EQ(again[5], 'S');
    EXPECT_EQ(t.msync(at, 6 * page, MS_SYNC), 0);
    EXPECT_EQ(t.munmap(again, page), 0);
    EXPECT_EQ(t.munmap(at, 6 * page), 0);
    EXPECT_EQ(stored(2 * page + 5), 'S');
}

TEST_F(Mapped, PrivateStoresStayPrivate) {
    fill(2 * page);
    char *const at = map(2 * page, both, MAP_PRIVATE);
    at[7] = 'P';
    EXPECT_EQ(stored(7), pattern_at(7));
    expect_pattern(at + page, page, page);
    EXPECT_EQ(t.madvise(at, page, MADV_DONTNEED), 0);
    expect_pattern(at, 0, page);
    EXPECT_EQ(t.munmap(at, 2 * page), 0);
}

TEST_F(Mapped, ASmallFileIsOnePage) {
    make("/small", "some bytes");
    const int small = opened("/small", O_RDWR);
    auto *const at = reinterpret_cast<char *>(t.mmap(nullptr, page, both, MAP_SHARED, small, 0));
    EXPECT_STREQ(at, "some bytes");
    at[0] = 'S';
    EXPECT_EQ(t.munmap(at, page), 0);
    t.close(small);
    EXPECT_EQ(content("/small"), "Some bytes");
}

TEST_F(Mapped, HolesReadAsZerosAndTakeStores) {
    EXPECT_EQ(t.ftruncate(file, 64 * page), 0);
    fill(page, 10 * page);
    for (const int flags : {MAP_PRIVATE, MAP_SHARED}) {
        char *const at = map(64 * page, both, flags);
        EXPECT_EQ(at[3 * page], 0);
        expect_pattern(at + 10 * page + 1, 10 * page + 1, page - 1);
        at[40 * page + 1] = 'h';
        EXPECT_EQ(stored(40 * page + 1), flags == MAP_SHARED ? 'h' : 0);
        EXPECT_EQ(t.munmap(at, 64 * page), 0);
    }
}

TEST_F(Mapped, OutlivesNameAndOpenFile) {
    fill(20 * page);
    char *const at = map(20 * page);
    EXPECT_EQ(t.unlink("/file"), 0);
    EXPECT_EQ(t.close(file), 0);
    file = opened("/file", O_RDWR | O_CREAT);
    const std::string other(40 * page, 'o'); // takes freed blocks, if there were any
    EXPECT_EQ(t.write(file, other.data(), other.size()), static_cast<long>(other.size()));
    expect_pattern(at, 0, 20 * page);
    at[0] = 'x';
    EXPECT_EQ(stored(0), 'o');
    EXPECT_EQ(t.munmap(at, 20 * page), 0);
}

TEST_F(Mapped, ProtectionHolds) {
    fill(3 * page);
    const int reader = opened("/file", O_RDONLY);
    auto *const seen = reinterpret_cast<char *>(t.mmap(nullptr, page, PROT_READ, MAP_SHARED, reader, 0));
    EXPECT_EQ(t.mprotect(seen, page, both), -EACCES);
    EXPECT_EQ(t.mprotect(seen, page, PROT_NONE), 0);
    EXPECT_EQ(touch(seen), -SIGSEGV);
    EXPECT_EQ(t.munmap(seen, page), 0);
    t.close(reader);
    char *const at = map(3 * page);
    EXPECT_EQ(t.mprotect(at + page, page, PROT_READ), 0);
    EXPECT_EQ(touch(at + page, true), -SIGSEGV);
    EXPECT_EQ(touch(at + page), 0);
    EXPECT_EQ(touch(at, true), 0);
    EXPECT_EQ(stored(0), 'x');
    EXPECT_EQ(t.mprotect(at + page, page, both), 0);
    EXPECT_EQ(touch(at + page, true), 0);
    EXPECT_EQ(t.munmap(at, 3 * page), 0);
}

TEST_F(Mapped, FixedReplacesAndIsReplaced) {
    fill(8 * page);
    char *const at = map(8 * page);
    const long over = t.mmap(at + 2 * page, 2 * page, both, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    ASSERT_EQ(reinterpret_cast<char *>(over), at + 2 * page);
    EXPECT_EQ(at[2 * page], 0);
    at[2 * page] = 'a';
    EXPECT_EQ(stored(2 * page), pattern_at(2 * page));
    expect_pattern(at + 4 * page, 4 * page, 4 * page);
    EXPECT_EQ(t.mmap(at + 2 * page, page, PROT_READ, MAP_SHARED | MAP_FIXED, file, 6 * page), over);
    expect_pattern(at + 2 * page, 6 * page, page);
    EXPECT_EQ(t.mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0), -EEXIST);
    EXPECT_EQ(t.mmap(at + 1, page, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0), -EINVAL);
    EXPECT_EQ(t.mmap(at, 4 * page, PROT_READ, MAP_SHARED | MAP_FIXED, file, 4 * page), over - 2 * 4096);
    expect_pattern(at, 4 * page, 4 * page);
    expect_pattern(at + 4 * page, 4 * page, 4 * page);
    EXPECT_EQ(t.munmap(at + page, page), 0);
    EXPECT_EQ(touch(at + page), -SIGSEGV);
    EXPECT_EQ(t.munmap(at + 1, page), -EINVAL);
    EXPECT_EQ(t.mprotect(at, 8 * page, PROT_READ), -ENOMEM);
    expect_pattern(at + 6 * page, 6 * page, 2 * page);
    EXPECT_EQ(t.munmap(at, 8 * page), 0) << "with a gap in it";
    EXPECT_EQ(t.munmap(at, 8 * page), 0) << "with nothing in it";
}

TEST_F(Mapped, RemapShrinksGrowsAndMoves) {
    fill(16 * page);
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
        char *const at = map(8 * page, both, flags);
        at[page + 3] = 'm';
        ASSERT_EQ(t.mremap(at, 8 * page, 4 * page, 0), reinterpret_cast<long>(at));
        EXPECT_EQ(touch(at + 5 * page), -SIGSEGV);
        const long wall = t.mmap(at + 5 * page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        EXPECT_EQ(t.mremap(at, 4 * page, 12 * page, 0), -ENOMEM);
        auto *const moved = reinterpret_cast<char *>(t.mremap(at, 4 * page, 12 * page, MREMAP_MAYMOVE));
        EXPECT_NE(moved, at);
        EXPECT_EQ(moved[page + 3], 'm');
        expect_pattern(moved + 2 * page, 2 * page, 10 * page);
        EXPECT_EQ(touch(at), -SIGSEGV);
        auto *const target =
            reinterpret_cast<char *>(t.mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        EXPECT_EQ(t.mremap(moved + 4 * page, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, target),
                  reinterpret_cast<long>(target));
        expect_pattern(target, 4 * page, 3 * page);
        EXPECT_EQ(touch(moved + 5 * page), -SIGSEGV);
        const long twice = t.mremap(moved, 0, page, MREMAP_MAYMOVE);
        EXPECT_EQ(flags == MAP_SHARED, twice != -EINVAL);
        if (flags == MAP_SHARED) {
            EXPECT_EQ(t.munmap(reinterpret_cast<void *>(twice), page), 0);
        }
        EXPECT_EQ(t.mremap(moved, page, 0, MREMAP_MAYMOVE), -EINVAL);
        EXPECT_EQ(t.mremap(moved, page, page, MREMAP_FIXED, target), -EINVAL);
        EXPECT_EQ(t.munmap(reinterpret_cast<void *>(wall), page), 0);
        EXPECT_EQ(t.munmap(target, 3 * page), 0);
        EXPECT_EQ(t.munmap(moved, 12 * page), 0);
        fill(16 * page);
    }
}

TEST_F(Mapped, BehindTheEndIsSigbusUntilTheFileGrows) {
    fill(page);
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
        EXPECT_EQ(t.ftruncate(file, page), 0);
        char *const at = map(8 * page, both, flags);
        EXPECT_EQ(touch(at + page), -SIGBUS);
        EXPECT_EQ(touch(at + 7 * page), -SIGBUS);
        fill(page, page); // by a write
        EXPECT_EQ(touch(at + page), 0);
        expect_pattern(at + page, page, page);
        EXPECT_EQ(touch(at + 2 * page), -SIGBUS);
        EXPECT_EQ(t.ftruncate(file, 4 * page), 0); // by a hole
        EXPECT_EQ(at[3 * page], 0);
        EXPECT_EQ(t.fallocate(file, 0, 0, 6 * page), 0);
        EXPECT_EQ(at[5 * page], 0);
        if (flags == MAP_SHARED) {
            at[5 * page + 9] = 'g';
            EXPECT_EQ(stored(5 * page + 9), 'g');
        }
        EXPECT_EQ(touch(at + 6 * page), -SIGBUS);
        EXPECT_EQ(t.munmap(at, 8 * page), 0);
    }
}

TEST_F(Mapped, ACutFileLosesItsPages) {
    fill(8 * page);
    char *const at = map(8 * page);
    EXPECT_EQ(t.ftruncate(file, 2 * page + 10), 0);
    expect_pattern(at, 0, 2 * page + 10);
    EXPECT_EQ(at[2 * page + 10], 0);
    EXPECT_EQ(touch(at + 3 * page), -SIGBUS);
    EXPECT_EQ(t.truncate("/file", page), 0);
    EXPECT_EQ(touch(at + 2 * page), -SIGBUS);
    fill(4 * page);
    expect_pattern(at, 0, 4 * page);
    EXPECT_EQ(t.close(opened("/file", O_RDWR | O_TRUNC)), 0);
    EXPECT_EQ(touch(at), -SIGBUS);
    EXPECT_EQ(t.munmap(at, 8 * page), 0);
}

TEST_F(Mapped, SyncAndAdvice) {
    fill(4 * page);
    char *const at = map(4 * page);
    at[0] = 's';
    EXPECT_EQ(t.msync(at, 4 * page, MS_SYNC), 0);
    EXPECT_EQ(t.msync(at + page, page, MS_SYNC), 0) << "a part";
    EXPECT_EQ(t.msync(at, 1, MS_SYNC), 0);
    EXPECT_EQ(t.msync(at, 4 * page, MS_ASYNC), 0);
    EXPECT_EQ(t.msync(at, 4 * page, MS_SYNC | MS_ASYNC), -EINVAL);
    EXPECT_EQ(t.msync(at + 1, page, MS_SYNC), -EINVAL);
    EXPECT_EQ(t.msync(at, 4 * page, 64), -EINVAL);
    EXPECT_EQ(t.munmap(at + page, page), 0);
    EXPECT_EQ(t.msync(at, 4 * page, MS_SYNC), -ENOMEM) << "a gap";
    EXPECT_EQ(t.madvise(at, page, MADV_WILLNEED), 0);
    EXPECT_EQ(t.madvise(at, page, 9999), -EINVAL);
    EXPECT_EQ(t.munmap(at, 4 * page), 0);
}

TEST_F(Mapped, RemovedPagesAreAHole) {
    fill(8 * page);
    char *const at = map(8 * page), *const other = map(8 * page), *const own = map(8 * page, both, MAP_PRIVATE);
    EXPECT_EQ(t.madvise(at + 2 * page, 3 * page, MADV_REMOVE), 0);
    for (size_t i : {2 * page, 5 * page - 1}) {
        EXPECT_EQ(at[i], 0);
        EXPECT_EQ(other[i], 0);
        EXPECT_EQ(stored(i), 0);
    }
    expect_pattern(at, 0, 2 * page);
    expect_pattern(at + 5 * page, 5 * page, 3 * page);
    EXPECT_EQ(attributes("/file").st_size, static_cast<off_t>(8 * page));
    at[2 * page] = 'n';
    EXPECT_EQ(other[2 * page], 'n');
    EXPECT_EQ(stored(2 * page), 'n');
    EXPECT_EQ(t.madvise(at + 1, page, MADV_REMOVE), -EINVAL);
    EXPECT_EQ(t.madvise(own, page, MADV_REMOVE), -EACCES) << "not shared";
    EXPECT_EQ(t.mprotect(other, page, PROT_READ), 0);
    EXPECT_EQ(t.madvise(other, page, MADV_REMOVE), 0) << "it could be made writable";
    EXPECT_EQ(stored(0), 0);
    EXPECT_EQ(t.munmap(at + page, page), 0);
    EXPECT_EQ(t.madvise(at, 4 * page, MADV_REMOVE), -ENOMEM) << "a gap";
    EXPECT_EQ(stored(2 * page), 0) << "the rest is done";
    const int reading = opened("/file", O_RDONLY);
    auto *const seen = reinterpret_cast<char *>(t.mmap(nullptr, page, PROT_READ, MAP_SHARED, reading, 0));
    EXPECT_EQ(t.madvise(seen, page, MADV_REMOVE), -EACCES) << "not open for writing";
    t.close(reading);
    for (char *one : {at, other, own})
        EXPECT_EQ(t.munmap(one, 8 * page), 0);
    EXPECT_EQ(t.munmap(seen, page), 0);
}

// Pieces that lie apart in the file's storage, seen in the file's order.
TEST_F(Mapped, FilesWrittenInTurns) {
    const int other = opened("/other", O_RDWR | O_CREAT);
    for (size_t i = 0; i < 64; i++) {
        fill(page, i * page);
        const std::string filler(page, 'o');
        ASSERT_EQ(t.pwrite(other, filler.data(), page, static_cast<int64_t>(i * page)), static_cast<long>(page));
    }
    char *const at = map(64 * page);
    expect_pattern(at, 0, 64 * page);
    EXPECT_EQ(t.munmap(at, 64 * page), 0);
    t.close(other);
}

} // namespace
} // namespace posix
