// mount: a pool and the host directory it covers.
//
// Mounts are made once, in the constructor (process/mount.cpp), and never move
// or change afterwards (but for `seen`), so any thread may read them without a lock. A fork
// copies them; pool_after_fork_child gives the child its own place.
#pragma once

#include "libpmemfile/runtime/pool.h"

#include <atomic>
#include <cstdint>
#include <string_view>

namespace shim {

constexpr unsigned max_mounts = 8; // a mount index travels in 3 bits (descriptors/descriptor_table.h)
constexpr unsigned mount_path_bytes = 1024;

struct Mount {
    pmemfile::Pool pool;
    // Canonical absolute path of the mount point, no trailing slash, never "/".
    char host_path[mount_path_bytes] = {};
    unsigned host_path_length = 0;
    char pool_path[mount_path_bytes] = {}; // of the pool's file, as the mount was asked for
    // The mount point as the host knows it: to notice it behind host symlinks.
    uint64_t host_device = 0, host_inode = 0;
    // st_dev of everything in the pool: made of the pool's UUID, the same in all processes.
    uint64_t device = 0;
    // The token file (design: descriptors): on tmpfs, opened with access mode 3.
    char token_path[128] = {};
    uint64_t token_device = 0, token_inode = 0;

    // The pool's memory was lost under us (signals/lost_pool.h): this process has no part in it any more.
    std::atomic<bool> is_lost = false;
    uint64_t segment_size_bytes = 0; // known when it is

    // What is seen of `host_path` since the root has become another directory of the host (chroot): where it begins,
    // and above bit 32 how long it is. 0: the whole.
    std::atomic<uint64_t> seen = 0;

    // As the program names it; where it cannot, something that is the beginning of no path.
    std::string_view path() const {
        const uint64_t part = seen.load(std::memory_order_relaxed);
        return part == 0 ? whole_path() : std::string_view(host_path + static_cast<uint32_t>(part), part >> 32);
    }
    bool is_reachable() const {
        return path().front() == '/';
    }
    // From the root that the process began with.
    std::string_view whole_path() const {
        return {host_path, host_path_length};
    }
    // The mount point is below the new root, which has `root_bytes` in front of what was seen so far; or is not.
    void see_from_root(bool is_below, size_t root_bytes) {
        const std::string_view now =
            is_below ? path().substr(root_bytes) : std::string_view(host_path + host_path_length, 1);
        seen.store(static_cast<uint64_t>(now.data() - host_path) | uint64_t{now.size()} << 32);
    }
};

// Constant-initialised: a constructor of ours fills them before dynamic initialisers run,
// which would wipe them again.
extern constinit Mount mounts[max_mounts];
extern constinit unsigned mount_count;

// Made-up device number for a pool: major 0 (as the kernel gives filesystems without
// a device), minor from the UUID with a high bit that its counter does not reach.
uint64_t mount_device(const uint8_t uuid[16]);

// Does the kernel's file stand for what is ours: the host's directory below a mount point, or the token file? Any thread.
inline bool stands_for_mount(uint64_t device, uint64_t inode) {
    for (unsigned i = 0; i < mount_count; i++)
        if ((mounts[i].host_inode == inode && mounts[i].host_device == device) ||
            (mounts[i].token_inode == inode && mounts[i].token_device == device))
            return true;
    return false;
}

} // namespace shim
