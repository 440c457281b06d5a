// root_path: what is in a pool, named as a process sees it whose root is there (chroot).
#pragma once

#include "base/result.h"
#include "posix-shim/process/context.h"

#include <string_view>

namespace shim {

// What stands before a path inside the pool to name it: the mount point; nothing where the process's root is in a pool,
// for paths inside begin there then.
inline std::string_view path_before(unsigned mount) {
    return root_directory().mount >= 0 ? std::string_view() : mounts[mount].path();
}
// `path` of `length` bytes is absolute in its pool. Where the process's root is in a pool: makes it one that begins
// there, and returns its length. EXDEV: it is not below the root. Needs ThreadContext::symlink as scratch.
base::Result<size_t> path_from_root(ThreadContext &context, unsigned mount, char *path, size_t length);
// directory_path (fs/walk.h), and that.
base::Result<size_t> directory_path_from_root(ThreadContext &context, unsigned mount, pmemfile::InodeNumber directory,
                                              char *path, size_t size_bytes);

} // namespace shim
