// The idea: a rename changes at most two directories, the inode that moves and the
// one that goes, and all of it is one record.
//
//     from/name ──┐                          ┌── to/name
//      (removed)  └──► inode (parent, ctime) ◄┘   (inserted, or now names it)
//                      replaced inode: one name less
//
// Moving a directory to another parent changes the tree's shape: only one such rename runs at a
// time (rename_lock), so nobody can be put below himself by two moves at once.
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/fs/open_path.h"

#include "libpmemfile/fs/permission.h"
#include "libpmemfile/fs/place.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <cstdio> // RENAME_*
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace pmemfile {
namespace {

constexpr unsigned max_depth = 1u << 20; // of the tree; a longer way up is a circle

bool is_special(std::string_view name) {
    return name.empty() || name == "." || name == "..";
}

// Is `ancestor` the directory `inode` or above it? The rename lock is held.
base::Result<bool> is_at_or_above(const Thread &thread, InodeNumber ancestor, InodeNumber inode) {
    const Pool &pool = *thread.pool;
    for (unsigned depth = 0; depth < max_depth; ++depth) {
        if (inode == ancestor)
            return true;
        if (is_root(pool.superblock(), inode))
            return false;
        if (pool.reads != nullptr)
            transaction_look(*pool.reads, *pool.segment, stripe_state(thread, inode));
        const Inode *directory = pool.inode(inode);
        if (directory == nullptr)
            break;
        inode = directory->parent;
    }
    return base::error(EUCLEAN);
}

// A rename whose four inodes are locked and unchanged.
class Rename {
public:
    Rename(Call &call, const WalkResult &from, const WalkResult &to, unsigned flags)
        : call_(call), from_(from), to_(to), exchange_((flags & RENAME_EXCHANGE) != 0),
          leaves_whiteout_((flags & RENAME_WHITEOUT) != 0) {}
    base::Status run(Dentry from_entry, Dentry to_entry);

private:
    const Inode &home(InodeNumber number) const {
        return *call_.pool().inode(number);
    }
    bool same_parent() const {
        return from_.parent == to_.parent;
    }
    void copy_directories() {
        from_directory_ = home(from_.parent);
        if (!same_parent())
            to_directory_ = home(to_.parent);
    }
    base::Status check_tree() const;
    base::Status check_permissions() const;
    base::Status insert_new(Dentry *from_entry);
    base::Status replace_entries(const Dentry &from_entry, const Dentry &to_entry);
    // The old name stays, and names a new device node 0/0 (overlayfs's sign for "removed").
    base::Status leave_whiteout(const Dentry &from_entry);
    // Stores the inode that is now called `place`'s name.
    void store_moved(InodeNumber number, const WalkResult &place);
    base::Status commit_replaced();

    Call &call_;
    const WalkResult &from_;
    const WalkResult &to_;
    bool exchange_;
    bool leaves_whiteout_;
    int64_t now_ns_ = coarse_now_ns();
    Inode from_directory_;
    Inode to_directory_; // used only when the parents differ
};

base::Status Rename::check_tree() const {
    const bool moves_directory = S_ISDIR(home(from_.inode).mode);
    if (!same_parent()) {
        if (moves_directory) {
            BASE_TRY_ASSIGN(bool below_itself, is_at_or_above(call_.thread(), from_.inode, to_.parent));
            if (below_itself)
                return base::error(EINVAL);
        }
        if (to_.inode != 0 && S_ISDIR(home(to_.inode).mode)) {
            // A directory that holds the source is not empty; exchanged with it, it would be below itself.
            BASE_TRY_ASSIGN(bool holds_source, is_at_or_above(call_.thread(), to_.inode, from_.parent));
            if (holds_source)
                return base::error(exchange_ ? EINVAL : ENOTEMPTY);
        }
    }
    return {};
}

base::Status Rename::check_permissions() const {
    Thread &thread = call_.thread();
    const Inode &source = home(from_.inode);
    BASE_TRY(permission_delete(thread, home(from_.parent), source));
    if (to_.inode == 0)
        BASE_TRY(permission_check(thread, home(to_.parent), may_write | may_execute));
    else
        BASE_TRY(permission_delete(thread, home(to_.parent), home(to_.inode)));
    if (to_.inode != 0 && !exchange_) {
        const Inode &target = home(to_.inode);
        if (S_ISDIR(source.mode) && !S_ISDIR(target.mode))
            return base::error(ENOTDIR);
        if (!S_ISDIR(source.mode) && S_ISDIR(target.mode))
            return base::error(EISDIR);
    }
    // A directory's `..` is changed by a move to another parent.
    if (!same_parent() && S_ISDIR(source.mode))
        BASE_TRY(permission_check(thread, source, may_write));
    if (!same_parent() && exchange_ && S_ISDIR(home(to_.inode).mode))
        BASE_TRY(permission_check(thread, home(to_.inode), may_write));
    const bool replaces_directory = to_.inode != 0 && !exchange_ && S_ISDIR(home(to_.inode).mode);
    return replaces_directory && home(to_.inode).entry_count != 0 ? base::error(ENOTEMPTY) : base::Status{};
}

void Rename::store_moved(InodeNumber number, const WalkResult &place) {
    const Inode &former = home(number);
    if (!S_ISDIR(former.mode)) {
        if (former.ctime_ns != now_ns_)
            call_.store64(number * inode_size_bytes + offsetof(Inode, ctime_ns), static_cast<uint64_t>(now_ns_));
        return;
    }
    Inode moved = former;
    moved.ctime_ns = now_ns_;
    moved.parent = place.parent;
    moved.name_hash = name_hash(call_.pool(), place.name);
    store_changes(call_, number, moved);
}

base::Status Rename::leave_whiteout(const Dentry &from_entry) {
    Inode whiteout;
    BASE_TRY_ASSIGN(InodeNumber number, new_inode(call_, home(from_.parent), S_IFCHR, &whiteout));
    call_.store(number * inode_size_bytes, &whiteout, sizeof(whiteout));
    directory_replace(call_, from_entry, number, DT_CHR);
    return {};
}

// The name is new: one entry more in `to`, one less in `from`.
base::Status Rename::insert_new(Dentry *from_entry) {
    const auto type = static_cast<uint8_t>(IFTODT(home(from_.inode).mode));
    const Dentry *removed = same_parent() && !leaves_whiteout_ ? from_entry : nullptr;
    BASE_TRY_ASSIGN(const DirectoryRoom room,
                    directory_reserve(call_, to_.parent, to_.name, removed, leaves_whiteout_));
    if (room.has_split) {
        BASE_TRY_ASSIGN(*from_entry, directory_lookup(call_.pool(), home(from_.parent), from_.name));
    }
    copy_directories();
    if (leaves_whiteout_)
        BASE_TRY(leave_whiteout(*from_entry));
    if (same_parent())
        return directory_insert(call_, to_.parent, from_directory_, room, to_.name, from_.inode, type, removed);
    if (!leaves_whiteout_)
        directory_remove(call_, from_directory_, *from_entry);
    return directory_insert(call_, to_.parent, to_directory_, room, to_.name, from_.inode, type);
}

base::Status Rename::replace_entries(const Dentry &from_entry, const Dentry &to_entry) {
    copy_directories();
    directory_replace(call_, to_entry, from_.inode, static_cast<uint8_t>(IFTODT(home(from_.inode).mode)));
    if (exchange_)
        directory_replace(call_, from_entry, to_.inode, static_cast<uint8_t>(IFTODT(home(to_.inode).mode)));
    else if (leaves_whiteout_)
        return leave_whiteout(from_entry);
    else
        directory_remove(call_, from_directory_, from_entry);
    return {};
}

// Commits; the inode that was replaced has one name less.
base::Status Rename::commit_replaced() {
    const Inode &victim = home(to_.inode);
    if (S_ISDIR(victim.mode) || victim.link_count <= 1)
        return remove_last_name(call_, to_.inode);
    Inode changed = victim;
    --changed.link_count;
    changed.ctime_ns = now_ns_;
    store_changes(call_, to_.inode, changed);
    return call_.commit();
}

base::Status Rename::run(Dentry from_entry, Dentry to_entry) {
    BASE_TRY(check_tree());
    if (from_.inode == to_.inode)
        return {}; // two names of one file: nothing to do, says POSIX
    BASE_TRY(check_permissions());
    if (to_.inode == 0)
        BASE_TRY(insert_new(&from_entry));
    else
        BASE_TRY(replace_entries(from_entry, to_entry));

    Inode &to_directory = same_parent() ? from_directory_ : to_directory_;
    const bool moves_directory = S_ISDIR(home(from_.inode).mode);
    const bool meets_directory = to_.inode != 0 && S_ISDIR(home(to_.inode).mode);
    if (moves_directory) {
        --from_directory_.link_count;
        ++to_directory.link_count;
    }
    if (meets_directory) {
        --to_directory.link_count;
        if (exchange_)
            ++from_directory_.link_count;
    }
    touch_directory(from_directory_, now_ns_);
    touch_directory(to_directory, now_ns_);
    store_changes(call_, from_.parent, from_directory_);
    if (!same_parent())
        store_changes(call_, to_.parent, to_directory_);
    if (is_seeded(SeededFault::rename_in_two_records))
        BASE_TRY(call_.commit());
    store_moved(from_.inode, to_);
    if (exchange_)
        store_moved(to_.inode, from_);
    return to_.inode != 0 && !exchange_ ? commit_replaced() : call_.commit();
}

// What can be said without locks. The order of errors is Linux's.
base::Status check_places(Thread &thread, const WalkResult &from, const WalkResult &to, unsigned flags) {
    if (is_special(from.name))
        return base::error(EBUSY);
    if (is_special(to.name))
        return base::error((flags & RENAME_NOREPLACE) != 0 ? EEXIST : EBUSY);
    if (from.inode == 0)
        return base::error(ENOENT);
    if ((flags & RENAME_NOREPLACE) != 0 && to.inode != 0)
        return base::error(EEXIST);
    const bool exchange = (flags & RENAME_EXCHANGE) != 0;
    if (exchange && to.inode == 0)
        return base::error(ENOENT);
    if (exchange && to.type != DT_DIR && to.wants_directory)
        return base::error(ENOTDIR);
    if (from.type != DT_DIR && (from.wants_directory || (!exchange && to.wants_directory))) {
        const Inode *directory = thread.pool->inode(to.parent); // in one that is removed nothing is looked for
        return base::error(directory == nullptr || directory->link_count == 0 ? ENOENT : ENOTDIR);
    }
    if (thread.pool->read_only)
        return base::error(EROFS);
    return {};
}

} // namespace

base::Status fs_rename(Thread &thread, const At &from_at, const At &to_at, unsigned rename_flags) {
    if ((rename_flags & ~unsigned{RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT}) != 0 ||
        ((rename_flags & RENAME_EXCHANGE) != 0 && rename_flags != RENAME_EXCHANGE))
        return base::error(EINVAL);
    char from_name[name_max_bytes];
    for (;;) {
        BASE_TRY_ASSIGN(WalkResult from, walk(thread, from_at.start, from_at.path, from_at.flags | walk_create));
        // The second walk uses the scratch buffers again.
        std::copy_n(from.name.data(), from.name.size(), from_name);
        from.name = {from_name, from.name.size()};
        BASE_TRY_ASSIGN(WalkResult to, walk(thread, to_at.start, to_at.path, to_at.flags | walk_create));
        BASE_TRY(check_places(thread, from, to, rename_flags));

        Call call(thread);
        if (from.parent != to.parent && (from.type == DT_DIR || to.type == DT_DIR))
            call.lock_rename();
        BASE_TRY(call.lock({from.parent, to.parent, from.inode, to.inode}));
        Dentry from_entry;
        Dentry to_entry;
        BASE_TRY_ASSIGN(bool from_unchanged, place_is_unchanged(call, from, &from_entry));
        BASE_TRY_ASSIGN(bool to_unchanged, place_is_unchanged(call, to, &to_entry));
        if (!from_unchanged || !to_unchanged)
            continue;
        BASE_TRY(Rename(call, from, to, rename_flags).run(from_entry, to_entry));
        if (from.parent != to.parent) {
            open_path_moved(thread, from.inode, to.parent);
            if ((rename_flags & RENAME_EXCHANGE) != 0)
                open_path_moved(thread, to.inode, from.parent);
        }
        return {};
    }
}

} // namespace pmemfile
