// The order of the checks is the kernel's (fs/xattr.c, fs/posix_acl.c, security/commoncap.c): first what the
// arguments tell by themselves, then who may, then whether the name is one at all, then whether it is there.
#include "libpmemfile/fs/xattr_calls.h"

#include "base/user_copy.h"
#include "libpmemfile/file/xattr_area.h"
#include "libpmemfile/fs/acl.h"
#include "libpmemfile/fs/inode_access.h"
#include "libpmemfile/fs/permission.h"

#include <cstring>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace pmemfile {
namespace {

constexpr std::string_view capability_name = "security.capability";

enum class Space : uint8_t { user, trusted, security, access_list, default_list, unknown };

struct Name {
    std::string_view text;
    Space space = Space::unknown;
    bool is_bare = false; // only the prefix

    bool is_list() const {
        return space == Space::access_list || space == Space::default_list;
    }
};

base::Result<Name> name_of(std::string_view text) {
    if (text.empty() || text.size() > xattr_name_max_bytes)
        return base::error(ERANGE);
    if (text == acl_access_name)
        return Name{text, Space::access_list, false};
    if (text == acl_default_name)
        return Name{text, Space::default_list, false};
    constexpr struct {
        std::string_view prefix;
        Space space;
    } spaces[] = {{"user.", Space::user}, {"trusted.", Space::trusted}, {"security.", Space::security}};
    for (const auto &[prefix, space] : spaces)
        if (text.starts_with(prefix))
            return Name{text, space, text.size() == prefix.size()};
    return Name{text, Space::unknown, false};
}

base::Status check_security_write(const Thread &thread, const Name &name) {
    const bool is_capability = name.text == capability_name;
    return has_capability(thread, is_capability ? capability_setfcap : capability_sys_admin) ? base::Status{}
                                                                                             : base::error(EPERM);
}

// May the caller read or write this attribute, and is there such a name? (Not for access lists.)
base::Status check_access(const Thread &thread, const Inode &inode, const Name &name, bool writes) {
    switch (name.space) {
    case Space::trusted:
        if (!has_capability(thread, capability_sys_admin))
            return base::error(writes ? EPERM : ENODATA);
        break;
    case Space::security:
        if (writes)
            BASE_TRY(check_security_write(thread, name));
        break;
    case Space::user:
        if (!S_ISREG(inode.mode) && !S_ISDIR(inode.mode))
            return base::error(writes ? EPERM : ENODATA);
        if (writes && S_ISDIR(inode.mode) && (inode.mode & S_ISVTX) != 0)
            BASE_TRY(permission_owner(thread, inode));
        BASE_TRY(permission_check(thread, inode, writes ? may_write : may_read));
        break;
    default:
        if (!name.text.starts_with("system."))
            BASE_TRY(permission_check(thread, inode, writes ? may_write : may_read));
        return base::error(EOPNOTSUPP);
    }
    return name.is_bare ? base::error(EINVAL) : base::Status{};
}

uint16_t flag_of(const Name &name) {
    if (name.space == Space::access_list)
        return inode_has_acl;
    if (name.space == Space::default_list)
        return inode_has_default_acl;
    return name.text == capability_name ? inode_has_capability : 0;
}

// Stores or removes one attribute, with all that goes with it in the inode.
base::Status apply(Call &call, InodeNumber number, Inode &inode, const Name &name, const XattrChange &change) {
    BASE_TRY(xattr_change(call, number, inode, {&change, 1}));
    const uint16_t flag = flag_of(name);
    inode.flags = static_cast<uint16_t>(change.is_removed ? inode.flags & ~flag : inode.flags | flag);
    inode.ctime_ns = coarse_now_ns();
    return {};
}

// The application's list, read once into Thread::data.
base::Result<std::span<AclEntry>> read_list(Thread &thread, const void *value, size_t size_bytes) {
    if (size_bytes > acl_max_bytes)
        return base::error(ENOSPC);
    if (size_bytes != 0 && base_user_copy(thread.data, value, size_bytes) != 0)
        return base::error(EFAULT);
    return acl_parse(thread.data, size_bytes);
}

// set_posix_acl of Linux. An empty list is removed; so is an access list that is the mode in other words.
base::Status set_list(Thread &thread, InodeHandle handle, const Name &name, std::span<AclEntry> acl) {
    return change_inode(thread, handle, [&](Call &call, Inode &inode) -> base::Status {
        if (S_ISLNK(inode.mode))
            return base::error(EOPNOTSUPP);
        if (name.space == Space::default_list && !S_ISDIR(inode.mode))
            return acl.empty() ? base::Status{} : base::error(EACCES);
        BASE_TRY(permission_owner(thread, inode));
        bool is_removed = acl.empty();
        if (!is_removed)
            BASE_TRY(acl_validate(acl));
        if (!is_removed && name.space == Space::access_list) {
            mode_t bits = 0;
            is_removed = acl_is_mode(acl, &bits);
            inode.mode = (inode.mode & ~uint32_t{0777}) | bits;
            if (!has_group(thread, inode.gid) && !has_capability(thread, capability_fsetid))
                inode.mode &= ~uint32_t{S_ISGID};
        }
        inode.ctime_ns = coarse_now_ns();
        if (is_removed && (inode.flags & flag_of(name)) == 0)
            return {};
        const auto size_bytes = static_cast<uint32_t>(acl_version_bytes + acl.size_bytes());
        return apply(call, handle.number, inode, name, {name.text, is_removed, thread.data, size_bytes});
    });
}

// Reads a value of linux/capability.h's forms into Thread::data. The user id in the third one is not translated.
base::Status read_capability(Thread &thread, const void *value, size_t size_bytes) {
    if (size_bytes != 20 && size_bytes != 24)
        return base::error(EINVAL);
    if (base_user_copy(thread.data, value, size_bytes) != 0)
        return base::error(EFAULT);
    uint32_t magic = 0;
    std::memcpy(&magic, thread.data, sizeof(magic));
    constexpr uint32_t revision_mask = 0xff000000, revision_2 = 0x02000000, revision_3 = 0x03000000;
    return (magic & revision_mask) == (size_bytes == 20 ? revision_2 : revision_3) ? base::Status{}
                                                                                   : base::error(EINVAL);
}

base::Result<size_t> get_list(Thread &thread, InodeHandle handle, const Name &name, void *value, size_t size_bytes) {
    BASE_TRY_ASSIGN(const size_t length, look_at_inode(thread, handle, [&](const Inode &inode) -> base::Result<size_t> {
                        if (S_ISLNK(inode.mode))
                            return base::error(EOPNOTSUPP);
                        if ((inode.flags & flag_of(name)) == 0)
                            return base::error(ENODATA);
                        XattrArea area(*thread.pool, inode);
                        Xattr found;
                        if (!area.checksum_is_right() || !area.find(name.text, &found).ok() ||
                            found.value_bytes > acl_max_bytes ||
                            !area.copy(found.value_offset, thread.data, found.value_bytes))
                            return base::error(EUCLEAN);
                        BASE_TRY_ASSIGN(std::span<AclEntry> acl, acl_parse(thread.data, found.value_bytes));
                        if (name.space == Space::access_list)
                            acl_take_mode(acl, inode.mode);
                        return size_t{found.value_bytes};
                    }));
    if (size_bytes == 0)
        return length;
    if (size_bytes < length)
        return base::error(ERANGE);
    if (base_user_copy(value, thread.data, length) != 0)
        return base::error(EFAULT);
    return length;
}

} // namespace

