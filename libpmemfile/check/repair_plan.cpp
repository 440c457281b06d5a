// The order: first the damaged directories are emptied, for their blocks count as free and
// the next steps allocate; then names. An inode without a name keeps a link count of at least
// 1 all the time, by which a later check knows it from one that was removed.
#include "libpmemfile/check/repair_plan.h"

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/names/directory.h"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>

namespace pmemfile {

namespace {

constexpr std::string_view lost_and_found = "lost+found";
constexpr unsigned max_name_tries = 1000;

base::Status empty_directory(Thread &thread, InodeNumber number) {
    Call call(thread);
    BASE_TRY(call.lock({number}));
    const Inode *home = call.pool().inode(number);
    if (home == nullptr)
        return base::error(EUCLEAN);
    Inode inode = *home;
    inode.size_bytes = inode.block_count = inode.entry_count = 0;
    inode.height = 0;
    std::memset(&inode.content, 0, sizeof(inode.content));
    store_changes(call, number, inode);
    return call.commit();
}

base::Result<InodeNumber> make_lost_and_found(Thread &thread) {
    const At at{thread.pool->superblock().root_inode, lost_and_found, 0};
    base::Status made = fs_mkdir(thread, at, 0700);
    if (!made.ok() && made.error().number() != EEXIST)
        return made.error();
    BASE_TRY_ASSIGN(WalkResult found, walk(thread, at.start, at.path, 0));
    const Inode *inode = thread.pool->inode(found.inode);
    if (inode == nullptr || !S_ISDIR(inode->mode))
        return base::error(ENOTDIR);
    return found.inode;
}

// EEXIST: the name is taken.
base::Status insert(Thread &thread, InodeNumber number, std::string_view name, InodeNumber child, bool moves) {
    Call call(thread);
    BASE_TRY(call.lock({number, child}));
    const Inode *home = call.pool().inode(number);
    const Inode *child_home = call.pool().inode(child);
    if (home == nullptr || child_home == nullptr)
        return base::error(EUCLEAN);
    BASE_TRY_ASSIGN(Dentry dentry, directory_lookup(call.pool(), *home, name));
    if (dentry.inode != 0)
        return base::error(EEXIST);
    BASE_TRY_ASSIGN(const DirectoryRoom room, directory_reserve(call, number, name));
    Inode directory = *call.pool().inode(number);
    Inode inode = *child_home;
    BASE_TRY(directory_insert(call, number, directory, room, name, child, static_cast<uint8_t>(IFTODT(inode.mode))));
    if (moves && S_ISDIR(inode.mode)) {
        inode.parent = number;
        inode.name_hash = name_hash(call.pool(), name);
        ++directory.link_count;
    }
    store_changes(call, number, directory);
    store_changes(call, child, inode);
    return call.commit();
}

base::Status insert_lost(Thread &thread, InodeNumber directory, const Reconnection &lost) {
    std::string name = lost.name;
    for (unsigned tries = 1; tries < max_name_tries; ++tries) {
        base::Status done = insert(thread, directory, name, lost.child, true);
        if (done.ok() || done.error().number() != EEXIST)
            return done;
        name = lost.name + "." + std::to_string(tries);
    }
    return base::error(EEXIST);
}

} // namespace

base::Status repair_plan_apply(Thread &thread, const RepairPlan &plan) {
    for (InodeNumber directory : plan.to_empty)
        BASE_TRY(empty_directory(thread, directory));
    // Their own names first: a lost+found may be among them.
    for (const Reconnection &name : plan.names)
        if (name.directory != 0)
            BASE_TRY(insert(thread, name.directory, name.name, name.child, false));
    InodeNumber place = 0;
    for (const Reconnection &name : plan.names) {
        if (name.directory != 0)
            continue;
        if (place == 0) {
            BASE_TRY_ASSIGN(place, make_lost_and_found(thread));
        }
        BASE_TRY(insert_lost(thread, place, name));
    }
    return {};
}

} // namespace pmemfile
