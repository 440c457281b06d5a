// The idea: a walk is a guess that was true at some instant; the generations of
// the two inodes and one lookup under their locks tell whether it still is.
#include "libpmemfile/fs/place.h"

#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/acl.h"
#include "libpmemfile/fs/permission.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/space/allocator.h"

#include <sys/stat.h>

namespace pmemfile {

base::Result<bool> place_is_unchanged(const Call &call, const WalkResult &place, Dentry *dentry) {
    const Inode *parent = call.pool().inode(place.parent);
    if (parent == nullptr || parent->generation != place.parent_generation)
        return false;
    if (!S_ISDIR(parent->mode))
        return base::error(ENOTDIR);
    if (parent->link_count == 0)
        return base::error(ENOENT);
    // Under its lock nobody changes the directory, so what was read is true if it has not been changed since.
    if (place.looked_up_at.is_known() && !place.looked_up_at.has_passed()) {
        *dentry = place.entry;
    } else {
        BASE_TRY_ASSIGN(*dentry, directory_lookup(call.pool(), *parent, place.name));
    }
    if (dentry->inode != place.inode)
        return false;
    if (place.inode == 0)
        return true;
    const Inode *inode = call.pool().inode(place.inode);
    if (inode == nullptr)
        return base::error(EUCLEAN); // a name, under lock, that leads nowhere
    return inode->generation == place.generation;
}

void touch_directory(Inode &directory, int64_t now_ns) {
    directory.mtime_ns = now_ns;
    directory.ctime_ns = now_ns;
}

uint32_t next_generation(const Pool &pool, InodeNumber number) {
    // A transaction's view of the number may be older than its last use.
    const uint32_t former = pool.everybodys().at<Inode>(number * inode_size_bytes)->generation;
    return former + 1 == 0 ? 1 : former + 1;
}

base::Result<InodeNumber> new_inode(Call &call, const Inode &directory, mode_t mode, Inode *inode,
                                    InodeNumber claimed) {
    InodeNumber number = claimed;
    if (number == 0) {
        BASE_TRY_ASSIGN(number, allocate_inode(call));
    }
    *inode = Inode{};
    inode->generation = next_generation(call.pool(), number);
    BASE_TRY(acl_inherit(call, directory, number, mode, *inode));
    mode = inode->mode;
    const Credentials *credentials = call.thread().credentials;
    if (credentials != nullptr) {
        inode->uid = credentials->fsuid;
        inode->gid = credentials->fsgid;
    }
    if ((directory.mode & S_ISGID) != 0) {
        inode->gid = directory.gid;
        if (S_ISDIR(mode))
            mode |= S_ISGID;
        else if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !has_group(call.thread(), directory.gid) &&
                 !has_capability(call.thread(), capability_fsetid))
            mode &= ~mode_t{S_ISGID};
    }
    inode->mode = mode;
    inode->link_count = S_ISDIR(mode) ? 2 : 1;
    inode->magic = inode_magic;
    inode->mtime_ns = inode->ctime_ns = inode->atime_ns = inode->btime_ns = coarse_now_ns();
    if (S_ISREG(mode) || S_ISLNK(mode))
        inode->flags |= inode_inline;
    return number;
}

base::Status remove_last_name(Call &call, InodeNumber victim) {
    // Others may still open it while a transaction is open: it goes the way of a file in use.
    if (call.pool().transaction == nullptr && !inode_is_open(call.thread(), victim))
        return data_free_inode(call, victim);
    Inode changed = *call.pool().inode(victim);
    changed.link_count = 0;
    changed.ctime_ns = coarse_now_ns();
    if (changed.orphan_slot == 0) {
        BASE_TRY_ASSIGN(changed.orphan_slot, orphan_slot_take(call, victim));
    }
    store_changes(call, victim, changed);
    return call.commit();
}

} // namespace pmemfile