base::Status fs_setxattr(Thread &thread, InodeHandle handle, std::string_view text, const void *value,
                         size_t size_bytes, int flags) {
    if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0)
        return base::error(EINVAL);
    BASE_TRY_ASSIGN(const Name name, name_of(text));
    if (size_bytes > xattr_value_max_bytes)
        return base::error(E2BIG);
    if (name.is_list()) {
        BASE_TRY_ASSIGN(std::span<AclEntry> acl, read_list(thread, value, size_bytes));
        return set_list(thread, handle, name, acl);
    }
    if (name.text == capability_name) {
        BASE_TRY(read_capability(thread, value, size_bytes));
        value = thread.data;
    }
    return change_inode(thread, handle, [&](Call &call, Inode &inode) -> base::Status {
        BASE_TRY(check_access(thread, inode, name, true));
        Xattr former;
        const base::Status found = XattrArea(call.pool(), inode).find(name.text, &former);
        if (!found.ok() && found.error().number() != ENODATA)
            return found;
        if (!found.ok() && (flags & XATTR_REPLACE) != 0)
            return base::error(ENODATA);
        if (found.ok() && (flags & XATTR_CREATE) != 0)
            return base::error(EEXIST);
        return apply(call, handle.number, inode, name, {name.text, false, value, static_cast<uint32_t>(size_bytes)});
    });
}

