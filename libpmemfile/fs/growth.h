// growth: a pool becomes larger while it is used.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// Makes the pool at least `size_bytes` large, by whole allocation groups: a power of two of 4 to 128 MiB, about a
// thousandth of the size that mkfs was told it can have (MkfsOptions::max_size_bytes). Nothing happens when it is as
// large already. Takes two fences. All processes see the new space from the moment it returns.
// Errors: EOPNOTSUPP (it was made to be of one size), EFBIG (larger than it can become), ENOSPC (the filesystem of the
// pool file is full: nothing has happened), EROFS, EBUSY (in a transaction), EIO.
base::Status fs_grow(Thread &thread, uint64_t size_bytes);

} // namespace pmemfile
