// How a process joins:
//
//   open pool ─► lock byte 0 of the runtime file (attach is one at a time)
//     ├ nobody holds the pool (flock exclusive works): locate, map, check,
//     │   replay the journal, make the segment, stamp its nonce into the superblock
//     └ somebody does: map, and check that the segment is the pool's
//   ─► flock shared ─► process slot ─► byte 0 free ─► collect the dead
#include "libpmemfile/fs/attach.h"

#include "base/own_root.h"
#include "base/raw_syscall.h"
#include "libpmemfile/fs/bring_up.h"
#include "libpmemfile/fs/locate.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/fs/pool_file.h"
#include "libpmemfile/fs/runtime_file.h"
#include "libpmemfile/journal/recovery.h"
#include "libpmemfile/journal/settle.h"
#include "libpmemfile/journal/watermark.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "libpmemfile/runtime/layout_check.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/space_map.h"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

namespace pmemfile {
namespace {

// How long a lock of another program may hold up an attach: 200 ms.
constexpr unsigned exclusive_lock_tries = 100;
constexpr long exclusive_lock_pause_ns = 2'000'000;

base::Errno errno_of(long result) {
    return base::error(static_cast<int>(-result));
}

// A file descriptor that closes itself unless it is kept.
class Descriptor {
public:
    explicit Descriptor(long number = -1) : number_(static_cast<int>(number)) {}
    ~Descriptor() {
        close();
    }
    Descriptor(const Descriptor &) = delete;
    Descriptor &operator=(const Descriptor &) = delete;
    int get() const {
        return number_;
    }
    int keep() {
        const int number = number_;
        number_ = -1;
        return number;
    }
    void reset(long number) {
        close();
        number_ = static_cast<int>(number);
    }

private:
    void close() {
        if (number_ >= 0)
            base::raw_syscall(SYS_close, number_);
    }
    int number_;
};

// Whoever holds byte 0 holds up all who come and go, so ^Z waits until we have let it go. (A SIGSTOP does not.)
class StopSignalsWait {
public:
    StopSignalsWait() {
        const uint64_t stops = bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU);
        base::raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, base::as_long(&stops), base::as_long(&before_), sizeof stops);
    }
    ~StopSignalsWait() {
        base::raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, base::as_long(&before_), 0, sizeof before_);
    }
    StopSignalsWait(const StopSignalsWait &) = delete;
    StopSignalsWait &operator=(const StopSignalsWait &) = delete;

private:
    static constexpr uint64_t bit(int number) {
        return uint64_t{1} << (number - 1);
    }
    uint64_t before_ = 0;
};

// Byte 0 by a process that is attached: on its liveness descriptor, so that it works too
// for one that has given up the user id which may open the file. Shared, where the descriptor is only for reading
// (runtime/liveness.cpp): nobody attaches or leaves meanwhile but others of that kind, and those remove nothing.
void lock_attached(int liveness_descriptor, short type) {
    struct flock lock = {};
    lock.l_type = type;
    lock.l_len = 1;
    if (base::raw_syscall(SYS_fcntl, liveness_descriptor, F_OFD_SETLKW, base::as_long(&lock)) != -EBADF)
        return;
    lock.l_type = F_RDLCK;
    base::raw_syscall(SYS_fcntl, liveness_descriptor, F_OFD_SETLKW, base::as_long(&lock));
}

// Opens (and makes, if need be) the runtime file and locks its byte 0. The last one to leave removes
// the file and its directory: look whether the one we hold is still the named one.
base::Status lock_attach(const Pool &pool, const struct stat &pool_status, Descriptor &runtime) {
    char path[runtime_file_path_bytes];
    runtime_file_path(pool, path);
    for (;;) {
        BASE_TRY(runtime_directory_make(pool, pool_status));
        const long opened = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path),
                                              O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (opened == -ENOENT)
            continue;
        if (base::is_error(opened))
            return errno_of(opened);
        runtime.reset(opened);
        struct flock lock = {};
        lock.l_type = F_WRLCK;
        lock.l_len = 1;
        const long locked = base::raw_syscall(SYS_fcntl, opened, F_OFD_SETLKW, base::as_long(&lock));
        if (base::is_error(locked))
            return errno_of(locked);
        struct stat held = {};
        struct stat named = {};
        base::raw_syscall(SYS_fstat, opened, base::as_long(&held));
        const long found = base::raw_syscall(SYS_stat, base::as_long(path), base::as_long(&named));
        if (!base::is_error(found) && held.st_ino == named.st_ino)
            return {};
    }
}

