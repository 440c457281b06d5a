// working_directory: where relative paths start, and where absolute ones do, when that is in a pool.
//
// The kernel's working directory and root cannot be in a pool. While ours is, the kernel's stays where it was, and
// every path that begins there goes through the shim.
#pragma once

#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/open_file.h"

#include <atomic>
#include <cstdint>

namespace shim {

struct WorkingDirectory {
    int mount = -1; // index in `mounts`, -1: the kernel's own
    pmemfile::InodeNumber inode = 0;
    pmemfile::OpenFileId holder = 0; // an O_PATH description that keeps the inode alive
};

// The two directories that a process begins its paths at. The root is in a pool after chroot(2) into one.
enum class Beginning : uint8_t { working, root };
constexpr unsigned beginning_count = 2;

// A copy of the present one of the caller: the process's, or a vfork child's overlay. Any thread.
WorkingDirectory beginning_directory(Beginning which);
// Replaces it (chdir, fchdir, chroot) and closes the former holder, except in a vfork
// child, where the overlay takes it. The caller gives `next.holder` away.
void beginning_directory_set(Beginning which, const WorkingDirectory &next);

inline WorkingDirectory working_directory() {
    return beginning_directory(Beginning::working);
}

// The kernel's root has become another directory of the host: programs that are executed from now on run without us,
// for they would not find us and the pools. Also asked for a vfork child.
void host_root_note();
bool host_root_is_changed();

// Has the process had a root in a pool at all? Almost none has.
extern constinit std::atomic<bool> root_was_changed;
inline WorkingDirectory root_directory() {
    if (!root_was_changed.load(std::memory_order_relaxed)) [[likely]]
        return {};
    return beginning_directory(Beginning::root);
}

} // namespace shim
