// main: posix_suite [gtest options] [DIRECTORY]
// Runs all cases by system calls below DIRECTORY (default /dev/shm, the
// oracle). Started by `pmemfile run -m DIRECTORY=POOL` it tests the pool.
// posix_library_suite tests libpmemfile, on a pool of its own for each case.
#include "tests/posix/case.h"

namespace posix {
namespace {
std::string base_directory = "/dev/shm";
std::unique_ptr<Target> make_kernel_case() {
    return make_kernel_target(base_directory);
}
} // namespace
std::unique_ptr<Target> (*make_target)() = make_kernel_case;
} // namespace posix

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    if (posix::make_library_target != nullptr)
        posix::make_target = posix::make_library_target;
    else if (argc > 1)
        posix::base_directory = argv[1];
    return RUN_ALL_TESTS();
}
