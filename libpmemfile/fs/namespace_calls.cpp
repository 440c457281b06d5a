// The idea: each call is one loop: walk, lock what was found, look whether it is
// still so, and make all its changes in one record.
//
//     walk ──► lock parent and inode ──► still there? ──► record: entry, parent, inode ──► commit
//       ▲                                    │ no
//       └────────────────────────────────────┘
#include "libpmemfile/fs/namespace_calls.h"

#include "libpmemfile/file/block_map.h"
#include "libpmemfile/fs/permission.h"
#include "libpmemfile/fs/place.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/stripe.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>

namespace pmemfile {
namespace {

// What the new inode is besides its mode.
struct NewContent {
    uint64_t device = 0;
    std::string_view target; // of a symlink
};

base::Status fill_content(Call &call, Inode &inode, const NewContent &content) {
    inode.device = content.device;
    inode.size_bytes = content.target.size();
    if (content.target.empty())
        return {};
    if (content.target.size() <= inline_max_bytes) {
        std::memcpy(inode.content.bytes, content.target.data(), content.target.size());
        return {};
    }
    BASE_TRY_ASSIGN(BlockNumber block, allocate_block(call));
    call.store(block * block_size_bytes, content.target.data(), content.target.size());
    inode.flags &= static_cast<uint16_t>(~inode_inline);
    inode.block_count = 1;
    inode.content.slots[0] = block;
    return {};
}

// Makes an inode and its name, both in one record. `place` is locked and unchanged.
base::Result<InodeNumber> create_at(Call &call, const WalkResult &place, mode_t mode, const NewContent &content) {
    Thread &thread = call.thread();
    BASE_TRY(permission_check(thread, *call.pool().inode(place.parent), may_write | may_execute));
    BASE_TRY_ASSIGN(const DirectoryRoom room, directory_reserve(call, place.parent, place.name));
    Inode directory = *call.pool().inode(place.parent);
    if (S_ISDIR(mode) && directory.link_count >= link_max)
        return base::error(EMLINK);
    Inode inode;
    BASE_TRY_ASSIGN(InodeNumber number, new_inode(call, directory, mode, &inode));
    BASE_TRY(fill_content(call, inode, content));
    if (S_ISDIR(mode)) {
        inode.parent = place.parent;
        inode.name_hash = room.hash;
        ++directory.link_count;
    }
    BASE_TRY(directory_insert(call, place.parent, directory, room, place.name, number,
                              static_cast<uint8_t>(IFTODT(inode.mode))));
    touch_directory(directory, inode.ctime_ns);
    store_changes(call, place.parent, directory);
    store_new_inode(call, number, inode);
    BASE_TRY(call.commit());
    return number;
}

base::Result<InodeNumber> create(Thread &thread, const At &at, mode_t mode, const NewContent &content) {
    for (;;) {
        BASE_TRY_ASSIGN(WalkResult place, walk(thread, at.start, at.path, at.flags | walk_create));
        if (place.inode != 0)
            return base::error(EEXIST);
        if (place.wants_directory && !S_ISDIR(mode))
            return base::error(ENOENT);
        Call call(thread);
        BASE_TRY(call.lock({place.parent}));
        Dentry dentry;
        BASE_TRY_ASSIGN(bool unchanged, place_is_unchanged(call, place, &dentry));
        if (unchanged)
            return create_at(call, place, mode, content);
    }
}

// Removes the name at `place`, which is locked and unchanged.
base::Status remove_at(Call &call, const WalkResult &place, const Dentry &dentry, bool wants_directory) {
    const Inode &victim = *call.pool().inode(place.inode);
    BASE_TRY(permission_delete(call.thread(), *call.pool().inode(place.parent), victim));
    const bool is_directory = S_ISDIR(victim.mode);
    if (is_directory != wants_directory)
        return base::error(is_directory ? EISDIR : ENOTDIR);
    if (is_directory && victim.entry_count != 0)
        return base::error(ENOTEMPTY);
    if (!is_directory && place.wants_directory)
        return base::error(ENOTDIR);
    Inode directory = *call.pool().inode(place.parent);
    directory_remove(call, directory, dentry);
    touch_directory(directory, coarse_now_ns());
    if (is_directory)
        --directory.link_count;
    store_changes(call, place.parent, directory);
    if (is_directory || victim.link_count <= 1)
        return remove_last_name(call, place.inode);
    Inode changed = victim;
    --changed.link_count;
    changed.ctime_ns = directory.ctime_ns;
    store_changes(call, place.inode, changed);
    return call.commit();
}

base::Status remove(Thread &thread, const At &at, bool wants_directory) {
    for (;;) {
        BASE_TRY_ASSIGN(WalkResult place, walk(thread, at.start, at.path, at.flags | walk_create));
        if (place.name.empty())
            return base::error(wants_directory ? EBUSY : EISDIR); // the root
        if (place.name == ".")
            return base::error(wants_directory ? EINVAL : EISDIR);
        if (place.name == "..")
            return base::error(wants_directory ? ENOTEMPTY : EISDIR);
        if (place.inode == 0)
            return base::error(ENOENT);
        Call call(thread);
        BASE_TRY(call.lock({place.parent, place.inode}));
        Dentry dentry;
        BASE_TRY_ASSIGN(bool unchanged, place_is_unchanged(call, place, &dentry));
        if (unchanged)
            return remove_at(call, place, dentry, wants_directory);
    }
}

// A file of O_TMPFILE gets its first name. A truncation that is not done yet keeps the slot, and gives it up itself.
void leave_orphans(Call &call, Inode &inode) {
    inode.flags &= static_cast<uint16_t>(~inode_linkable);
    if ((inode.flags & inode_truncating) != 0)
        return;
    orphan_slot_release(call, inode.orphan_slot);
    inode.orphan_slot = 0;
}

} // namespace

base::Result<InodeNumber> fs_mknod(Thread &thread, const At &at, mode_t mode, uint64_t device) {
    mode &= S_IFMT | 07777; // Linux keeps 16 bits
    if ((mode & S_IFMT) == 0)
        mode |= S_IFREG;
    if (S_ISDIR(mode))
        return base::error(EPERM);
    if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode) && !S_ISCHR(mode) && !S_ISBLK(mode))
        return base::error(EINVAL);
    const bool is_device = S_ISCHR(mode) || S_ISBLK(mode);
    return create(thread, at, mode, {is_device ? device : 0, {}});
}

