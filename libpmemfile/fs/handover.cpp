// fork and exec: how a process's place in the pool goes on.
//
//   fork    parent: clone a place ─► fork ─┬ child: adopt it, close the parent's
//                                          └ parent: close its copy of it
//   exec    the place's descriptors lose close-on-exec; the new image adopts it
//   vfork   the child shares memory with its parent: it clones a place and hands
//           that one over at its exec
#include "base/raw_syscall.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/runtime/open_file.h"

#include <fcntl.h>

namespace pmemfile {

base::Result<PoolPlace> pool_place_clone(Thread &thread) {
    Pool copy = *thread.pool; // process_register fills the slot's fields only
    copy.liveness_descriptor = -1;
    base::Status registered = process_register(copy, thread.pool->liveness_descriptor);
    // Children that were killed keep their slots until somebody looks. Early, so that
    // an attach, which cannot look before it has a slot, finds one.
    if (!registered.ok() || copy.process_slot > max_processes * 3 / 4)
        orphan_settle_dead(thread);
    if (!registered.ok())
        registered = process_register(copy, thread.pool->liveness_descriptor);
    BASE_TRY(registered);
    open_file_inherit(thread, thread.pool->process_slot, copy.process_slot);
    return pool_place(copy);
}

void pool_place_adopt(Pool &pool, const PoolPlace &place) {
    // Ours only by inheritance: while we held it the parent would seem alive for ever.
    base::raw_syscall(SYS_close, pool.liveness_descriptor);
    pool.liveness_descriptor = place.liveness_descriptor;
    pool.process_slot = place.process_slot;
    pool.incarnation = place.incarnation;
    pool.segment->processes()[place.process_slot].pid.store(static_cast<uint32_t>(base::raw_syscall(SYS_getpid)));
}

void pool_place_forget(const PoolPlace &place) {
    base::raw_syscall(SYS_close, place.liveness_descriptor);
}

void pool_place_cancel(Thread &thread, const PoolPlace &place) {
    Pool copy = *thread.pool;
    copy.liveness_descriptor = place.liveness_descriptor;
    copy.process_slot = place.process_slot;
    copy.incarnation = place.incarnation;
    // The parent holds all of them too, so none ends here.
    open_file_drop_process(thread, place.process_slot, [](Thread &, InodeNumber) {});
    mapping_pin_drop_process(thread, place.incarnation, [](Thread &, InodeNumber) {});
    process_release(copy);
}

void pool_place_over_exec(const PoolPlace &place, bool survives) {
    const long flags = survives ? 0 : FD_CLOEXEC;
    base::raw_syscall(SYS_fcntl, place.pool_descriptor, F_SETFD, flags);
    base::raw_syscall(SYS_fcntl, place.liveness_descriptor, F_SETFD, flags);
}

PoolPlace pool_place(const Pool &pool) {
    return {pool.pool_descriptor, pool.liveness_descriptor, pool.process_slot, pool.incarnation};
}

} // namespace pmemfile
