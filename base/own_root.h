// own_root: where paths of our own begin, when the program has changed its root.
//
// What we open by name for ourselves (the runtime file, tokens) is not below the program's new root. Before that
// changes the former one is kept as a descriptor.
#pragma once

#include "base/raw_syscall.h"

#include <atomic>
#include <fcntl.h>

namespace base {

inline constinit std::atomic<int> own_root = AT_FDCWD; // until it is needed

// openat of an absolute path of ours. Any thread.
inline long open_own(const char *path, long flags, long mode = 0) {
    const int root = own_root.load(std::memory_order_relaxed);
    return raw_syscall(SYS_openat, root, as_long(root == AT_FDCWD ? path : path + 1), flags, mode);
}

} // namespace base
