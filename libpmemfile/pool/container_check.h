// container_check: is libpmemobj's own part of a pool whole?
//
// Nobody needs it but libpmemobj's tools. It is asked all the same, by fsck, so that damage has a name.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"

namespace pmemfile {

struct ContainerLook {
    bool is_damaged = false;
    char text[128] = {}; // what libpmemobj says of it, or how it ended
};

// Lets libpmemobj open a copy of its part of the pool that is mapped at `base`, in a child process: what stands there
// may kill it (SIGSEGV, an endless loop), and what it repairs stays in the copy. Of the superblock nothing is
// believed: where it or the group table is damaged, what is libpmemobj's cannot be told, and `is_damaged` is false.
// The process must be one that may fork and be waited for (a tool). Errors: ENOMEM, EAGAIN, EMFILE, ENOSPC (no room
// for the copy, some MiB and two for each 16 GiB), EINTR.
base::Result<ContainerLook> container_look(const std::byte *base, uint64_t size_bytes, PoolOffset superblock_offset);

} // namespace pmemfile
