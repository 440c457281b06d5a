#include "posix-shim/paths/host_directory.h"

#include "base/raw_syscall.h"

#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <string_view>

namespace shim {

void host_directory_empty(long descriptor, unsigned depth) {
    alignas(8) char entries[512]; // one of them for each level
    long length = 0;
    while ((length = base::raw_syscall(SYS_getdents64, descriptor, base::as_long(entries), sizeof entries)) > 0)
        for (long at = 0; at < length;) {
            const auto *entry = reinterpret_cast<const dirent64 *>(entries + at);
            at += entry->d_reclen;
            const std::string_view name = entry->d_name;
            if (name == "." || name == "..")
                continue;
            const long path = base::as_long(entry->d_name);
            if (base::raw_syscall(SYS_unlinkat, descriptor, path, 0) != -EISDIR)
                continue;
            const long inner = depth == 0 ? -EISDIR
                                          : base::raw_syscall(SYS_openat, descriptor, path,
                                                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (!base::is_error(inner)) {
                host_directory_empty(inner, depth - 1);
                base::raw_syscall(SYS_close, inner);
            }
            base::raw_syscall(SYS_unlinkat, descriptor, path, AT_REMOVEDIR);
        }
}

} // namespace shim
