// locate: where in the pool file the filesystem begins, and what medium it lies on.
//
// The superblock is found by its magic: libpmemobj, which knows too, trusts what stands in its part of the pool and
// would take the process with it if that is damaged. The medium is known to libpmem, which costs a start 2 ms. So the
// last process that leaves in order notes it in the superblock, and the next first attach asks libpmem only
// if that note is missing (new pool, killed processes, power cut) or is another file's (a copy).
#pragma once

#include "libpmemfile/fs/attach.h"

#include <sys/stat.h>

namespace pmemfile {

struct PoolLocation {
    PoolOffset superblock_offset = 0;
    uint64_t size_bytes = 0;
    Medium medium = Medium::volatile_memory;
};

// Where the superblock stands: the first 2 MiB boundary with its magic. EINVAL when there is none. A device-dax,
// which has no read(), is asked through its mapping.
base::Result<PoolOffset> pool_find_superblock(int descriptor);
base::Result<PoolOffset> pool_find_superblock(const std::byte *base, uint64_t size_bytes);
// For a first attach. Errors: those of container_describe; EINVAL (no superblock).
base::Result<PoolLocation> pool_locate(const char *path, const AttachOptions &options, int descriptor,
                                       const struct stat &pool_status, ContainerMessage *message);
// The last process leaves, all is at home and durable: leaves the note.
void pool_note_location(Pool &pool);

} // namespace pmemfile