base::Result<Segment *> map_segment(int descriptor, uint64_t size_bytes) {
    const long mapped = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                          MAP_SHARED, descriptor, 0);
    if (base::is_error(mapped))
        return errno_of(mapped);
    return reinterpret_cast<Segment *>(mapped);
}

// The runtime file is sparse. Where it could not even begin to fill, the first touch of a page would be a SIGBUS.
bool has_room(int descriptor, uint64_t size_bytes) {
    constexpr uint64_t begin_bytes = 8u << 20;
    struct statfs filesystem = {};
    if (base::is_error(base::raw_syscall(SYS_fstatfs, descriptor, base::as_long(&filesystem))) ||
        filesystem.f_blocks == 0) // no limit
        return true;
    return filesystem.f_bavail * static_cast<uint64_t>(filesystem.f_bsize) >= std::min(size_bytes, begin_bytes);
}

// First attach: nobody else is there, and byte 0 of the runtime file is ours.
base::Status attach_first(Pool &pool, const char *path, const AttachOptions &options, int pool_descriptor,
                          const struct stat &pool_status, int runtime_descriptor, ContainerMessage *message) {
    lock_as_writer(pool_descriptor, F_RDLCK);
    const base::Result<PoolLocation> location = pool_locate(path, options, pool_descriptor, pool_status, message);
    if (!location.ok())
        return location.error();
    BASE_TRY_ASSIGN(pool.persist, map_pool_file(pool_descriptor, location->size_bytes, location->medium));
    pool.superblock_offset = location->superblock_offset;
    if (superblock_problem(pool.persist, pool.superblock_offset).text == nullptr &&
        may_only_be_read(pool.superblock().features))
        return attach_failure(message, path, "the pool has features that this program may only read", EROFS);
    base::raw_syscall(SYS_fchmod, runtime_descriptor, 0666); // whatever the umask
    auto size_and_map = [](void *descriptor, uint64_t size_bytes) -> base::Result<Segment *> {
        const int runtime = *static_cast<int *>(descriptor);
        if (!has_room(runtime, size_bytes))
            return base::error(ENOSPC);
        base::raw_syscall(SYS_ftruncate, runtime, 0);
        const long sized = base::raw_syscall(SYS_ftruncate, runtime, static_cast<long>(size_bytes));
        if (base::is_error(sized))
            return errno_of(sized);
        return map_segment(runtime, size_bytes);
    };
    BASE_TRY(bring_up(pool, path, pool_status, message, size_and_map, &runtime_descriptor));
    pool.segment->ready.store(1);
    return {};
}

