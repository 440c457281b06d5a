// xattr_calls: extended attributes by inode, as xattr(7) has them: user.*, trusted.*, security.*,
// system.posix_acl_access and system.posix_acl_default; other names EOPNOTSUPP. All: ESTALE (InodeHandle), EUCLEAN.
//
// Values and lists are memory of the application: EFAULT. Names are ours; ERANGE when one is empty or
// longer than xattr_name_max_bytes.
#pragma once

#include "base/result.h"
#include "libpmemfile/fs/walk.h"
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

// A regular file's content or owner is about to change: its security.capability goes (capabilities(7)).
base::Status fs_drop_capability(Thread &thread, InodeHandle handle);

} // namespace pmemfile
