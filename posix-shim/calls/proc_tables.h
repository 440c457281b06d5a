// proc_tables: files of /proc that must tell of the pools: the kernel's text, with ours added.
//
//   /proc/self/mountinfo, /proc/self/mounts, /proc/mounts, /etc/mtab   a line for each mount
//   /proc/self/fdinfo/N   of a file of ours: its token's says nothing
//   /proc/PID/maps, smaps   the names of programs and libraries of a pool instead of their copies'; in our own, what we
//                           have mapped of a pool as files of it (mapping/mapped_lines.h)
#pragma once

#include "posix-shim/calls/handler.h"

#include <string_view>

namespace shim {

// An open of `path` (absolute) for reading that the kernel would serve: a descriptor of a text made up for it. 0: no
// such file, or nothing to add. Else as open(2).
long open_proc_table(ThreadContext &context, std::string_view path, int flags);

// The number of a mount in mountinfo, and in statx.
uint64_t mount_id(unsigned mount);

} // namespace shim
