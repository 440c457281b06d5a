// A process slot is alive while somebody holds the kernel's lock on its byte:
//
//   runtime file:  byte 0        attach is serialised here
//                  byte 4096+i   held by process slot i
//
// The byte is locked before the slot is marked as used, so that nobody ever
// sees a used slot without its lock and takes it for dead.
//
// A process whose own seccomp filter lets it open nothing for writing (man's, which goes on to fork) locks its byte
// shared: nobody who has the right to write gets it beside that, and of two who share it one takes the slot.
#include "libpmemfile/runtime/liveness.h"

#include "base/high_descriptor.h"
#include "base/own_root.h"
#include "base/raw_syscall.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace pmemfile {
namespace {

struct flock byte_lock(short type, int64_t byte) {
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    return lock;
}

// What a filter says of a call that it forbids.
bool is_forbidden(long result) {
    return result == -ENOSYS || result == -EPERM;
}

bool is_same_file(long one, long other) {
    struct stat first = {};
    struct stat second = {};
    return !base::is_error(base::raw_syscall(SYS_fstat, one, base::as_long(&first))) &&
           !base::is_error(base::raw_syscall(SYS_fstat, other, base::as_long(&second))) &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Its name may be out of reach, gone, or that of a file which somebody who wants to attach has just made there (and
// will find the pool in use): a lock on that one would tell nobody that we live.
long open_by_path_or_descriptor(const char *path, int known, long flags) {
    const long opened = base::open_own(path, flags);
    if (opened == -EACCES || opened == -ENOENT)
        return base::reopen_own(known, flags);
    if (base::is_error(opened) || is_same_file(opened, known))
        return opened;
    base::raw_syscall(SYS_close, opened);
    return base::reopen_own(known, flags);
}

// An open file description of our own on the runtime file, at a high number. `lock`: what can be had on it.
long open_runtime_file(const Pool &pool, int known, short *lock) {
    char path[runtime_file_path_bytes];
    runtime_file_path(pool, path);
    *lock = F_WRLCK;
    long low = open_by_path_or_descriptor(path, known, O_RDWR | O_CLOEXEC);
    if (is_forbidden(low)) {
        *lock = F_RDLCK;
        low = open_by_path_or_descriptor(path, known, O_RDONLY | O_CLOEXEC);
    }
    if (base::is_error(low))
        return low;
    const long high = base::high_duplicate(low, F_DUPFD_CLOEXEC);
    if (base::is_error(high))
        return low;
    base::raw_syscall(SYS_close, low);
    return high;
}

} // namespace

void runtime_file_path(const Pool &pool, char (&to)[runtime_file_path_bytes]) {
    constexpr char name[] = "/segment";
    static_assert(sizeof name - 1 <= runtime_file_path_bytes - sizeof pool.segment_path);
    unsigned length = 0;
    for (; pool.segment_path[length] != 0; length++)
        to[length] = pool.segment_path[length];
    for (const char character : name)
        to[length++] = character;
}

base::Status process_register(Pool &pool, int known) {
    short lock_type = F_WRLCK;
    const long descriptor = open_runtime_file(pool, known, &lock_type);
    if (base::is_error(descriptor))
        return base::error(static_cast<int>(-descriptor));
    Segment &segment = *pool.segment;
    for (uint32_t slot = 0; slot < max_processes; slot++) {
        ProcessSlot &process = segment.processes()[slot];
        if (process.incarnation.load() != 0)
            continue;
        struct flock lock = byte_lock(lock_type, liveness_first_byte + slot);
        if (base::is_error(base::raw_syscall(SYS_fcntl, descriptor, F_OFD_SETLK, base::as_long(&lock))))
            continue;
        const uint64_t incarnation = segment.next_incarnation.fetch_add(1) + 1;
        uint64_t free = 0; // else: taken and already left by a killed process, or taken by one that shares the lock
        if (!process.incarnation.compare_exchange_strong(free, incarnation)) {
            lock = byte_lock(F_UNLCK, liveness_first_byte + slot);
            base::raw_syscall(SYS_fcntl, descriptor, F_OFD_SETLK, base::as_long(&lock));
            continue;
        }
        process.pid.store(static_cast<uint32_t>(base::raw_syscall(SYS_getpid)));
        process.liveness_descriptor.store(static_cast<uint32_t>(descriptor));
        raise_high_water(segment.process_high_water, slot + 1);
        pool.liveness_descriptor = static_cast<int>(descriptor);
        pool.process_slot = slot;
        pool.incarnation = incarnation;
        return {};
    }
    base::raw_syscall(SYS_close, descriptor);
    return base::error(EAGAIN);
}

bool start_is_forbidden(const Pool &pool) {
    char path[runtime_file_path_bytes];
    runtime_file_path(pool, path);
    const long opened = open_by_path_or_descriptor(path, pool.liveness_descriptor, O_RDWR | O_CLOEXEC);
    if (!base::is_error(opened))
        base::raw_syscall(SYS_close, opened);
    return is_forbidden(opened);
}

void process_release(Pool &pool) {
    pool.segment->processes()[pool.process_slot].incarnation.store(0);
    base::raw_syscall(SYS_close, pool.liveness_descriptor);
    pool.liveness_descriptor = -1;
}

bool process_alive(const Pool &pool, uint32_t process_slot) {
    if (process_slot == pool.process_slot)
        return true;
    struct flock lock = byte_lock(F_WRLCK, liveness_first_byte + process_slot);
    const long result = base::raw_syscall(SYS_fcntl, pool.liveness_descriptor, F_OFD_GETLK, base::as_long(&lock));
    // When the kernel cannot tell, nobody is declared dead.
    return base::is_error(result) || lock.l_type != F_UNLCK;
}

bool thread_alive(const Pool &pool, uint32_t thread_slot) {
    const ThreadSlot &thread = pool.segment->threads()[thread_slot];
    const uint64_t incarnation = thread.process_incarnation.load();
    if (incarnation == 0 || incarnation == incarnation_claiming)
        return true;
    const uint32_t process_slot = thread.process_slot.load();
    if (pool.segment->processes()[process_slot].incarnation.load() != incarnation)
        return false;
    return process_alive(pool, process_slot);
}

} // namespace pmemfile
