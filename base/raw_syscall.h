// raw_syscall: the kernel's own calling convention, without libc.
//
// Used wherever code may run inside a hook: libc's wrappers would set errno
// and might themselves be patched. The result is the kernel's: -errno on
// failure. These inline calls are in our own objects, which are never patched.
#pragma once

#include <sys/syscall.h>

namespace base {

inline long raw_syscall(long number, long a0 = 0, long a1 = 0, long a2 = 0, long a3 = 0, long a4 = 0, long a5 = 0) {
#if defined(__x86_64__)
    long result;
    register long r10 asm("r10") = a3;
    register long r8 asm("r8") = a4;
    register long r9 asm("r9") = a5;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = a0;
    register long x1 asm("x1") = a1;
    register long x2 asm("x2") = a2;
    register long x3 asm("x3") = a3;
    register long x4 asm("x4") = a4;
    register long x5 asm("x5") = a5;
    asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#endif
}

// True when `result` is one of the kernel's error values (-4095..-1).
constexpr bool is_error(long result) {
    return result < 0 && result >= -4095;
}

template <typename T> long as_long(T *pointer) {
    return reinterpret_cast<long>(pointer);
}

} // namespace base
