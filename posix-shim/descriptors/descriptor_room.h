// descriptor_room: numbers for a call of ours that the program would not have to pay on Linux.
//
// At its limit of open files a program can still fork and exec; we need one number more for that. While a
// DescriptorRoom lives, the soft limit is the hard one. Where they are the same there is no room.
#pragma once

#include "base/raw_syscall.h"

#include <sys/resource.h>

namespace shim {

class DescriptorRoom {
public:
    DescriptorRoom() {
        if (base::is_error(base::raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, base::as_long(&former_))) ||
            former_.rlim_cur == former_.rlim_max)
            return;
        const struct rlimit wide = {former_.rlim_max, former_.rlim_max};
        is_wide_ = !base::is_error(base::raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, base::as_long(&wide), 0));
    }
    ~DescriptorRoom() {
        if (is_wide_)
            base::raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, base::as_long(&former_), 0);
    }
    DescriptorRoom(const DescriptorRoom &) = delete;
    DescriptorRoom &operator=(const DescriptorRoom &) = delete;

private:
    struct rlimit former_ = {};
    bool is_wide_ = false;
};

} // namespace shim
