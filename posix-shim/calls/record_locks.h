// record_locks: fcntl's struct flock and flock(2), as the engine's advisory locks take them.
#pragma once

#include "posix-shim/calls/path_call.h"
#include "posix-shim/process/settings.h"

#include <span>

namespace shim {

// F_GETLK, F_SETLK, F_SETLKW and the F_OFD_ three on an open file of ours; -errno or 0.
// EBADF by access mode, EINVAL, EOVERFLOW, EFAULT, and those of advisory_lock_set.
long record_lock(Request &request, const OpenArgument &open, int command);

// The files whose record locks of this process end with an exec: as many as there is room for (then more keep theirs).
// Not in a vfork child.
unsigned record_locks_lost_by_exec(ThreadContext &context, std::span<LostLocks> lost);

} // namespace shim
