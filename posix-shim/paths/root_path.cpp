#include "posix-shim/paths/root_path.h"

#include "libpmemfile/fs/walk.h"

#include <cerrno>
#include <cstring>

namespace shim {

using base::error;
using base::Result;

Result<size_t> path_from_root(ThreadContext &context, unsigned mount, char *path, size_t length) {
    const WorkingDirectory root = root_directory();
    if (root.mount < 0)
        return length;
    if (root.mount != static_cast<int>(mount))
        return error(EXDEV);
    BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, mount));
    char *top = context.symlink;
    BASE_TRY_ASSIGN(size_t top_length, directory_path(*thread, root.inode, top, sizeof context.symlink));
    if (top_length == 1) // the pool's own root, "/"
        return length;
    if (!std::string_view(path, length).starts_with({top, top_length}) ||
        (length > top_length && path[top_length] != '/'))
        return error(EXDEV);
    if (length == top_length) {
        path[0] = '/';
        path[1] = 0;
        return size_t{1};
    }
    length -= top_length;
    std::memmove(path, path + top_length, length);
    path[length] = 0;
    return length;
}

Result<size_t> directory_path_from_root(ThreadContext &context, unsigned mount, pmemfile::InodeNumber directory,
                                        char *path, size_t size_bytes) {
    BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, mount));
    BASE_TRY_ASSIGN(const size_t length, directory_path(*thread, directory, path, size_bytes));
    return path_from_root(context, mount, path, length);
}

} // namespace shim