// Somebody is attached: their segment must be this pool's, of this boot.
base::Status attach_later(Pool &pool, const char *path, int pool_descriptor, const struct stat &pool_status,
                          int runtime_descriptor, ContainerMessage *message) {
    const char *elsewhere = "the pool is in use, and the processes that use it are out of reach";
    struct stat runtime_status = {};
    base::raw_syscall(SYS_fstat, runtime_descriptor, base::as_long(&runtime_status));
    if (static_cast<uint64_t>(runtime_status.st_size) < sizeof(Segment))
        return attach_failure(message, path, elsewhere, EBUSY);
    BASE_TRY_ASSIGN(pool.segment, map_segment(runtime_descriptor, static_cast<uint64_t>(runtime_status.st_size)));
    const Segment &segment = *pool.segment;
    uint8_t boot_id[16];
    read_boot_id(boot_id);
    bool is_ours = segment.magic == segment_magic && segment.version == segment_version && segment.ready.load() == 1 &&
                   segment.pool_device == pool_status.st_dev && segment.pool_inode == pool_status.st_ino &&
                   segment.segment_size_bytes == static_cast<uint64_t>(runtime_status.st_size) &&
                   __builtin_memcmp(segment.boot_id, boot_id, sizeof boot_id) == 0;
    if (!is_ours)
        return attach_failure(message, path, elsewhere, EBUSY);
    if (static_cast<uint64_t>(pool_status.st_size) < segment.pool_size_bytes && S_ISREG(pool_status.st_mode))
        return attach_failure(message, path, "the pool file is truncated", EUCLEAN);
    BASE_TRY_ASSIGN(pool.persist, map_pool_file(pool_descriptor, segment.pool_size_bytes, segment.medium));
    pool.superblock_offset = segment.superblock_offset;
    if (pool.superblock().runtime_nonce != segment.nonce)
        return attach_failure(message, path, elsewhere, EBUSY);
    pool.first_group_block = group_descriptor(pool, 0).first_block;
    return {};
}

void unmap_all(Pool &pool) {
    unmap_pool_file(pool.persist);
    if (pool.segment != nullptr)
        base::raw_syscall(SYS_munmap, base::as_long(pool.segment), static_cast<long>(pool.segment->segment_size_bytes));
    pool.segment = nullptr;
}

// A process that has died is gone, and its byte of the runtime file with its descriptors. But its mapping of the pool
// keeps the flock for as long as anybody (ps, for one) looks at its memory, and for a moment in any case.
bool next_try(unsigned &tries) {
    const struct timespec pause = {0, exclusive_lock_pause_ns};
    if (tries++ == exclusive_lock_tries)
        return false;
    base::raw_syscall(SYS_nanosleep, base::as_long(&pause), 0);
    return true;
}

// Attach and register; `pool_descriptor` and `runtime` are open, byte 0 is locked.
base::Status attach_locked(Pool &pool, const char *path, const AttachOptions &options, Descriptor &pool_descriptor,
                           const struct stat &pool_status, Descriptor &runtime, ContainerMessage *message,
                           bool &is_first) {
    is_first = false;
    for (unsigned tries = 0; !is_first;) {
        is_first = !base::is_error(base::raw_syscall(SYS_flock, pool_descriptor.get(), LOCK_EX | LOCK_NB));
        if (is_first || !base::is_error(base::raw_syscall(SYS_flock, pool_descriptor.get(), LOCK_SH | LOCK_NB)))
            break;
        if (!next_try(tries)) // one that was killed in its first attach
            return attach_failure(message, path, "the pool is in use by another program", EBUSY);
    }
    if (is_first) {
        BASE_TRY(attach_first(pool, path, options, pool_descriptor.get(), pool_status, runtime.get(), message));
        if (base::is_error(base::raw_syscall(SYS_flock, pool_descriptor.get(), LOCK_SH | LOCK_NB)))
            return attach_failure(message, path, "the pool is in use by another program", EBUSY);
    }
    if (!is_first) {
        BASE_TRY(attach_later(pool, path, pool_descriptor.get(), pool_status, runtime.get(), message));
        lock_as_writer(pool_descriptor.get(), F_RDLCK);
    }
    const base::Status registered = process_register(pool, runtime.get());
    if (!registered.ok())
        return attach_failure(message, path, "too many processes use the pool", registered.error().number());
    return {};
}

} // namespace

