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

// Another open file description of what `descriptor` is open to: asks for the right to the file alone, not for that to
// its path. Any thread. ENOENT: there is no /proc.
inline long reopen_own(long descriptor, long flags) {
    char path[40] = "/proc/self/fd/";
    char digits[20];
    unsigned count = 0;
    unsigned at = 14;
    for (long rest = descriptor; count == 0 || rest > 0; rest /= 10)
        digits[count++] = static_cast<char>('0' + rest % 10);
    while (count > 0)
        path[at++] = digits[--count];
    return open_own(path, flags);
}

} // namespace base