base::Status fs_mkdir(Thread &thread, const At &at, mode_t mode) {
    BASE_TRY(create(thread, at, S_IFDIR | (mode & (S_ISVTX | 0777)), {}));
    return {};
}

base::Status fs_rmdir(Thread &thread, const At &at) {
    return remove(thread, at, true);
}

base::Status fs_unlink(Thread &thread, const At &at) {
    return remove(thread, at, false);
}

base::Status fs_symlink(Thread &thread, std::string_view target, const At &at) {
    if (target.empty())
        return base::error(ENOENT);
    if (target.size() >= path_max_bytes)
        return base::error(ENAMETOOLONG);
    BASE_TRY(create(thread, at, S_IFLNK | 0777, {0, target}));
    return {};
}

base::Status fs_link(Thread &thread, InodeHandle from, const At &to) {
    for (;;) {
        BASE_TRY_ASSIGN(WalkResult place, walk(thread, to.start, to.path, to.flags | walk_create));
        if (place.inode != 0)
            return base::error(EEXIST);
        if (place.wants_directory)
            return base::error(ENOENT);
        Call call(thread);
        BASE_TRY(call.lock({place.parent, from.number}));
        Dentry dentry;
        BASE_TRY_ASSIGN(bool unchanged, place_is_unchanged(call, place, &dentry));
        if (!unchanged)
            continue;
        BASE_TRY_ASSIGN(const Inode *home, handle_inode(call.pool(), from));
        if (S_ISDIR(home->mode))
            return base::error(EPERM);
        if (home->link_count == 0 && (home->flags & inode_linkable) == 0)
            return base::error(ENOENT);
        if (home->link_count >= link_max)
            return base::error(EMLINK);
        BASE_TRY(permission_check(thread, *call.pool().inode(place.parent), may_write | may_execute));
        BASE_TRY_ASSIGN(const DirectoryRoom room, directory_reserve(call, place.parent, place.name));
        Inode directory = *call.pool().inode(place.parent);
        Inode inode = *home;
        BASE_TRY(directory_insert(call, place.parent, directory, room, place.name, from.number,
                                  static_cast<uint8_t>(IFTODT(inode.mode))));
        if (inode.link_count++ == 0)
            leave_orphans(call, inode);
        inode.ctime_ns = coarse_now_ns();
        touch_directory(directory, inode.ctime_ns);
        store_changes(call, place.parent, directory);
        if (is_seeded(SeededFault::link_in_two_records))
            BASE_TRY(call.commit());
        store_changes(call, from.number, inode);
        return call.commit();
    }
}

base::Result<size_t> fs_readlink(Thread &thread, InodeHandle handle, char *buffer, size_t size_bytes) {
    const Pool &pool = *thread.pool;
    for (ReadSection section(thread, handle.number); section.next();) {
        base::Result<size_t> length = size_t{0};
        auto inode = handle_inode(pool, handle);
        if (!inode.ok()) {
            length = inode.error();
        } else if (!S_ISLNK((*inode)->mode)) {
            length = base::error(EINVAL);
        } else {
            length = std::min<size_t>({size_bytes, (*inode)->size_bytes, path_max_bytes - 1});
            if (((*inode)->flags & inode_inline) != 0) {
                if (*length > inline_max_bytes)
                    length = base::error(EUCLEAN);
                else
                    std::memcpy(buffer, (*inode)->content.bytes, *length);
            } else {
                MappedRun run = map_lookup(pool, **inode, 0, 1);
                if (run.block != 0)
                    std::memcpy(buffer, pool.block(run.block), *length);
                else
                    length = base::error(EUCLEAN);
            }
        }
        if (section.valid())
            return length;
    }
    return base::error(EUCLEAN);
}

} // namespace pmemfile
