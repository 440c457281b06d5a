// host_walk: follows a host path component by component, as the kernel does,
// to find out whether it enters a mount (through a symlink on the host).
#pragma once

#include "base/result.h"
#include "posix-shim/process/context.h"

#include <cstdint>
#include <string_view>

namespace shim {

// What a call does with a symlink that is its path's last component.
enum class Last : uint8_t {
    follow, // it means what the link leads to
    link,   // the link itself; what it leads to, if a slash stands behind
    name,   // the link itself in any case: the name is made, removed or moved
};

// Where a host path leads.
struct HostWalkResult {
    int mount = -1;        // -1: it stays on the host
    bool at_root = false;  // a symlink leads to "/...", and the process's root is in a pool: `rest` begins there
    bool at_link = false;  // /proc/self/fd/N or the like, of something in a pool: `rest` begins with that, absolute
    std::string_view rest; // inside the mount, in ThreadContext::symlink
};

// `base`: canonical absolute directory; `path` may be absolute. Needs ThreadContext::symlink and
// host_path[slot] as scratch; neither argument may lie in them. ENAMETOOLONG.
base::Result<HostWalkResult> host_walk(ThreadContext &context, unsigned slot, std::string_view base,
                                       std::string_view path, Last last);

// Canonical path of a host directory descriptor (AT_FDCWD: the kernel's cwd); length, or an error. NUL-terminated.
base::Result<size_t> host_directory_path(long dirfd, char *buffer, size_t size_bytes);
// The same for the kernel's working directory, remembered until host_cwd_changed().
base::Result<std::string_view> host_cwd(ThreadContext &context);
void host_cwd_changed();
// Has it been found not to be near a mount, since it was changed? Not in a vfork child, which has its own.
bool host_cwd_is_far();
// Is one of the two, the directory and a mount point, perhaps below the other?
bool is_near_mount(std::string_view directory);
// Has `path` a component that is the last one of a mount point's path?
bool names_mount_point(std::string_view path);

} // namespace shim
