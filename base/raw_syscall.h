// raw_syscall: the kernel's own calling convention, without libc.
//
// Used wherever code may run inside a hook: libc's wrappers would set errno
// and might themselves be patched. The result is the kernel's: -errno on
// failure. These inline calls are in our own objects, which are never patched.
#pragma once

#include <sys/syscall.h>

namespace base {

inline long raw_syscall(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0, long a5 = 0) {
    long result;
    register long r10 asm("r10") = a3;
    register long r8 asm("r8") = a4;
    register long r9 asm("r9") = a5;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

// True when `result` is one of the kernel's error values (-4095..-1).
constexpr bool is_error(long result) {
    return result < 0 && result >= -4095;
}

template <typename T> long as_long(T *pointer) {
    return reinterpret_cast<long>(pointer);
}

} // namespace base
