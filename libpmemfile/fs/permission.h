// permission: who may do what (path_resolution(7), capabilities(7)).
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

enum Access : unsigned { may_execute = 1, may_write = 2, may_read = 4 }; // as R_OK, W_OK, X_OK

// Whom a check is made for: a user and his groups.
struct Subject {
    uid_t uid = 0;
    gid_t gid = 0;
    const Credentials *credentials = nullptr;

    bool is_in(gid_t group) const;
};

// EACCES unless the thread's credentials (fsuid, or the real ids) allow `access`. `inode` is read
// under a ReadSection or its lock, not a copy from before: its access list is looked at too.
base::Status permission_check(const Thread &thread, const Inode &inode, unsigned access, bool real_ids = false);
// EPERM unless the caller owns the inode or has CAP_FOWNER.
base::Status permission_owner(const Thread &thread, const Inode &inode);
// May the entry of `victim` be removed from `directory`: write + search, and the sticky bit.
base::Status permission_delete(const Thread &thread, const Inode &directory, const Inode &victim);
// One of capability_*; true for the engine itself. `real_ids`: as access(2), root only.
bool has_capability(const Thread &thread, uint32_t capability, bool real_ids = false);
// Is the caller in group `gid`?
bool has_group(const Thread &thread, gid_t gid);

} // namespace pmemfile
