// mmap and its kin by system calls: shim_mapping_calls_test [gtest options] DIRECTORY.
//
// On tmpfs the kernel is the oracle; started by `pmemfile run` with DIRECTORY in
// a pool it tests the shim. Every expectation holds for both.
#include "tests/shim_mapping/calls_fixture.h"

#include <sys/stat.h>

namespace mapping {
namespace {

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
