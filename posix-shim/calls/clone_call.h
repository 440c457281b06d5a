// clone_call: FICLONE and FICLONERANGE, which serve_ioctl meets.
#pragma once

#include "posix-shim/calls/path_call.h"

namespace shim {

// Serves the request, an ioctl with one of the two commands on our open file `to`. The source's descriptor is the
// argument of FICLONE, or stands in what that of FICLONERANGE points to. EBADF, EXDEV (not of this pool), EFAULT, and
// as fs_clone_range.
long clone_into(Request &request, const OpenArgument &to);

} // namespace shim
