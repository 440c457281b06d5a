// host_path: the paths that are the host's at the first look, which most are: nothing is copied or routed for them.
#pragma once

#include "posix-shim/process/context.h"

namespace shim {

// Is it a path that names nothing of a pool, and none of the files that we answer for (/proc, /dev, mtab)?
// (A symlink of the host's may still lead there: the kernel's answer is looked at in any case.) False where that takes
// a closer look: up to 63 bytes, without "//" and "..", and with no mount on a part of it. A relative one begins at
// `dirfd`, a directory of the host, or a working directory with no mount below it. Any thread.
bool is_plainly_of_host(const ThreadContext &context, long dirfd, const char *user_path);

} // namespace shim
