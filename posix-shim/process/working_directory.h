// working_directory: where relative paths start, when that is in a pool.
//
// The kernel's working directory cannot be in a pool. While ours is, the
// kernel's stays where it was, and every relative path goes through the shim.
#pragma once

#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/open_file.h"

#include <cstdint>

namespace shim {

struct WorkingDirectory {
    int mount = -1; // index in `mounts`, -1: the kernel's own
    pmemfile::InodeNumber inode = 0;
    pmemfile::OpenFileId holder = 0; // an O_PATH description that keeps the inode alive
};

// A copy of the present one of the caller: the process's, or a vfork child's overlay. Any thread.
WorkingDirectory working_directory();
// Replaces it (chdir, fchdir) and closes the former holder, except in a vfork
// child, where the overlay takes it. The caller gives `next.holder` away.
void working_directory_set(const WorkingDirectory &next);

} // namespace shim
