// Ranges: fcntl counts {whence, start, length}, length may be negative or 0 (to
// the end); the table of locks wants first and last byte.
#include "libpmemfile/fs/lock_calls.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/runtime/open_access.h"

#include <sys/file.h>

namespace pmemfile {
namespace {

constexpr int flock_mandatory = 32; // LOCK_MAND

base::Result<LockRange> range_of(Thread &thread, const OpenFile &file, const struct flock &lock) {
    int64_t base_bytes = 0;
    if (lock.l_whence == SEEK_CUR) {
        base_bytes = file.offset_bytes.load();
    } else if (lock.l_whence == SEEK_END) {
        BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, file.inode.load()));
        base_bytes = static_cast<int64_t>(attributes.size_bytes);
    } else if (lock.l_whence != SEEK_SET) {
        return base::error(EINVAL);
    }
    int64_t first = 0;
    if (__builtin_add_overflow(base_bytes, lock.l_start, &first))
        return base::error(EOVERFLOW);
    if (first < 0)
        return base::error(EINVAL);
    LockRange range{first, INT64_MAX};
    if (lock.l_len > 0) {
        if (__builtin_add_overflow(first, lock.l_len - 1, &range.last_byte))
            return base::error(EOVERFLOW);
    } else if (lock.l_len < 0) {
        range.last_byte = first - 1;
        if (__builtin_add_overflow(first, lock.l_len, &range.first_byte) || range.first_byte < 0)
            return base::error(EINVAL);
    }
    return range;
}

// As the slot has it since the process began: sqlite locks and unlocks six times in a transaction.
uint32_t own_pid(const Thread &thread) {
    return thread.pool->segment->processes()[thread.pool->process_slot].pid.load(std::memory_order_relaxed);
}

} // namespace

base::Status fs_lock_record(Thread &thread, OpenFileId id, int command, struct flock &lock, bool (*interrupted)()) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    InodeNumber inode = file->inode.load();
    if (command == F_GETLK && lock.l_type != F_RDLCK && lock.l_type != F_WRLCK)
        return base::error(EINVAL); // before the range is looked at
    BASE_TRY_ASSIGN(LockRange range, range_of(thread, *file, lock));
    bool of_description = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
    if (of_description && lock.l_pid != 0)
        return base::error(EINVAL);
    LockOwner owner;
    owner.family = of_description ? LockFamily::description : LockFamily::posix;
    owner.description = of_description ? id : 0;
    owner.pid = own_pid(thread);
    if (command == F_GETLK || command == F_OFD_GETLK) {
        if (lock.l_type != F_RDLCK && lock.l_type != F_WRLCK && lock.l_type != F_UNLCK)
            return base::error(EINVAL);
        return advisory_lock_get(thread, inode, owner, &lock, range);
    }
    const uint32_t flags = file->flags.load();
    if ((lock.l_type == F_RDLCK && !may_read_by(flags)) || (lock.l_type == F_WRLCK && !may_write_by(flags)))
        return base::error(EBADF);
    if (lock.l_type != F_RDLCK && lock.l_type != F_WRLCK && lock.l_type != F_UNLCK)
        return base::error(EINVAL);
    bool wait = command == F_SETLKW || command == F_OFD_SETLKW;
    return advisory_lock_set(thread, inode, owner, lock.l_type, range, wait, interrupted);
}

base::Status fs_flock(Thread &thread, OpenFileId id, int operation, bool (*interrupted)()) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    if ((operation & flock_mandatory) != 0)
        return {}; // was a share mode once; Linux takes it and does nothing
    short type = 0;
    switch (operation & ~LOCK_NB) {
    case LOCK_SH:
        type = F_RDLCK;
        break;
    case LOCK_EX:
        type = F_WRLCK;
        break;
    case LOCK_UN:
        type = F_UNLCK;
        break;
    default:
        return base::error(EINVAL);
    }
    const uint32_t flags = file->flags.load();
    if ((flags & O_PATH) != 0 || (type != F_UNLCK && !may_read_by(flags) && !may_write_by(flags)))
        return base::error(EBADF);
    LockOwner owner{LockFamily::flock, id, own_pid(thread)};
    return advisory_lock_set(thread, file->inode.load(), owner, type, {}, (operation & LOCK_NB) == 0, interrupted);
}

} // namespace pmemfile
