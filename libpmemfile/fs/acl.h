// acl: POSIX access control lists (acl(5)), as the attributes system.posix_acl_access and
// system.posix_acl_default hold them. What Linux's fs/posix_acl.c does.
//
// An access list that says no more than a mode does is never stored. In a stored one the entries
// of owner, mask and others are the mode's bits, so chmod need not touch it: what the list itself
// says there is not looked at.
#pragma once

#include "base/result.h"
#include "libpmemfile/fs/permission.h"
#include "libpmemfile/journal/call.h"

#include <span>
#include <string_view>
#include <sys/types.h>

namespace pmemfile {

constexpr std::string_view acl_access_name = "system.posix_acl_access";
constexpr std::string_view acl_default_name = "system.posix_acl_default";

// The form of setxattr(2): a version, then entries.
constexpr uint32_t acl_version = 2;
constexpr size_t acl_version_bytes = sizeof(acl_version);
enum AclTag : uint16_t {
    acl_owner = 1,
    acl_user = 2,
    acl_group_owner = 4,
    acl_group = 8,
    acl_mask = 16,
    acl_others = 32,
};
struct AclEntry {
    uint16_t tag;
    uint16_t permissions; // may_read, may_write, may_execute
    uint32_t id;          // of a user or a group; else undefined_acl_id
};
static_assert(sizeof(AclEntry) == 8);
constexpr uint32_t undefined_acl_id = UINT32_MAX;
// Scratch memory sets the bound (Thread::data).
constexpr size_t acl_max_bytes = sizeof(Thread::data);

// Reads a list of `size_bytes` at `bytes`, and writes its canonical form back there. No entries: the list is to be
// removed. EOPNOTSUPP (version), EINVAL (size, a tag or an id that is none).
base::Result<std::span<AclEntry>> acl_parse(std::byte *bytes, size_t size_bytes);
// Order and completeness of the entries, and their permissions. EINVAL.
base::Status acl_validate(std::span<const AclEntry> acl);
// The permission bits that a list means, in *bits. True when it says no more than they do.
bool acl_is_mode(std::span<const AclEntry> acl, mode_t *bits);
// Stores the mode's bits into the entries that they stand for.
void acl_take_mode(std::span<AclEntry> acl, mode_t mode);

// Does the access list of `inode` (which has one) grant `access` to somebody who is not the owner? Under a
// ReadSection or the inode's lock. A damaged list grants nothing.
bool acl_grants(const Pool &pool, const Inode &inode, const Subject &subject, unsigned access);

// A new inode below `directory`: gives it the mode and the lists that follow from `mode` as asked
// for, the umask and the directory's default list. Adds them to the call. `inode` has its number's generation.
// ENOSPC, EUCLEAN.
base::Status acl_inherit(Call &call, const Inode &directory, InodeNumber number, mode_t mode, Inode &inode);

} // namespace pmemfile
