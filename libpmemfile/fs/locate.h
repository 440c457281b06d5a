// locate: where in the pool file the filesystem begins, and what medium it lies on.
//
// libpmemobj knows both, but it takes about 14 ms to open a pool, and nothing but mkfs ever
// changes its part. So the last process that leaves in order notes what it knew in
// the superblock, and the next first attach asks libpmemobj only if that note is missing
// (new pool, killed processes, power cut) or is another file's (a copy).
#pragma once

#include "libpmemfile/fs/attach.h"

#include <sys/stat.h>

namespace pmemfile {

struct PoolLocation {
    PoolOffset superblock_offset = 0;
    uint64_t size_bytes = 0;
    Medium medium = Medium::volatile_memory;
};

// Where the superblock stands: the first 2 MiB boundary with its magic. EINVAL when there is none.
base::Result<PoolOffset> pool_find_superblock(int descriptor);
// For a first attach, which has an exclusive flock on `descriptor` (given up for a moment when
// libpmemobj is asked). Errors: those of container_open; EBUSY when somebody took the lock meanwhile.
base::Result<PoolLocation> pool_locate(const char *path, const AttachOptions &options, int descriptor,
                                       const struct stat &pool_status, ContainerMessage *message);
// The last process leaves, all is at home and durable: leaves the note.
void pool_note_location(Pool &pool);

} // namespace pmemfile
