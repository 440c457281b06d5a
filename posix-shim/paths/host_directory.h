// host_directory: a directory of the host that is ours.
#pragma once

#include "base/raw_syscall.h"

#include <dirent.h>
#include <fcntl.h>
#include <string_view>

namespace shim {

// Calls visit(name, is_directory) for each entry of the directory of `descriptor`, which is read on from where it is;
// the name ends with a NUL. What is visited may be removed. Some 600 bytes of stack.
template <typename Visit> void host_directory_visit(long descriptor, Visit visit) {
    alignas(8) char entries[512];
    long length = 0;
    while ((length = base::raw_syscall(SYS_getdents64, descriptor, base::as_long(entries), sizeof entries)) > 0)
        for (long at = 0; at < length;) {
            const auto *entry = reinterpret_cast<const dirent64 *>(entries + at);
            at += entry->d_reclen;
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..")
                visit(name, entry->d_type == DT_DIR);
        }
}

// Opens the directory `name` in that of `descriptor`; no symlink. -errno.
inline long host_directory_open(long descriptor, std::string_view name) {
    return base::raw_syscall(SYS_openat, descriptor, base::as_long(name.data()),
                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

// Removes what is in the directory of `descriptor`, which stays open. Directories in it are emptied, too, down to
// `depth` below it, and removed if that made them empty. What can not be removed stays.
void host_directory_empty(long descriptor, unsigned depth);

} // namespace shim
