#include "posix-shim/paths/host_directory.h"

#include <cerrno>

namespace shim {

void host_directory_empty(long descriptor, unsigned depth) {
    host_directory_visit(descriptor, [=](std::string_view name, bool) {
        const long path = base::as_long(name.data());
        if (base::raw_syscall(SYS_unlinkat, descriptor, path, 0) != -EISDIR)
            return;
        const long inner = depth == 0 ? -EISDIR : host_directory_open(descriptor, name);
        if (!base::is_error(inner)) {
            host_directory_empty(inner, depth - 1);
            base::raw_syscall(SYS_close, inner);
        }
        base::raw_syscall(SYS_unlinkat, descriptor, path, AT_REMOVEDIR);
    });
}

} // namespace shim
