// attribute_calls: what an inode tells and lets change about itself. Handles
// come from walk(), or an inode number from an open file description. All: ESTALE (InodeHandle).
#pragma once

#include "base/result.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/runtime/thread.h"

#include <sys/stat.h>
#include <sys/statfs.h>

namespace pmemfile {

// Everything stat(2) and statx(2) want; nanoseconds since the epoch.
struct Attributes {
    InodeNumber inode = 0;
    uint64_t size_bytes = 0, block_count = 0, device = 0;
    uint32_t mode = 0, uid = 0, gid = 0, link_count = 0, generation = 0;
    int64_t atime_ns = 0, mtime_ns = 0, ctime_ns = 0, btime_ns = 0;
};
base::Result<Attributes> fs_attributes(Thread &thread, InodeHandle handle);
// The same as struct stat; st_dev is `device`. On an error `stat` may hold anything.
base::Status fs_stat(Thread &thread, InodeHandle handle, uint64_t device, struct stat *stat);

base::Status fs_chmod(Thread &thread, InodeHandle handle, mode_t mode);
// uid or gid -1: unchanged. Clears set-id bits as chown(2) says.
base::Status fs_chown(Thread &thread, InodeHandle handle, uid_t uid, gid_t gid);
// UTIME_NOW / UTIME_OMIT as utimensat(2); null: both now.
base::Status fs_utimens(Thread &thread, InodeHandle handle, const struct timespec times[2]);
// truncate(2) by inode: permission to write is checked here when `check` is set (path call).
base::Status fs_truncate(Thread &thread, InodeHandle handle, int64_t size_bytes, bool check);
// access(2): R_OK, W_OK, X_OK, F_OK.
base::Status fs_access(Thread &thread, InodeHandle handle, int mode, bool real_ids);
// statfs(2) of the pool. f_type is pmemfile_statfs_type.
constexpr long pmemfile_statfs_type = 0x504d4646; // "PMFF"
void fs_statfs(Thread &thread, struct statfs *statfs);

} // namespace pmemfile
