// container: the libpmemobj pool around the filesystem.
//
// The only user of libpmemobj and libpmem. It lives in a library of its own
// (libpmemfile-container.so) which a preloaded program loads only when it is
// the first to attach: linking PMDK into every program costs 2 ms a start.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/persist/persist.h"

#include <cstdint>

namespace pmemfile {

// What a process must know of the container to map the pool itself.
struct ContainerInfo {
    uint64_t pool_size_bytes = 0;
    PoolOffset root_offset = 0; // of ContainerRoot; told by container_create alone
    Medium medium = Medium::volatile_memory;
};

// What went wrong, in one line for a person. Filled when a call below fails.
struct ContainerMessage {
    char text[256] = {};
};

// Creates the libpmemobj pool at `path` (which must not exist unless it is a
// device-dax) of `size_bytes` bytes with permission bits `mode`, allocates all
// slabs in one transaction and writes ContainerRoot.
// Errors: EEXIST, EINVAL (size below 16 MiB), ENOSPC, EACCES, EROFS, ...
base::Result<ContainerInfo> container_create(const char *path, uint64_t size_bytes, unsigned mode,
                                             ContainerMessage *message);

// Size and medium of a pool file or device, from libpmem; other processes may be attached. What stands in the
// pool is not looked at, so damage there cannot do anything: libpmemobj trusts what it finds in its part, and dies of
// it (SIGSEGV in pmemobj_open). Errors: EINVAL (too short), EISDIR, EACCES, ENOENT, ...
base::Result<ContainerInfo> container_describe(const char *path, ContainerMessage *message);

} // namespace pmemfile
