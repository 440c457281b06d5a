// place: where a name stands or would stand. A walk finds it without locks; the
// call then locks its inodes and looks whether it is still so.
#pragma once

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/journal/call.h"
#include "libpmemfile/names/directory.h"

namespace pmemfile {

// As many names as an inode can have (ext4 has 65,000; nothing here needs so few).
constexpr uint32_t link_max = 0x7fffffff;

// With the stripes of place.parent and place.inode held: does the name still lead where the walk
// saw it? False: walk again. Fills `dentry`. ENOENT when the directory was removed, ENOTDIR, EUCLEAN.
base::Result<bool> place_is_unchanged(const Call &call, const WalkResult &place, Dentry *dentry);

// With its stripe held: the inode behind a handle, if it is still the one that is meant. ESTALE.
inline base::Result<const Inode *> handle_inode(const Pool &pool, InodeHandle handle) {
    const Inode *inode = pool.inode(handle.number);
    if (inode == nullptr)
        return base::error(handle.generation == 0 ? EUCLEAN : ESTALE);
    if (handle.generation != 0 && inode->generation != handle.generation)
        return base::error(ESTALE);
    return inode;
}

// A new name was given or taken in `directory`: its times.
void touch_directory(Inode &directory, int64_t now_ns);

// The generation that an inode claimed for a new use gets.
uint32_t next_generation(const Pool &pool, InodeNumber number);

// Claims an inode, if the call has not yet `claimed` one for this, and fills `inode`, the image that the caller stores:
// owner and group by the credentials and the directory (set-group-id directories hand on their group), `mode` (as asked
// for) less the umask, or with what the directory's default list makes of it (fs/acl.h).
base::Result<InodeNumber> new_inode(Call &call, const Inode &directory, mode_t mode, Inode *inode,
                                    InodeNumber claimed = 0);

// The last name of `victim` goes by this call, which holds its stripe and all other changes:
// commits them together with its freeing, or puts it on the orphan table while it is in use. ENOSPC (table full).
base::Status remove_last_name(Call &call, InodeNumber victim);

} // namespace pmemfile