base::Status pool_attach(Pool &pool, const char *path, const AttachOptions &options, ContainerMessage *message) {
    settle_thread_hook = settle_thread;
    freed_under_way_hook = freed_under_way;
    pool = Pool();
    pool.read_only = options.read_only;
    Descriptor pool_descriptor(options.inherited_pool_descriptor);
    const bool is_handover = options.inherited_pool_descriptor >= 0 && options.inherited_liveness_descriptor >= 0;
    if (!is_handover)
        pool_descriptor.reset(base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDWR | O_CLOEXEC));
    if (pool_descriptor.get() < 0) {
        const int error_number = -pool_descriptor.get();
        static_cast<void>(pool_descriptor.keep());
        return attach_failure(message, path,
                              error_number == ENOENT   ? "no such pool"
                              : error_number == EISDIR ? "is a directory, not a pool"
                              : error_number == EACCES ? "no right to read and write it"
                              : error_number == EROFS  ? "the pool lies on a read-only filesystem"
                                                       : "cannot open the pool",
                              error_number);
    }
    struct stat pool_status = {};
    base::raw_syscall(SYS_fstat, pool_descriptor.get(), base::as_long(&pool_status));
    if (!S_ISREG(pool_status.st_mode) && !S_ISCHR(pool_status.st_mode))
        return attach_failure(message, path, "neither a file nor a device-dax", EINVAL);
    pool.is_device = S_ISCHR(pool_status.st_mode);
    name_runtime_files(pool, pool_status);

    const StopSignalsWait no_stop;
    Descriptor runtime;
    bool is_first = false;
    bool is_new = false; // the runtime file, made by us
    base::Status attached;
    if (is_handover) {
        // The slot goes on living: our predecessor's lock came with the descriptor.
        pool.process_slot = options.inherited_process_slot;
        pool.incarnation = options.inherited_incarnation;
        pool.liveness_descriptor = options.inherited_liveness_descriptor;
        base::raw_syscall(SYS_fcntl, pool.liveness_descriptor, F_SETFD, FD_CLOEXEC);
        base::raw_syscall(SYS_fcntl, pool_descriptor.get(), F_SETFD, FD_CLOEXEC);
        lock_attached(pool.liveness_descriptor, F_WRLCK);
        // Mapped through a description of its own: a child's copy of the mapping would keep ours, and with it the lock
        // that says we live. Only who may not go there any more, and has no /proc, does that.
        char runtime_path[runtime_file_path_bytes];
        runtime_file_path(pool, runtime_path);
        runtime.reset(base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(runtime_path), O_RDWR | O_CLOEXEC));
        if (runtime.get() < 0)
            runtime.reset(base::reopen_own(pool.liveness_descriptor, O_RDWR | O_CLOEXEC));
        attached = attach_later(pool, path, pool_descriptor.get(), pool_status,
                                runtime.get() >= 0 ? runtime.get() : pool.liveness_descriptor, message);
    } else {
        const base::Status locked = lock_attach(pool, pool_status, runtime);
        if (!locked.ok())
            return attach_failure(message, path, "cannot make the runtime file in /dev/shm", locked.error().number());
        struct stat runtime_status = {};
        base::raw_syscall(SYS_fstat, runtime.get(), base::as_long(&runtime_status));
        is_new = runtime_status.st_size == 0;
        attached = attach_locked(pool, path, options, pool_descriptor, pool_status, runtime, message, is_first);
    }
    if (attached.ok()) {
        pool.pool_descriptor = move_descriptor_high(pool_descriptor.keep(), true);
        attached = tidy_up(pool, is_first, is_handover);
        if (!attached.ok())
            attached =
                attach_failure(message, path, "the pool is damaged; run pmemfile fsck", attached.error().number());
    }
    if (!attached.ok()) {
        const uint64_t incarnation = pool.incarnation;
        if (incarnation != 0)
            process_release(pool);
        const int held = pool.pool_descriptor >= 0 ? pool.pool_descriptor : pool_descriptor.get();
        if (!is_handover) {
            base::raw_syscall(SYS_flock, held, LOCK_UN);
            lock_as_writer(held, F_UNLCK);
        }
        if (pool.pool_descriptor >= 0)
            base::raw_syscall(SYS_close, pool.pool_descriptor);
        if (is_first || is_new)
            runtime_files_remove(pool);
        unmap_all(pool);
    }
    if (!is_handover)
        lock_attached(runtime.get(), F_UNLCK); // not by close: the segment's mapping keeps the description
    else if (attached.ok())
        lock_attached(pool.liveness_descriptor, F_UNLCK);
    return attached;
}

