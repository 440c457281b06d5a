// high_descriptor: numbers for descriptors of ours, out of the way of programs that count on low ones.
#pragma once

#include "base/raw_syscall.h"

#include <cerrno>

namespace base {

constexpr long first_high_descriptor = 900;

// One more number for `descriptor`, at least `lowest`, or, below a lower limit of open files, as high as that lets.
// `command`: F_DUPFD or F_DUPFD_CLOEXEC. -errno.
inline long high_duplicate(long descriptor, int command, long lowest = first_high_descriptor) {
    for (;; lowest = lowest * 3 / 4) {
        const long high = raw_syscall(SYS_fcntl, descriptor, command, lowest);
        if ((high != -EINVAL && high != -EMFILE) || lowest == 0)
            return high;
    }
}

} // namespace base
