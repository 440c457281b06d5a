// The idea: the class that fits first decides (owner, then group, then others; an access list
// stands between), even if a later one would allow more; capabilities come in only where it says no.
#include "libpmemfile/fs/permission.h"

#include "libpmemfile/fs/acl.h"

#include <sys/stat.h>

namespace pmemfile {

bool Subject::is_in(gid_t group) const {
    if (gid == group)
        return true;
    for (unsigned i = 0; i < credentials->group_count && i < max_groups_of_user; ++i)
        if (credentials->groups[i] == group)
            return true;
    return false;
}

bool has_capability(const Thread &thread, uint32_t capability, bool real_ids) {
    const Credentials *credentials = thread.credentials;
    if (credentials == nullptr)
        return true; // the engine itself: recovery, tools
    if (real_ids && credentials->uid != 0)
        return false; // access(2): as if the real user had made the call
    return (credentials->capabilities & capability) != 0;
}

bool has_group(const Thread &thread, gid_t gid) {
    if (thread.credentials == nullptr)
        return true;
    return Subject{thread.credentials->fsuid, thread.credentials->fsgid, thread.credentials}.is_in(gid);
}

base::Status permission_check(const Thread &thread, const Inode &inode, unsigned access, bool real_ids) {
    // Before anybody's rights, as the kernel has it; a fifo or a device on a read-only filesystem may be written.
    if ((access & may_write) != 0 && thread.pool->read_only &&
        (S_ISREG(inode.mode) || S_ISDIR(inode.mode) || S_ISLNK(inode.mode)))
        return base::error(EROFS);
    const Credentials *credentials = thread.credentials;
    if (credentials == nullptr)
        return {};
    const Subject subject{real_ids ? credentials->uid : credentials->fsuid,
                          real_ids ? credentials->gid : credentials->fsgid, credentials};
    bool is_granted = false;
    if (subject.uid == inode.uid)
        is_granted = (access & ~(inode.mode >> 6 & 7)) == 0;
    else if ((inode.flags & inode_has_acl) != 0 && (inode.mode & S_IRWXG) != 0) // as Linux: else the mask is empty
        is_granted = acl_grants(*thread.pool, inode, subject, access);
    else
        is_granted = (access & ~(subject.is_in(inode.gid) ? inode.mode >> 3 & 7 : inode.mode & 7)) == 0;
    if (is_granted)
        return {};
    bool is_directory = S_ISDIR(inode.mode);
    bool may_execute_at_all = is_directory || (inode.mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
    if (has_capability(thread, capability_dac_override, real_ids) &&
        ((access & may_execute) == 0 || may_execute_at_all))
        return {};
    unsigned searchable = is_directory ? may_read | may_execute : unsigned{may_read};
    if (has_capability(thread, capability_dac_read_search, real_ids) && (access & ~searchable) == 0)
        return {};
    return base::error(EACCES);
}

base::Status permission_owner(const Thread &thread, const Inode &inode) {
    if (thread.credentials == nullptr || thread.credentials->fsuid == inode.uid ||
        has_capability(thread, capability_fowner))
        return {};
    return base::error(EPERM);
}

base::Status permission_delete(const Thread &thread, const Inode &directory, const Inode &victim) {
    BASE_TRY(permission_check(thread, directory, may_write | may_execute));
    bool is_sticky = (directory.mode & S_ISVTX) != 0;
    if (is_sticky && !permission_owner(thread, directory).ok())
        return permission_owner(thread, victim);
    return {};
}

} // namespace pmemfile