namespace {

// Is a process besides us attached? Its slot tells; the flock cannot, because forked
// processes share the description that holds it. Byte 0 is locked.
bool is_last(const Pool &pool) {
    const uint32_t end = pool.segment->process_high_water.load();
    for (uint32_t slot = 0; slot < end && slot < max_processes; slot++)
        if (slot != pool.process_slot && pool.segment->processes()[slot].incarnation.load() != 0 &&
            process_alive(pool, slot))
            return false;
    return true;
}

// The flock for ourselves alone, once the dead have given theirs up.
bool lock_exclusive(int pool_descriptor) {
    for (unsigned tries = 0; base::is_error(base::raw_syscall(SYS_flock, pool_descriptor, LOCK_EX | LOCK_NB));)
        if (!next_try(tries))
            return false;
    return true;
}

} // namespace

void pool_detach(Pool &pool) {
    if (pool.segment == nullptr)
        return;
    const StopSignalsWait no_stop;
    const bool is_image = pool.is_private();
    const long memory =
        base::raw_syscall(SYS_mmap, 0, sizeof(Thread), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    Thread *thread = base::is_error(memory) ? nullptr : reinterpret_cast<Thread *>(memory);
    const Credentials root;
    if (thread != nullptr) {
        thread->credentials = &root;
        if (!thread_register(*thread, pool).ok())
            thread = nullptr;
    }
    // What may take long comes before byte 0, for which all wait who come and go.
    if (thread != nullptr) {
        advisory_lock_drop_process(*thread, pool.incarnation);
        mapping_pin_drop_process(*thread, pool.incarnation, orphan_collect);
        open_file_drop_process(*thread, pool.process_slot, orphan_collect);
        orphan_settle_dead(*thread);
    }
    if (!is_image)
        lock_attached(pool.liveness_descriptor, F_WRLCK);
    const bool leaves_nobody = is_image || is_last(pool);
    bool all_is_home = false;
    if (thread != nullptr) {
        if (leaves_nobody && !is_image)
            open_file_drop_in_flight(*thread, orphan_collect);
        if (leaves_nobody)
            all_is_home = watermark_raise_all(*thread).ok(); // a failed medium is told by the next attach
        thread_release(*thread);
    }
    if (!base::is_error(memory))
        base::raw_syscall(SYS_munmap, memory, sizeof(Thread));
    if (!is_image) {
        // Exclusive besides: nobody holds it who has no slot (a tool of libpmemobj).
        if (leaves_nobody && lock_exclusive(pool.pool_descriptor)) {
            if (all_is_home)
                pool_note_location(pool);
            // Not by close: the mapping and a forked child keep the description, and with it the lock.
            base::raw_syscall(SYS_flock, pool.pool_descriptor, LOCK_UN);
            lock_as_writer(pool.pool_descriptor, F_UNLCK);
            // After the flock: without its name our byte 0 holds up nobody who comes, and he would find the flock.
            runtime_files_remove(pool);
        }
        // Byte 0 goes last: who attaches next finds neither our flock nor us in a segment he makes anew.
        pool.segment->processes()[pool.process_slot].incarnation.store(0);
        base::raw_syscall(SYS_close, pool.pool_descriptor);
        unmap_all(pool);
        lock_attached(pool.liveness_descriptor, F_UNLCK);
        base::raw_syscall(SYS_close, pool.liveness_descriptor);
        pool.liveness_descriptor = -1;
        return;
    }
    base::raw_syscall(SYS_munmap, base::as_long(pool.segment), static_cast<long>(pool.segment->segment_size_bytes));
    pool.segment = nullptr;
    if (pool.pool_descriptor < 0) { // the image's bytes are the caller's
        pool.persist = Persist();
        return;
    }
    unmap_pool_file(pool.persist);
    base::raw_syscall(SYS_close, pool.pool_descriptor);
    pool.pool_descriptor = -1;
}

} // namespace pmemfile
