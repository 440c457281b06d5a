// program_memory: eight bytes at an address that a program gave, tried without a fault.
#pragma once

#include "intercept/trap/exempt_call.h"

#include <cerrno>
#include <csignal>
#include <cstdint>

namespace intercept {

// The kernel reads a signal set before it looks at what is to be done with it.
inline bool is_readable(const void *address) {
    constexpr int no_such_way = -1;
    return exempt_call(SYS_rt_sigprocmask, no_such_way, base::as_long(address), 0, sizeof(uint64_t)) != -EFAULT;
}
// Destroys what is there.
inline bool is_writable(void *address) {
    return exempt_call(SYS_rt_sigprocmask, SIG_BLOCK, 0, base::as_long(address), sizeof(uint64_t)) != -EFAULT;
}

} // namespace intercept
