// fork and exec: how a process's place in the pool goes on.
//
//   fork   child: new open description of the runtime file, new slot, the
//          parent's references copied; the inherited descriptors closed
//   exec   same slot: its liveness descriptor and the pool's lose close-on-exec,
//          the new image adopts them (pool_attach with a hand-over)
//   vfork child that execs: it shares memory with its parent, so it makes a
//          slot that is not noted in `pool`, and hands that over
#include "base/raw_syscall.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/runtime/open_file.h"

#include <fcntl.h>
#include <sys/mman.h>

namespace pmemfile {
namespace {

void set_close_on_exec(int descriptor, bool close_on_exec) {
    base::raw_syscall(SYS_fcntl, descriptor, F_SETFD, close_on_exec ? FD_CLOEXEC : 0);
}

} // namespace

base::Status pool_after_fork_child(Pool &pool) {
    const uint32_t parent_slot = pool.process_slot;
    // Ours only by inheritance: while we held it the parent would seem alive for ever.
    base::raw_syscall(SYS_close, pool.liveness_descriptor);
    pool.liveness_descriptor = -1;
    BASE_TRY(process_register(pool));
    const long memory =
        base::raw_syscall(SYS_mmap, 0, sizeof(Thread), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base::is_error(memory))
        return base::error(static_cast<int>(-memory));
    auto &thread = *reinterpret_cast<Thread *>(memory);
    base::Status done = thread_register(thread, pool);
    if (done.ok()) {
        open_file_inherit(thread, parent_slot, pool.process_slot);
        done = mapping_pin_inherit(thread, parent_slot);
        thread_release(thread);
    }
    base::raw_syscall(SYS_munmap, memory, sizeof(Thread));
    return done;
}

base::Result<ExecHandover> pool_prepare_exec(Pool &pool) {
    set_close_on_exec(pool.pool_descriptor, false);
    set_close_on_exec(pool.liveness_descriptor, false);
    return ExecHandover{pool.pool_descriptor, pool.liveness_descriptor, pool.process_slot, pool.incarnation};
}

void pool_exec_failed(Pool &pool, const ExecHandover &) {
    set_close_on_exec(pool.pool_descriptor, true);
    set_close_on_exec(pool.liveness_descriptor, true);
}

base::Result<ExecHandover> pool_prepare_exec_in_vfork_child(Thread &thread) {
    // A copy of the few fields that a registration fills; the parent's Pool stays as it is.
    Pool child = *thread.pool;
    child.liveness_descriptor = -1;
    BASE_TRY(process_register(child));
    open_file_inherit(thread, thread.pool->process_slot, child.process_slot);
    // The child's descriptor table is its own even though the memory is shared.
    set_close_on_exec(child.pool_descriptor, false);
    set_close_on_exec(child.liveness_descriptor, false);
    return ExecHandover{child.pool_descriptor, child.liveness_descriptor, child.process_slot, child.incarnation};
}

void pool_exec_failed_in_vfork_child(Thread &thread, const ExecHandover &handover) {
    set_close_on_exec(handover.pool_descriptor, true);
    Pool child = *thread.pool;
    child.liveness_descriptor = handover.liveness_descriptor;
    child.process_slot = handover.process_slot;
    child.incarnation = handover.incarnation;
    open_file_drop_process(thread, child.process_slot, [](Thread &, InodeNumber) {});
    process_release(child);
}

} // namespace pmemfile
