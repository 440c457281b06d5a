// host_path: the paths that are the host's at the first look, which most are: nothing is copied or routed for them.
#pragma once

namespace shim {

// Is it an absolute path that names nothing of a pool, and none of the files that we answer for (/proc, /dev, mtab)?
// (A symlink of the host's may still lead there: the kernel's answer is looked at in any case.) False where that takes
// a closer look: up to 63 bytes, without "//" and "..", and with no mount on a part of it. Any thread.
bool is_plainly_of_host(const char *user_path);

} // namespace shim
