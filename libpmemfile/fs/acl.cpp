// A check goes over the entries once, in their order: owner, named users, groups, others. The mask
// is the mode's group bits, so there is nothing to look for behind the entry that fits.
#include "libpmemfile/fs/acl.h"

#include "libpmemfile/file/xattr_area.h"

#include <cstring>
#include <sys/stat.h>

namespace pmemfile {
namespace {

bool has_id(uint16_t tag) {
    return tag == acl_user || tag == acl_group;
}

bool is_known(uint16_t tag) {
    return has_id(tag) || tag == acl_owner || tag == acl_group_owner || tag == acl_mask || tag == acl_others;
}

unsigned owner_bits(mode_t mode) {
    return mode >> 6 & 7;
}
unsigned group_bits(mode_t mode) {
    return mode >> 3 & 7;
}

} // namespace

base::Result<std::span<AclEntry>> acl_parse(std::byte *bytes, size_t size_bytes) {
    uint32_t version = 0;
    if (size_bytes < sizeof(version))
        return size_bytes == 0 ? base::Result<std::span<AclEntry>>(std::span<AclEntry>{}) : base::error(EINVAL);
    std::memcpy(&version, bytes, sizeof(version));
    if (version != acl_version)
        return base::error(EOPNOTSUPP);
    if ((size_bytes - sizeof(version)) % sizeof(AclEntry) != 0)
        return base::error(EINVAL);
    std::span<AclEntry> acl(reinterpret_cast<AclEntry *>(bytes + sizeof(version)),
                            (size_bytes - sizeof(version)) / sizeof(AclEntry));
    for (AclEntry &entry : acl) {
        if (!is_known(entry.tag) || (has_id(entry.tag) && entry.id == undefined_acl_id))
            return base::error(EINVAL);
        if (!has_id(entry.tag))
            entry.id = undefined_acl_id;
    }
    return acl;
}

base::Status acl_validate(std::span<const AclEntry> acl) {
    // Each tag may follow those before it; users and groups as often as one likes.
    uint16_t last = 0;
    bool needs_mask = false;
    unsigned single = 0; // tags that are there once
    for (const AclEntry &entry : acl) {
        if ((entry.permissions & ~7u) != 0 || entry.tag < last || (entry.tag == last && !has_id(entry.tag)))
            return base::error(EINVAL);
        last = entry.tag;
        if (has_id(entry.tag))
            needs_mask = true;
        else
            single |= entry.tag;
    }
    constexpr unsigned required = acl_owner | acl_group_owner | acl_others;
    if ((single & required) != required || (needs_mask && (single & acl_mask) == 0))
        return base::error(EINVAL);
    return {};
}

bool acl_is_mode(std::span<const AclEntry> acl, mode_t *bits) {
    unsigned owner = 0, group = 0, others = 0;
    bool is_mode = true;
    for (const AclEntry &entry : acl) {
        switch (entry.tag) {
        case acl_owner:
            owner = entry.permissions;
            break;
        case acl_group_owner:
            group = entry.permissions;
            break;
        case acl_mask:
            group = entry.permissions; // stands behind the group's
            is_mode = false;
            break;
        case acl_others:
            others = entry.permissions;
            break;
        default:
            is_mode = false;
        }
    }
    *bits = owner << 6 | group << 3 | others;
    return is_mode;
}

void acl_take_mode(std::span<AclEntry> acl, mode_t mode) {
    for (AclEntry &entry : acl) {
        if (entry.tag == acl_owner)
            entry.permissions = static_cast<uint16_t>(owner_bits(mode));
        if (entry.tag == acl_mask)
            entry.permissions = static_cast<uint16_t>(group_bits(mode));
        if (entry.tag == acl_others)
            entry.permissions = static_cast<uint16_t>(mode & 7);
    }
}

bool acl_grants(const Pool &pool, const Inode &inode, const Subject &subject, unsigned access) {
    XattrArea area(pool, inode);
    Xattr list;
    if (!area.find(acl_access_name, &list).ok())
        return false;
    const unsigned mask = group_bits(inode.mode);
    bool is_in_a_group = false;
    for (size_t at = acl_version_bytes; at + sizeof(AclEntry) <= list.value_bytes; at += sizeof(AclEntry)) {
        AclEntry entry;
        if (!area.copy(list.value_offset + at, &entry, sizeof(entry)))
            return false;
        const unsigned granted = entry.permissions & mask;
        if (entry.tag == acl_user && entry.id == subject.uid)
            return (access & ~granted) == 0;
        const bool is_own_group = (entry.tag == acl_group_owner && subject.is_in(inode.gid)) ||
                                  (entry.tag == acl_group && subject.is_in(entry.id));
        if (is_own_group) {
            is_in_a_group = true;
            // The first group that grants all decides; the mask may still take it away.
            if ((access & ~unsigned{entry.permissions}) == 0)
                return (access & ~granted) == 0;
        }
    }
    return !is_in_a_group && (access & ~(inode.mode & 7)) == 0;
}

base::Status acl_inherit(Call &call, const Inode &directory, InodeNumber number, mode_t mode, Inode &inode) {
    Thread &thread = call.thread();
    if (S_ISLNK(mode) || (directory.flags & inode_has_default_acl) == 0) {
        const mode_t mask = thread.credentials != nullptr && !S_ISLNK(mode) ? thread.credentials->present_umask() : 0;
        inode.mode = mode & ~mask;
        return {};
    }
    XattrArea area(call.pool(), directory);
    Xattr list;
    base::Status found = area.find(acl_default_name, &list);
    if (!found.ok() || list.value_bytes > acl_max_bytes || !area.copy(list.value_offset, thread.data, list.value_bytes))
        return base::error(EUCLEAN);
    BASE_TRY_ASSIGN(std::span<AclEntry> acl, acl_parse(thread.data, list.value_bytes));
    mode_t bits = 0;
    const bool is_mode = acl_is_mode(acl, &bits);
    inode.mode = mode & (bits | ~mode_t{0777});
    XattrChange changes[2];
    unsigned count = 0;
    if (!is_mode) {
        changes[count++] = {acl_access_name, false, thread.data, list.value_bytes};
        inode.flags |= inode_has_acl;
    }
    if (S_ISDIR(mode)) {
        changes[count++] = {acl_default_name, false, thread.data, list.value_bytes};
        inode.flags |= inode_has_default_acl;
    }
    return count == 0 ? base::Status{} : xattr_change(call, number, inode, {changes, count});
}

} // namespace pmemfile
