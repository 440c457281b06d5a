// pool_file: a file that a path in our own memory names, where that leads into a pool.
#pragma once

#include "libpmemfile/fs/walk.h"
#include "posix-shim/process/context.h"

#include <string_view>

namespace shim {

struct PoolFile {
    pmemfile::Thread *thread = nullptr;
    unsigned mount = 0;
    pmemfile::InodeHandle inode;
    size_t directory_bytes = 0; // of `inside` (below): the directory, empty for the root
    size_t inside_bytes = 0;
};

// Follows `path`, relative to the working directory, symlinks and all. Uses slot 0 of the routes. EXDEV: it is the
// host's.
base::Result<PoolFile> pool_file_find(ThreadContext &context, std::string_view path);
// The same for `name` in `directory`. Writes the directory's path in the pool without symlinks and the name behind it
// into `inside` of path_max_bytes; the inode is that of the file the name leads to. Needs a name: ENOENT.
base::Result<PoolFile> pool_file_find_in(ThreadContext &context, std::string_view directory, std::string_view name,
                                         char *inside);
// Cuts `path` at its last slash; a path without one is in ".".
void split_path(std::string_view path, std::string_view *directory, std::string_view *name);

} // namespace shim
