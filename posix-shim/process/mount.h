// mount: a pool and the host directory it covers.
//
// Mounts are made once, in the constructor (process/mount.cpp), and never move
// or change afterwards, so any thread may read them without a lock. A fork
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

    std::string_view path() const {
        return {host_path, host_path_length};
    }
};

// Constant-initialised: a constructor of ours fills them before dynamic initialisers run,
// which would wipe them again.
extern constinit Mount mounts[max_mounts];
extern constinit unsigned mount_count;

// Made-up device number for a pool: major 0 (as the kernel gives filesystems without
// a device), minor from the UUID with a high bit that its counter does not reach.
uint64_t mount_device(const uint8_t uuid[16]);

} // namespace shim
