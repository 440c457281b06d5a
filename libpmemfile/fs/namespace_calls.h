// namespace_calls: the calls that make, remove and rename names. Paths are
// relative to directory `start`; `flags` are WalkFlags (walk_may_escape) that
// the caller adds. Each call is atomic and durable when it returns. Errors are
// those of the POSIX call of the same name (path_escapes in addition).
#pragma once

#include "base/result.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// A path as the calls take it.
struct At {
    InodeNumber start = 0; // a directory
    std::string_view path;
    unsigned flags = 0; // walk_may_escape, walk_follow_last (linkat), ...
};

// mknod(2) for regular files, fifos, sockets and device nodes; mode has S_IFMT and the umask is applied here.
base::Result<InodeNumber> fs_mknod(Thread &thread, const At &at, mode_t mode, uint64_t device);
base::Status fs_mkdir(Thread &thread, const At &at, mode_t mode);
base::Status fs_rmdir(Thread &thread, const At &at);
base::Status fs_unlink(Thread &thread, const At &at);
base::Status fs_symlink(Thread &thread, std::string_view target, const At &at);
// Links inode `from` (already resolved) to a new name. EMLINK, EPERM (directory), EEXIST, ENOENT (no name left, and not
// a file of O_TMPFILE).
base::Status fs_link(Thread &thread, InodeHandle from, const At &to);
// With RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT (needs no capability, as on Linux since 5.8).
base::Status fs_rename(Thread &thread, const At &from, const At &to, unsigned rename_flags);
// Content of a symlink, not NUL-terminated; cut at the size. EINVAL when it is none.
base::Result<size_t> fs_readlink(Thread &thread, InodeHandle handle, char *buffer, size_t size_bytes);

} // namespace pmemfile
