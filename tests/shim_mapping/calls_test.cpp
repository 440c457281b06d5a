// mmap and its kin by system calls: shim_mapping_calls_test [gtest options] DIRECTORY.
//
// On tmpfs the kernel is the oracle; started by `pmemfile run` with DIRECTORY in
// a pool it tests the shim. Every expectation holds for both.
#include "tests/shim_mapping/calls_fixture.h"

#include <sys/stat.h>

namespace mapping {
namespace {

TEST_F(MappingCalls, ArgumentsAreCheckedAsTheKernelDoes) {
    fill(3 * page);
    int reader = open(path.c_str(), O_RDONLY), writer = open(path.c_str(), O_WRONLY);
    int by_path = open(path.c_str(), O_PATH), folder = open(directory.c_str(), O_RDONLY | O_DIRECTORY);
    constexpr int read = PROT_READ, both = PROT_READ | PROT_WRITE;
    struct {
        int line, descriptor;
        size_t length;
        int protection, flags;
        long offset;
        int error;
    } cases[] = {
        {__LINE__, file, 0, read, MAP_SHARED, 0, EINVAL},
        {__LINE__, file, page, read, MAP_SHARED, 1, EINVAL},
        {__LINE__, file, page, read, 0, 0, EINVAL},
        {__LINE__, file, page, read, MAP_SHARED_VALIDATE | MAP_SYNC, 0, EOPNOTSUPP},
        {__LINE__, file, page, read, MAP_SHARED_VALIDATE, 0, 0},
        {__LINE__, file, page, read, MAP_PRIVATE | MAP_GROWSDOWN, 0, EINVAL},
        {__LINE__, file, page, read, MAP_SHARED | MAP_HUGETLB, 0, EINVAL},
        {__LINE__, file, SIZE_MAX - 10, read, MAP_SHARED, 0, ENOMEM},
        {__LINE__, file, size_t{1} << 50, read, MAP_SHARED, 0, ENOMEM},
        {__LINE__, file, page, read, MAP_SHARED, INT64_MAX & ~4095L, EOVERFLOW},
        {__LINE__, file, page, read, MAP_SHARED, -4096L, EOVERFLOW},
        {__LINE__, file, 1, both, MAP_SHARED, 0, 0},
        {__LINE__, file, page, PROT_NONE, MAP_PRIVATE, 0, 0},
        {__LINE__, reader, page, read, MAP_SHARED, 0, 0},
        {__LINE__, reader, page, both, MAP_SHARED, 0, EACCES},
        {__LINE__, reader, page, both, MAP_PRIVATE, 0, 0},
        {__LINE__, writer, page, PROT_WRITE, MAP_SHARED, 0, EACCES},
        {__LINE__, writer, page, PROT_WRITE, MAP_PRIVATE, 0, EACCES},
        {__LINE__, writer, page, PROT_NONE, MAP_PRIVATE, 0, EACCES},
        {__LINE__, by_path, page, read, MAP_SHARED, 0, EBADF},
        {__LINE__, folder, page, read, MAP_SHARED, 0, ENODEV},
        {__LINE__, folder, page, both, MAP_SHARED, 0, EACCES},
        {__LINE__, 987654, page, read, MAP_SHARED, 0, EBADF},
        {__LINE__, file, page, read, MAP_SHARED | MAP_POPULATE | MAP_NORESERVE, 0, 0},
    };
    for (const auto &c : cases) {
        void *at = mmap(nullptr, c.length, c.protection, c.flags, c.descriptor, c.offset);
        EXPECT_EQ(error_of(at), c.error) << "case of line " << c.line;
        if (at != MAP_FAILED)
            munmap(at, c.length);
    }
    for (int descriptor : {reader, writer, by_path, folder})
        close(descriptor);
}

TEST_F(MappingCalls, SharedIsTheFile) {
    fill(5 * page + 100);
    char *at = map(5 * page + 100);
    expect_pattern(at, 0, 5 * page + 100);
    for (size_t i = 5 * page + 100; i < 6 * page; i++)
        ASSERT_EQ(at[i], 0) << "behind the end of the file";
    at[2 * page] = 'x';
    EXPECT_EQ(stored(2 * page), 'x');
    std::string whole(3 * page, 'w');
    ASSERT_EQ(pwrite(file, whole.data(), whole.size(), page / 2), static_cast<ssize_t>(whole.size()));
    EXPECT_EQ(memcmp(at + page / 2, whole.data(), whole.size()), 0);
    EXPECT_EQ(msync(at, 6 * page, MS_SYNC), 0);
    EXPECT_EQ(munmap(at, 5 * page + 100), 0);
    EXPECT_EQ(stored(page), 'w');
}

TEST_F(MappingCalls, ReaderSeesWritesThroughOtherDescriptors) {
    fill(4 * page);
    int reader = open(path.c_str(), O_RDONLY);
    void *at = mmap(nullptr, 4 * page, PROT_READ, MAP_SHARED, reader, 0);
    ASSERT_NE(at, MAP_FAILED);
    close(reader);
    std::string whole(2 * page, 'n');
    ASSERT_EQ(pwrite(file, whole.data(), whole.size(), page), static_cast<ssize_t>(whole.size()));
    EXPECT_EQ(memcmp(static_cast<char *>(at) + page, whole.data(), whole.size()), 0);
    EXPECT_EQ(mprotect(at, page, PROT_READ | PROT_WRITE), -1) << "the descriptor was not open for writing";
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(mprotect(at, page, PROT_NONE), 0);
    EXPECT_EQ(munmap(at, 4 * page), 0);
}

TEST_F(MappingCalls, PrivateStoresStayPrivate) {
    fill(3 * page);
    char *at = map(3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    memset(at + page, 'p', page);
    EXPECT_EQ(stored(page), pattern_at(page));
    EXPECT_EQ(at[page], 'p');
    EXPECT_EQ(madvise(at + page, page, MADV_DONTNEED), 0);
    expect_pattern(at, 0, 3 * page);
    EXPECT_EQ(munmap(at, 3 * page), 0);
}

TEST_F(MappingCalls, ShortFileInOnePage) {
    fill(5);
    char *at = map(5, PROT_READ, MAP_PRIVATE);
    expect_pattern(at, 0, 5);
    for (size_t i = 5; i < page; i++)
        ASSERT_EQ(at[i], 0);
    EXPECT_EQ(munmap(at, 5), 0);
}

TEST_F(MappingCalls, HolesReadAsZerosAndTakeStores) {
    ASSERT_EQ(ftruncate(file, 64 * page), 0);
    ASSERT_EQ(pwrite(file, "data", 4, 30 * page), 4);
    char *hidden = map(64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    char *at = map(64 * page);
    for (size_t i = 0; i < 64 * page; i++)
        ASSERT_TRUE((i >= 30 * page && i < 30 * page + 4) || (at[i] == 0 && hidden[i] == 0)) << i;
    EXPECT_EQ(memcmp(hidden + 30 * page, "data", 4), 0);
    hidden[40 * page] = 1;
    EXPECT_EQ(stored(40 * page), 0);
    at[50 * page + 7] = 'h';
    EXPECT_EQ(stored(50 * page + 7), 'h');
    munmap(at, 64 * page);
    munmap(hidden, 64 * page);
}

TEST_F(MappingCalls, FixedReplacesAndIsReplaced) {
    fill(8 * page);
    char *at = map(8 * page);
    void *hole = mmap(at + 2 * page, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    ASSERT_EQ(hole, at + 2 * page);
    expect_pattern(at, 0, 2 * page);
    EXPECT_EQ(at[2 * page], 0);
    expect_pattern(at + 4 * page, 4 * page, 4 * page);
    at[2 * page] = 'a';
    EXPECT_EQ(stored(2 * page), pattern_at(2 * page));
    void *back = mmap(at + 2 * page, page, PROT_READ, MAP_SHARED | MAP_FIXED, file, 6 * page);
    ASSERT_EQ(back, at + 2 * page);
    expect_pattern(at + 2 * page, 6 * page, page);
    EXPECT_EQ(error_of(mmap(at, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0)), EEXIST);
    EXPECT_EQ(error_of(mmap(at + 1, page, PROT_READ, MAP_SHARED | MAP_FIXED, file, 0)), EINVAL);
    // A piece out of the middle, then protection of what is left.
    EXPECT_EQ(munmap(at + 5 * page, page), 0);
    EXPECT_EQ(mprotect(at, 8 * page, PROT_READ), -1);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(msync(at, 8 * page, MS_SYNC), -1);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(msync(at, 5 * page, MS_SYNC | MS_ASYNC), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(msync(at, 5 * page, MS_ASYNC), 0);
    expect_pattern(at + 6 * page, 6 * page, 2 * page);
    EXPECT_EQ(munmap(at + 1, page), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(munmap(at, 8 * page), 0);
}

TEST_F(MappingCalls, ProtectionHolds) {
    fill(3 * page);
    char *at = map(3 * page, PROT_READ, MAP_SHARED);
    EXPECT_EQ(child_ends([&] {
                  at[page] = 1;
                  return 0;
              }),
              -SIGSEGV);
    EXPECT_EQ(mprotect(at + page, page, PROT_READ | PROT_WRITE), 0);
    at[page] = 'w';
    EXPECT_EQ(stored(page), 'w');
    EXPECT_EQ(child_ends([&] {
                  at[0] = 1;
                  return 0;
              }),
              -SIGSEGV);
    munmap(at, 3 * page);
}

TEST_F(MappingCalls, MappedFileOutlivesNameAndDescriptor) {
    fill(20 * page);
    char *at = map(20 * page);
    ASSERT_EQ(unlink(path.c_str()), 0);
    close(file);
    file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    ASSERT_GE(file, 0);
    std::string other(40 * page, 'o'); // takes freed blocks, if there were any
    ASSERT_EQ(write(file, other.data(), other.size()), static_cast<ssize_t>(other.size()));
    expect_pattern(at, 0, 20 * page);
    EXPECT_EQ(munmap(at, 20 * page), 0);
}

TEST_F(MappingCalls, RemapShrinksGrowsAndMoves) {
    fill(16 * page);
    for (int flags : {MAP_SHARED, MAP_PRIVATE}) {
        char *at = map(8 * page, PROT_READ | PROT_WRITE, flags);
        at[page + 3] = 'm';
        ASSERT_EQ(mremap(at, 8 * page, 4 * page, 0), at);
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(at)[5 * page]; }), -SIGSEGV);
        // Something stands in the way.
        void *wall = mmap(at + 5 * page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        ASSERT_NE(wall, MAP_FAILED);
        EXPECT_EQ(error_of(mremap(at, 4 * page, 12 * page, 0)), ENOMEM);
        auto *moved = static_cast<char *>(mremap(at, 4 * page, 12 * page, MREMAP_MAYMOVE));
        ASSERT_NE(moved, MAP_FAILED) << strerror(errno);
        EXPECT_NE(moved, at);
        EXPECT_EQ(moved[page + 3], 'm');
        expect_pattern(moved + 2 * page, 2 * page, 10 * page);
        moved[11 * page] = 'z';
        EXPECT_EQ(stored(11 * page), flags == MAP_SHARED ? 'z' : pattern_at(11 * page));
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(at)[0]; }), -SIGSEGV);
        munmap(wall, page);
        void *target = mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT_EQ(mremap(moved + 4 * page, 3 * page, 3 * page, MREMAP_MAYMOVE | MREMAP_FIXED, target), target);
        expect_pattern(static_cast<char *>(target), 4 * page, 3 * page);
        EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(moved)[5 * page]; }), -SIGSEGV);
        EXPECT_EQ(error_of(mremap(moved, 0, page, MREMAP_MAYMOVE)), flags == MAP_SHARED ? 0 : EINVAL);
        EXPECT_EQ(error_of(mremap(moved, page, 0, MREMAP_MAYMOVE)), EINVAL);
        EXPECT_EQ(error_of(mremap(moved, page, page, MREMAP_FIXED, target)), EINVAL);
        munmap(target, 3 * page);
        munmap(moved, 12 * page);
        ASSERT_EQ(pwrite(file, "", 1, 11 * page), 1);
        fill(16 * page);
    }
}

