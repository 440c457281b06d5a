// xattr_calls: extended attributes by inode, as xattr(7) has them: user.*, trusted.*, security.*,
// system.posix_acl_access and system.posix_acl_default; other names EOPNOTSUPP. All: ESTALE (InodeHandle), EUCLEAN.
//
// Values and lists are memory of the application: EFAULT. Names are ours; ERANGE when one is empty or
// longer than xattr_name_max_bytes.
#pragma once

#include "base/result.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/journal/call.h"
#include "libpmemfile/runtime/thread.h"

#include <string_view>

namespace pmemfile {

// setxattr(2): XATTR_CREATE (EEXIST), XATTR_REPLACE (ENODATA). A change of several attributes and of the mode (by an
// access list) is one step like any other. E2BIG, ENOSPC, EPERM, EACCES, EINVAL.
base::Status fs_setxattr(Thread &thread, InodeHandle handle, std::string_view name, const void *value,
                         size_t size_bytes, int flags);
// Returns the value's length; size 0 only asks. ENODATA, ERANGE (the buffer is too small).
base::Result<size_t> fs_getxattr(Thread &thread, InodeHandle handle, std::string_view name, void *value,
                                 size_t size_bytes);
// Names, each with its NUL. Those of trusted.* only to CAP_SYS_ADMIN. ERANGE.
base::Result<size_t> fs_listxattr(Thread &thread, InodeHandle handle, void *list, size_t size_bytes);
base::Status fs_removexattr(Thread &thread, InodeHandle handle, std::string_view name);

// security.capability goes when the content or the owner of its file changes (capabilities(7)): as a call of its own,
// before a change of content, and as a part of a call, in the copy of an inode that it changes.
base::Status fs_drop_capability(Thread &thread, InodeHandle handle);
base::Status drop_capability(Call &call, InodeNumber number, Inode &inode);
// The first of these, where there is one: a look at a flag for all other files.
inline base::Status before_content_change(Thread &thread, InodeNumber number) {
    const Inode *inode = thread.pool->inode(number);
    const bool is_needed = inode != nullptr && (inode->flags & inode_has_capability) != 0;
    return is_needed ? fs_drop_capability(thread, number) : base::Status{};
}

} // namespace pmemfile
