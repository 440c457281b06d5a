// seeded_fault: mistakes that the engine makes on purpose, one at a time, in a build of its own
// for the test `crash_faults`: the crash explorer must notice each. In every other build a
// question after one is the constant `false` and leaves no code.
#pragma once

#include <cstdint>

namespace pmemfile {

enum class SeededFault : uint32_t {
    none,
};

#if PMEMFILE_SEEDED_FAULTS
extern SeededFault seeded_fault; // defined by the test
inline bool is_seeded(SeededFault fault) {
    return seeded_fault == fault;
}
#else
constexpr bool is_seeded(SeededFault) {
    return false;
}
#endif

} // namespace pmemfile
