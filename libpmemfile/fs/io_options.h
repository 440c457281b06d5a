// io_options: what the flags of preadv2(2) and pwritev2(2) ask for.
#pragma once

#include "base/result.h"

#include <cerrno>

namespace pmemfile {

// For fs_read, fs_write and their positional forms.
enum IoOptions : unsigned {
    io_append = 1,    // as if the file were open with O_APPEND,
    io_no_append = 2, // or were not
    io_atomic = 4,    // one step or nothing: see data_write
    io_no_wait = 8,   // EAGAIN when somebody else is changing the file at this moment
};

// RWF_* of Linux 6.18, some of which are newer than Debian 12's headers.
constexpr int rwf_high_priority = 0x01;
constexpr int rwf_data_sync = 0x02; // nothing to do, like rwf_sync: each call is durable when it returns
constexpr int rwf_sync = 0x04;
constexpr int rwf_no_wait = 0x08;
constexpr int rwf_append = 0x10;
constexpr int rwf_no_append = 0x20;
constexpr int rwf_atomic = 0x40;
constexpr int rwf_no_signal = 0x100; // SIGPIPE, which no file sends

// IoOptions of RWF_* flags. EOPNOTSUPP for flags that are not known or not served (RWF_DONTCACHE, as on
// tmpfs), and for RWF_ATOMIC of a read; EINVAL.
inline base::Result<unsigned> io_options_of(int flags, bool is_write) {
    constexpr int known =
        rwf_high_priority | rwf_data_sync | rwf_sync | rwf_no_wait | rwf_append | rwf_no_append | rwf_no_signal;
    if ((flags & ~(known | rwf_atomic)) != 0 || ((flags & rwf_atomic) != 0 && !is_write))
        return base::error(EOPNOTSUPP);
    if ((flags & rwf_append) != 0 && (flags & rwf_no_append) != 0)
        return base::error(EINVAL);
    unsigned options = 0;
    options |= (flags & rwf_append) != 0 ? unsigned{io_append} : 0u;
    options |= (flags & rwf_no_append) != 0 ? unsigned{io_no_append} : 0u;
    options |= (flags & rwf_atomic) != 0 ? unsigned{io_atomic} : 0u;
    options |= (flags & rwf_no_wait) != 0 ? unsigned{io_no_wait} : 0u;
    return options;
}

} // namespace pmemfile
