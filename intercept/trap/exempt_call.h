// exempt_call: system calls of the interceptor itself, which the kernel must not trap wherever the
// library is: in the handler of a trap, or while SIGSYS is blocked.
#pragma once

#include "base/raw_syscall.h"

namespace intercept {

using ExemptFunction = long (*)(long number, long a0, long a1, long a2, long a3, long a4, long a5);

// In the exempt range once there is one (trap/exempt_range.cpp).
extern ExemptFunction exempt_function;

inline long exempt_call(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0, long a5 = 0) {
    return exempt_function(number, a0, a1, a2, a3, a4, a5);
}

} // namespace intercept
