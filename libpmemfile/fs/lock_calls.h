// lock_calls: fcntl(2)'s record locks and flock(2) on an open file description.
#pragma once

#include "libpmemfile/runtime/advisory_lock.h"

namespace pmemfile {

// F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ forms; F_GETLK fills `lock`. `interrupted`: see
// advisory_lock_set. EBADF by access mode, EINVAL, EOVERFLOW, EAGAIN, EDEADLK, ENOLCK, EINTR.
base::Status fs_lock_record(Thread &thread, OpenFileId id, int command, struct flock &lock, bool (*interrupted)());
// LOCK_SH, LOCK_EX, LOCK_UN, with LOCK_NB. EWOULDBLOCK, EINVAL, EBADF, EINTR.
base::Status fs_flock(Thread &thread, OpenFileId id, int operation, bool (*interrupted)());

} // namespace pmemfile
