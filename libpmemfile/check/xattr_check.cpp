// One inode's extended attributes. They carry a checksum, so they are right or they go as a whole: what
// of a damaged area could be believed cannot be told. Their blocks are then free.
#include "libpmemfile/check/pool_checker.h"

#include "libpmemfile/file/xattr_area.h"
#include "libpmemfile/fs/acl.h"

#include <set>
#include <sys/stat.h>

namespace pmemfile {

namespace {

bool is_sound_list(const XattrArea &area, const Xattr &attribute) {
    std::vector<std::byte> bytes(attribute.value_bytes);
    if (bytes.size() > acl_max_bytes || !area.copy(attribute.value_offset, bytes.data(), bytes.size()))
        return false;
    auto acl = acl_parse(bytes.data(), bytes.size());
    return acl.ok() && !acl->empty() && acl_validate(*acl).ok();
}

} // namespace

// What is wrong with an area, or null. `flags`: of the attributes that are there.
const char *PoolChecker::xattr_damage(InodeNumber number, const Inode &inode, uint16_t *flags) const {
    XattrArea area(pool_, inode);
    if (group_of(inode.xattr_block) < 0 || !area.is_sound() || area.inode() != number)
        return "leads to none";
    if (!area.checksum_is_right())
        return "leads to damaged ones";
    for (unsigned i = 0; i < area.block_count(); ++i)
        if (group_of(area.block(i)) < 0)
            return "leads outside of what files may use";
    std::set<std::string, std::less<>> names;
    Xattr attribute;
    while (area.next(&attribute)) {
        const std::string_view name = attribute.name_view();
        const bool is_access = name == acl_access_name, is_default = name == acl_default_name;
        if ((is_access || is_default) && !is_sound_list(area, attribute))
            return "leads to an access control list that is none";
        if (is_default && !S_ISDIR(inode.mode))
            return "leads to a default access control list, and it is no directory";
        if (!names.emplace(name).second)
            return "leads to two of one name";
        *flags |= static_cast<uint16_t>((is_access ? inode_has_acl : 0) | (is_default ? inode_has_default_acl : 0) |
                                        (name == "security.capability" ? inode_has_capability : 0));
    }
    return area.is_sound() && names.size() == area.entry_count() ? nullptr : "leads to entries that are none";
}

void PoolChecker::check_xattrs(InodeNumber number, const Inode &inode) {
    const PoolOffset offset = number * inode_size_bytes;
    const std::string name = "inode " + std::to_string(number);
    uint16_t flags = 0; // as they should be
    uint32_t count = 0;
    if (inode.xattr_block != 0) {
        const char *damage = xattr_damage(number, inode, &flags);
        if (damage != nullptr) {
            flags = 0;
            if (!repairable(name, std::string("its pointer to extended attributes ") + damage + "; they are dropped"))
                return;
            const uint64_t none = 0;
            repair_bytes(offset + offsetof(Inode, xattr_block), &none, sizeof(none));
            if ((inode.flags & inode_has_acl) != 0) {
                // The group's bits were the list's mask: alone they would give the group more than it had.
                const uint32_t mode = inode.mode & ~uint32_t{S_IRWXG};
                repair_bytes(offset + offsetof(Inode, mode), &mode, sizeof(mode));
            }
        } else {
            XattrArea area(pool_, inode);
            count = area.block_count();
            for (unsigned i = 0; i < count; ++i)
                if (reach(area.block(i)) != Reached::now) {
                    overlaps_ = true;
                    problem(name, "has block " + std::to_string(area.block(i)) +
                                      " for its extended attributes, which something else uses too");
                    return;
                }
        }
    }
    if (inode.xattr_block_count != count &&
        repairable(name, "says that its extended attributes take " + std::to_string(inode.xattr_block_count) +
                             " blocks, should be " + std::to_string(count)))
        repair_bytes(offset + offsetof(Inode, xattr_block_count), &count, sizeof(count));
    if ((inode.flags & inode_xattr_flags) != flags &&
        repairable(name, "has flags that do not tell which extended attributes it has")) {
        const auto right = static_cast<uint16_t>((inode.flags & ~inode_xattr_flags) | flags);
        repair_bytes(offset + offsetof(Inode, flags), &right, sizeof(right));
    }
}

} // namespace pmemfile
