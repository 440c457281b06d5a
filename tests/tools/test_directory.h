// test_directory: where a test makes its pools: /dev/shm, or PMEMFILE_TEST_DIRECTORY (tests/dax runs suites on a DAX
// filesystem).
#pragma once

#include <cstdlib>
#include <string>

namespace tests {

inline std::string test_directory() {
    const char *chosen = std::getenv("PMEMFILE_TEST_DIRECTORY");
    return chosen != nullptr ? chosen : "/dev/shm";
}

} // namespace tests
