// fault_rule: one rule of `sc inject`, as the agents read it.
#pragma once

#include "intercept/calls/call_number.h"

#include <cstdint>

namespace sc {

constexpr unsigned fault_rules_max = 16;
constexpr unsigned rule_path_bytes = 1024;

enum class FaultKind : uint8_t {
    none,    // only delays or signals
    error,   // `value` = errno: the kernel is not asked
    result,  // `value` = what the call returns: the kernel is not asked
    shorten, // the count becomes at most `value`: a short read or write
};

struct FaultRule {
    FaultKind kind;
    uint8_t calls[intercept::call_number_limit];
    int64_t value;
    uint64_t delay_enter_ns, delay_exit_ns;
    int32_t signal; // sent to the thread; 0 = none
    // Which of the matching calls: first, first + step, ... up to last; step 0: `first` alone.
    uint64_t first, step, last;
    uint64_t chance; // of 2^32: of those, how many; 2^32 = all
    uint64_t seed;
    int32_t descriptor;         // -1: any
    uint32_t path_is_directory; // all below it too
    uint32_t path_bytes;        // 0: any
    char path[rule_path_bytes]; // absolute
};

} // namespace sc