base::Result<size_t> fs_getxattr(Thread &thread, InodeHandle handle, std::string_view text, void *value,
                                 size_t size_bytes) {
    BASE_TRY_ASSIGN(const Name name, name_of(text));
    if (name.is_list())
        return get_list(thread, handle, name, value, size_bytes);
    return look_at_inode(thread, handle, [&](const Inode &inode) -> base::Result<size_t> {
        BASE_TRY(check_access(thread, inode, name, false));
        XattrArea area(*thread.pool, inode);
        if (!area.checksum_is_right())
            return base::error(EUCLEAN);
        Xattr found;
        BASE_TRY(area.find(name.text, &found));
        if (size_bytes == 0)
            return size_t{found.value_bytes};
        if (size_bytes < found.value_bytes)
            return base::error(ERANGE);
        BASE_TRY(area.copy_to_user(found.value_offset, value, found.value_bytes));
        return size_t{found.value_bytes};
    });
}

base::Result<size_t> fs_listxattr(Thread &thread, InodeHandle handle, void *list, size_t size_bytes) {
    const bool sees_trusted = has_capability(thread, capability_sys_admin);
    return look_at_inode(thread, handle, [&](const Inode &inode) -> base::Result<size_t> {
        XattrArea area(*thread.pool, inode);
        if (!area.checksum_is_right())
            return base::error(EUCLEAN);
        Xattr attribute;
        size_t length = 0;
        while (area.next(&attribute)) {
            if (!sees_trusted && attribute.name_view().starts_with("trusted."))
                continue;
            const size_t name_bytes = attribute.name_bytes + 1; // with its NUL
            if (size_bytes != 0) {
                if (name_bytes > size_bytes - length)
                    return base::error(ERANGE);
                if (base_user_copy(static_cast<char *>(list) + length, attribute.name, name_bytes) != 0)
                    return base::error(EFAULT);
            }
            length += name_bytes;
        }
        return area.is_sound() ? base::Result<size_t>(length) : base::error(EUCLEAN);
    });
}

base::Status fs_removexattr(Thread &thread, InodeHandle handle, std::string_view text) {
    BASE_TRY_ASSIGN(const Name name, name_of(text));
    if (name.is_list())
        return set_list(thread, handle, name, {});
    return change_inode(thread, handle, [&](Call &call, Inode &inode) -> base::Status {
        BASE_TRY(check_access(thread, inode, name, true));
        Xattr former;
        BASE_TRY(XattrArea(call.pool(), inode).find(name.text, &former));
        return apply(call, handle.number, inode, name, {name.text, true, nullptr, 0});
    });
}

base::Status drop_capability(Call &call, InodeNumber number, Inode &inode) {
    if ((inode.flags & inode_has_capability) == 0)
        return {};
    return apply(call, number, inode, {capability_name, Space::security, false}, {capability_name, true, nullptr, 0});
}

base::Status fs_drop_capability(Thread &thread, InodeHandle handle) {
    return change_inode(thread, handle,
                        [&](Call &call, Inode &inode) { return drop_capability(call, handle.number, inode); });
}

} // namespace pmemfile
