// program_memory: what a program's pointer leads to, tried without a fault.
#pragma once

#include "intercept/trap/exempt_call.h"
#include "intercept/trap/own_calls.h"

#include <cerrno>
#include <csignal>
#include <cstdint>

namespace intercept {

// The kernel reads a signal set before it looks at what is to be done with it. (Where a seccomp filter forbids to
// ask so, the program is believed.)
inline bool is_readable(const void *address) {
    constexpr int no_such_way = -1;
    return !own_call_allowed(SYS_rt_sigprocmask) ||
           exempt_call(SYS_rt_sigprocmask, no_such_way, base::as_long(address), 0, sizeof(uint64_t)) != -EFAULT;
}
// Destroys what is there.
inline bool is_writable(void *address) {
    return !own_call_allowed(SYS_rt_sigprocmask) ||
           exempt_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, base::as_long(address), sizeof(uint64_t)) != -EFAULT;
}
// The same for all of a struct sigaction of the kernel's, asked by the call whose argument it is.
inline bool is_readable_action(const void *address) {
    constexpr int no_such_signal = 0;
    return exempt_call(SYS_rt_sigaction, no_such_signal, base::as_long(address), 0, sizeof(uint64_t)) != -EFAULT;
}
// Destroys what is there.
inline bool is_writable_action(void *address) {
    return exempt_call(SYS_rt_sigaction, SIGSYS, 0, base::as_long(address), sizeof(uint64_t)) != -EFAULT;
}

} // namespace intercept
