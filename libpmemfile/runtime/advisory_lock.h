// advisory_lock: fcntl record locks, open-file-description locks and flock,
// among all processes of a pool (fcntl(2), flock(2), POSIX.1-2017 fcntl).
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/thread.h"

#include <fcntl.h>
#include <span>

namespace pmemfile {

enum class LockFamily : uint32_t { posix = 0, description = 1, flock = 2 };

// Who owns a lock: the process (posix) or the open file description.
struct LockOwner {
    LockFamily family = LockFamily::posix;
    OpenFileId description = 0; // for description and flock
    uint32_t pid = 0;           // told by F_GETLK
};

// Byte range, inclusive; last_byte INT64_MAX is "to the end of the file".
struct LockRange {
    int64_t first_byte = 0;
    int64_t last_byte = INT64_MAX;
};

// Sets (F_RDLCK, F_WRLCK) or clears (F_UNLCK) a lock, splitting and merging the
// owner's ranges as fcntl does. `wait`: sleeps until possible; `interrupted`
// is asked every 10 ms and makes it return EINTR (may be null).
// EAGAIN (conflict, no wait), ENOLCK (table full), EDEADLK (posix, wait, a cycle), EINTR.
base::Status advisory_lock_set(Thread &thread, InodeNumber inode, const LockOwner &owner, short type, LockRange range,
                               bool wait, bool (*interrupted)());
// F_GETLK: the first lock that conflicts; type F_UNLCK if none. Asked for F_UNLCK: the first of the owner's own. The
// type is one of the three.
base::Status advisory_lock_get(Thread &thread, InodeNumber inode, const LockOwner &owner, struct flock *lock,
                               LockRange range);
// A lock as /proc/PID/fdinfo tells it.
struct HeldLock {
    LockFamily family = LockFamily::flock;
    short type = F_UNLCK;
    LockRange range = {-1, -1};
    uint32_t pid = 0; // who set it
};
// Of the locks on `inode` that are held by description `id` or, POSIX locks, by this process: the one behind `lock`, in
// the order flock, POSIX, description, and by offset. Begin with a HeldLock of before all. False: there is none.
bool advisory_lock_next(Thread &thread, InodeNumber inode, OpenFileId id, HeldLock *lock);
// The files that this process has POSIX locks on, each once; as many as there is room for. How many it has told.
size_t advisory_lock_posix_files(Thread &thread, std::span<InodeNumber> inodes);
// close(2) of any descriptor of the file: this process's POSIX locks on it go.
void advisory_lock_drop_posix(Thread &thread, InodeNumber inode);
// The end of a description: its locks go.
void advisory_lock_drop_description(Thread &thread, OpenFileId id);
void advisory_lock_drop_process(Thread &thread, uint64_t incarnation);

} // namespace pmemfile
