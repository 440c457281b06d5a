// mirror: host files that stand for what is watched by inotify.
//
// An inotify descriptor is the kernel's own. To watch an inode of a pool is to watch a host file that stands for it;
// whoever changes the inode does the same to that file, and the kernel does the rest: queues, masks, cookies, names,
// coalescing, poll, close.
//
//   /dev/shm/pmemfile-<pool>.n/lock           held shared (flock) by who watches; who gets it alone takes the mirror
//   away
//                             /<inode>        what stands for an inode: a directory for one, else a file
//                             /<inode>~       the same inode's other names, of which one at least is free: renaming
//                             /<inode>~~      to it is IN_MOVE_SELF
//                             /<inode>/<name> what stands for a name in a watched directory: a file, or an empty
//                             directory
//
// A name in a watched directory and the <inode> of the same file are one file (hard links). The segment says what is
// watched: one load when nobody is (Segment::watch_generation), else a bit for each inode.
#pragma once

#include "libpmemfile/runtime/pool.h"
#include "libpmemfile/runtime/segment.h"
#include "libpmemfile/runtime/thread.h"
#include "posix-shim/process/context.h"

#include <string_view>

namespace shim {

inline bool mirror_is_used(const pmemfile::Thread &thread) {
    return thread.pool->segment->watch_generation.load(std::memory_order_relaxed) != 0;
}
// Perhaps watched: another inode may have the same bit.
bool mirror_has(const pmemfile::Thread &thread, pmemfile::InodeNumber inode);

// A path in the mirror, for the kernel.
struct MirrorPath {
    char text[pmemfile::name_max_bytes + 128] = {};
    size_t length = 0;

    long raw() const {
        return reinterpret_cast<long>(text);
    }
};

// Where inode `inode` would stand under its first name, or one of its others.
constexpr unsigned mirror_places = 3;
MirrorPath mirror_place(const pmemfile::Thread &thread, pmemfile::InodeNumber inode, unsigned which);
bool mirror_is_there(const MirrorPath &path);
// Where it stands; length 0: nowhere.
MirrorPath mirror_find(const pmemfile::Thread &thread, pmemfile::InodeNumber inode);
// Where `name` of a watched directory stands or would stand; length 0: nobody watches the directory.
MirrorPath mirror_find(const pmemfile::Thread &thread, pmemfile::InodeNumber directory, std::string_view name);
// A place of this thread's own, for what no directory has.
MirrorPath mirror_spare(const pmemfile::Thread &thread);
// Makes what stands for a name, or removes it. -errno or 0.
long mirror_make(const MirrorPath &path, bool is_directory);
long mirror_remove(const MirrorPath &path, bool is_directory);

// From now on what stands for `inode` is kept, and is what the pool has; its path. `name` in `directory` is how it was
// found (0: it is not known). Errors of mkdir and the like.
base::Result<MirrorPath> mirror_watch(ThreadContext &context, pmemfile::Thread &thread, unsigned mount,
                                      pmemfile::InodeNumber inode, bool is_directory, pmemfile::InodeNumber directory,
                                      std::string_view name);

// Nobody watches any more? Then it goes. Looks now and then.
void mirror_look(const pmemfile::Thread &thread);
// The last one has left the pool.
void mirror_remove_all(const pmemfile::Pool &pool);
// After exec: the numbers that the former image had for the mirror (companions, the lock) are known again.
void mirror_adopt(ThreadContext &context, int descriptor);

} // namespace shim
