// A pool as private memory, with a private segment: nobody else sees what is done to it.
//
//   image    bytes that the caller has (the crash explorer, fsck)
//   copy     MAP_PRIVATE of a pool file that may only be read: the journal is replayed in our
//            own pages, and the file stays as it is
//
// A copy holds the pool's shared flock, so that nobody brings the pool up and changes it meanwhile.
#include "libpmemfile/fs/attach.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/bring_up.h"
#include "libpmemfile/fs/locate.h"
#include "libpmemfile/fs/pool_file.h"
#include "libpmemfile/journal/settle.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/space_map.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>

namespace pmemfile {
namespace {

base::Result<Segment *> private_memory(void *, uint64_t size_bytes) {
    const long memory = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base::is_error(memory))
        return base::error(static_cast<int>(-memory));
    return reinterpret_cast<Segment *>(memory);
}

// `persist` and `superblock_offset` are set; nothing is unmapped on failure but the segment.
base::Status attach_alone(Pool &pool, const char *path, const struct stat &status, ContainerMessage *message) {
    settle_thread_hook = settle_thread;
    freed_under_way_hook = freed_under_way;
    BASE_TRY(bring_up(pool, path, status, message, private_memory, nullptr));
    pool.segment->ready.store(1);
    // Slot 0 without a kernel lock; process_alive(self) is true.
    pool.incarnation = 1;
    pool.segment->next_incarnation.store(1);
    pool.segment->processes()[0].incarnation.store(1);
    pool.segment->process_high_water.store(1);
    const base::Status tidied = tidy_up(pool, true, false);
    if (!tidied.ok()) {
        base::raw_syscall(SYS_munmap, base::as_long(pool.segment), static_cast<long>(pool.segment->segment_size_bytes));
        pool.segment = nullptr;
    }
    return tidied;
}

// Takes the shared flock of a pool that nobody can change: who holds it besides looks at a copy too.
base::Status hold_unchanging(int descriptor) {
    if (base::is_error(base::raw_syscall(SYS_flock, descriptor, LOCK_SH | LOCK_NB)))
        return base::error(EBUSY);
    // The mapping of one who was killed keeps his for a moment.
    constexpr struct timespec pause = {0, 2'000'000};
    for (unsigned tries = 0; is_held_by_writer(descriptor); tries++) {
        if (tries == 50)
            return base::error(EBUSY);
        base::raw_syscall(SYS_nanosleep, base::as_long(&pause), 0);
    }
    return {};
}

base::Status map_copy(Pool &pool, const char *path, const struct stat &status, ContainerMessage *message) {
    const base::Result<PoolOffset> superblock = pool_find_superblock(pool.pool_descriptor);
    if (!superblock.ok())
        return attach_failure(message, path, "not a pmemfile pool", superblock.error().number());
    const auto size_bytes = static_cast<uint64_t>(status.st_size);
    const long mapped = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_NORESERVE, pool.pool_descriptor, 0);
    if (base::is_error(mapped))
        return attach_failure(message, path, "cannot map the pool", static_cast<int>(-mapped));
    pool.persist = Persist(reinterpret_cast<std::byte *>(mapped), size_bytes, Medium::volatile_memory);
    pool.superblock_offset = *superblock;
    return attach_alone(pool, path, status, message);
}

} // namespace

base::Status pool_attach_image(Pool &pool, std::byte *base, uint64_t size_bytes, PoolOffset superblock_offset,
                               PersistObserver *observer, Medium medium) {
    pool = Pool();
    pool.persist = Persist(base, size_bytes, medium);
    pool.persist.set_observer(observer);
    pool.superblock_offset = superblock_offset;
    return attach_alone(pool, "image", {}, nullptr);
}

base::Status pool_attach_copy(Pool &pool, const char *path, ContainerMessage *message) {
    pool = Pool();
    const long opened = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDONLY | O_CLOEXEC);
    if (base::is_error(opened))
        return attach_failure(message, path, "cannot open the pool", static_cast<int>(-opened));
    struct stat status = {};
    base::raw_syscall(SYS_fstat, opened, base::as_long(&status));
    base::Status attached;
    if (!S_ISREG(status.st_mode))
        attached = attach_failure(message, path, "a device can be opened for writing only", EACCES);
    else if (!hold_unchanging(static_cast<int>(opened)).ok())
        attached = attach_failure(message, path, "the pool is in use by somebody who may change it", EBUSY);
    pool.pool_descriptor = static_cast<int>(opened);
    if (attached.ok())
        attached = map_copy(pool, path, status, message);
    if (!attached.ok()) {
        unmap_pool_file(pool.persist);
        base::raw_syscall(SYS_close, opened);
        pool = Pool();
    }
    pool.read_only = true;
    return attached;
}

} // namespace pmemfile
