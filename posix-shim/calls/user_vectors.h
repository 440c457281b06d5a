// user_vectors: the iovec array of a call, taken in once.
#pragma once

#include "libpmemfile/file/user_cursor.h"
#include "posix-shim/process/context.h"

namespace shim {

// Could the program have this memory at all? Linux looks at that before it moves anything, also where there is nothing
// to be moved.
inline bool may_be_memory(uint64_t address, uint64_t size_bytes) {
    uint64_t end = 0;
    return !__builtin_add_overflow(address, size_bytes, &end) && end <= static_cast<uint64_t>(INT64_MAX);
}

// `count` vectors at `user`, into the context; their lengths are cut to what one call moves. Errors as Linux has them,
// in its order: EINVAL (more than 1024, or a length below zero), EFAULT (also for memory that no program has).
base::Result<pmemfile::UserBuffers> take_vectors(ThreadContext &context, long user, long count);

} // namespace shim