TEST_F(MappingCalls, ForkSharesOrCopies) {
    fill(4 * page);
    char *shared = map(2 * page), *own = map(2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, 2 * page);
    own[0] = 'b';
    EXPECT_EQ(child_ends([&] {
                  bool right = own[0] == 'b' && own[1] == pattern_at(2 * page + 1) && shared[0] == pattern_at(0);
                  shared[0] = 'c';
                  own[0] = 'd';
                  return right && munmap(own, 2 * page) == 0 && munmap(shared, 2 * page) == 0 ? 0 : 1;
              }),
              0);
    EXPECT_EQ(shared[0], 'c');
    EXPECT_EQ(own[0], 'b');
    EXPECT_EQ(madvise(own, page, MADV_DONTFORK), 0);
    EXPECT_EQ(child_ends([&] { return static_cast<volatile char *>(own)[0]; }), -SIGSEGV);
    EXPECT_EQ(child_ends([&] {
                  // Anonymous memory at the place that the child did not get is no mapping of the file.
                  void *at = mmap(own, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
                  return at == own && mprotect(at, page, PROT_READ | PROT_WRITE) == 0 ? 0 : 1;
              }),
              0);
    EXPECT_EQ(madvise(own, page, MADV_DOFORK), 0);
    EXPECT_EQ(child_ends([&] { return own[0] == 'b' ? 0 : 1; }), 0);
    munmap(shared, 2 * page);
    munmap(own, 2 * page);
}

} // namespace
} // namespace mapping

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    mapping::directory = argc > 1 ? argv[1] : "/dev/shm";
    return RUN_ALL_TESTS();
}
