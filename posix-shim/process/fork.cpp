// New processes. The kernel executes the call itself, from the stub; we act before and after:
//
//   fork    before: a place for the child in each pool;     after, child:  adopt them
//           the mapping table is locked                     after, parent: forget them
//   vfork   before: mark the context                        after, parent: unmark, undo the
//           (the child runs on it)                                         child's overlay
//   thread  nothing: it makes its context at its first call
//   a process that shares our descriptors but not our memory (CLONE_FILES alone): refused, for what a number stands for
//           is kept in memory, and a number that the other one has closed and opened anew would be the wrong file. So
//           is unshare(CLONE_FILES) of one of several threads (calls/descriptor_calls.cpp)
//   a process in our memory that does not wait for us (CLONE_VM alone): its calls
//           are the kernel's, for our state is the parent's (table/dispatch.cpp)
#include "base/log.h"
#include "base/raw_syscall.h"
#include "base/user_copy.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/journal/settle.h"
#include "libpmemfile/mapping/mapping_table.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/descriptors/descriptor_room.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/fork_gate.h"
#include "posix-shim/descriptors/shared_token.h"
#include "posix-shim/mapping/caller.h"
#include "posix-shim/process/handover_lock.h"
#include "posix-shim/process/process.h"
#include "posix-shim/signals/deferral.h"
#include "posix-shim/signals/lost_pool.h"
#include "posix-shim/table/dispatch.h"
#include "posix-shim/table/ledger.h"

#include <cerrno>
#include <linux/sched.h>

namespace shim {
namespace {

// The table's lock is given back by after_fork, when the kernel has made the child.
long prepare_fork(Request &request, uint64_t flags) BASE_NO_THREAD_SAFETY_ANALYSIS {
    ThreadContext &context = request.context;
    if (lost_pool_is_there())
        return -EIO; // the child would have no place in it
    handover_lock(context);
    fork_gate_close(); // the child's references are of the same moment as its numbers
    for (unsigned mount = 0; mount < mount_count; mount++) {
        const base::Result<pmemfile::Thread *> thread = context_thread(context, mount);
        base::Result<pmemfile::PoolPlace> place = base::error(EAGAIN);
        if (thread.ok())
            place = pmemfile::pool_place_clone(**thread);
        if (thread.ok() && !place.ok() && place.error().number() == EMFILE) {
            const DescriptorRoom room;
            place = pmemfile::pool_place_clone(**thread);
        }
        if (!place.ok()) {
            while (mount-- > 0)
                pmemfile::pool_place_cancel(*context.threads[mount], context.child_places[mount]);
            fork_gate_open();
            handover_unlock(context);
            return -EAGAIN;
        }
        context.child_places[mount] = *place;
    }
    context.is_forking = true;
    context.fork_clears_handlers = (flags & CLONE_CLEAR_SIGHAND) != 0;
    // Until the post: handlers wait, for they must not meet the table's lock in their own thread.
    call_enter(context);
    pmemfile::mapping_table_before_fork(mapping_caller(context), context.child_places);
    signals_before_fork(context);
    return pass_with_post;
}

long prepare_vfork(Request &request) {
    // The child asks the kernel what its numbers are.
    if (const long own = shared_token_replace_all(false); base::is_error(own))
        return own;
    if (!signals_before_vfork(request.context))
        return restart_call;
    handover_lock(request.context);
    intercept_suspend_words(); // the child's numbers are not ours, the words are
    credentials_begin_vfork(request.context);
    request.context.is_vfork_child = true;
    request.context.vfork_opened_count = 0;
    return pass_with_post;
}

long prepare(Request &request, uint64_t flags) {
    if (request.context.is_vfork_child) // a vfork child that forks: it has the parent's place as long as it lives
        return (flags & CLONE_VM) != 0 ? pass_to_kernel : -EAGAIN;
    if ((flags & (CLONE_VM | CLONE_FILES)) == CLONE_FILES)
        return refused(request, EINVAL,
                       "one table of descriptors for two memories: each would take the other's for its own");
    if ((flags & CLONE_VM) == 0)
        return prepare_fork(request, flags);
    if ((flags & CLONE_VFORK) != 0)
        return prepare_vfork(request);
    if ((flags & CLONE_THREAD) == 0)
        memory_owner.store(base::raw_syscall(SYS_getpid));
    return pass_to_kernel;
}

void after_fork(ThreadContext &context, long result) BASE_NO_THREAD_SAFETY_ANALYSIS {
    context.is_forking = false;
    if (result != 0) {
        fork_gate_open();
        signals_fork_done(context);
        pmemfile::mapping_table_fork_done();
        for (unsigned mount = 0; mount < mount_count; mount++) {
            if (base::is_error(result))
                pmemfile::pool_place_cancel(*context.threads[mount], context.child_places[mount]);
            else
                pmemfile::pool_place_forget(context.child_places[mount]);
        }
        handover_unlock(context);
        return;
    }
    for (unsigned mount = 0; mount < mount_count; mount++) {
        const int former = mounts[mount].pool.liveness_descriptor;
        pmemfile::pool_place_adopt(mounts[mount].pool, context.child_places[mount]);
        descriptor_protect_own(mounts[mount].pool.liveness_descriptor, former);
    }
    handover_lock_after_fork(context);
    fork_gate_after_fork();
    ledger_forget();
    memory_owner.store(0);
    shared_token_after_fork();
    descriptor_after_fork();
    intercept_end_suspensions();
    context_after_fork(context);
    beginning_directories_after_fork();
    signals_after_fork(context, context.fork_clears_handlers);
    pmemfile::mapping_table_after_fork(mapping_caller(context));
}

// The vfork child has exec'ed or ended, and we are the parent again.
void after_vfork(ThreadContext &context) {
    context.is_vfork_child = false;
    context.escape = nullptr; // of a call that it did not end
    intercept_resume_words();
    beginning_directories_end_vfork(context);
    credentials_end_vfork(context);
    for (unsigned mount = 0; mount < mount_count; mount++) {
        pmemfile::Thread *thread = context.threads[mount];
        if (thread == nullptr || mounts[mount].is_lost.load())
            continue;
        if (thread->slot_state().lower.load() != pmemfile::lsn_idle || thread->slot_state().held[0].load() != 0)
            pmemfile::settle_thread(*thread, thread->slot); // it was killed in the middle of a call
    }
    for (unsigned i = 0; i < context.vfork_opened_count; i++) {
        const base::Result<pmemfile::Thread *> thread = context_thread(context, context.vfork_opened[i].mount);
        if (thread.ok())
            pmemfile::fs_close(**thread, context.vfork_opened[i].id, false);
    }
    context.vfork_opened_count = 0;
}

} // namespace

long serve_fork(Request &request) {
    return prepare(request, 0);
}

long serve_vfork(Request &request) {
    return prepare(request, CLONE_VM | CLONE_VFORK);
}

long serve_clone(Request &request) {
    return prepare(request, static_cast<uint64_t>(request.args[0]));
}

long serve_clone3(Request &request) {
    uint64_t flags = 0; // first member of struct clone_args
    const auto size_bytes = static_cast<size_t>(request.args[1]);
    if (size_bytes > size_t{4096})
        return -E2BIG;
    if (size_bytes < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    if (base_user_copy(&flags, reinterpret_cast<const void *>(request.args[0]), sizeof flags) != 0)
        return -EFAULT;
    return prepare(request, flags);
}

void process_post(struct intercept_call *call) {
    ThreadContext *context = context_get();
    if (context == nullptr)
        return;
    if (context->is_vfork_child) {
        handover_unlock(*context); // the child runs, or has died before it could
        if (call->result == 0) {
            signals_in_vfork_child(*context);
            return;
        }
        signals_resume_after_vfork(*context);
        after_vfork(*context);
        call_leave(*context);
        return;
    }
    // What clone3 was to do stands in memory that the parent of a new thread uses for something else by now. And a
    // thread's context is its own.
    if (!context->is_forking)
        return;
    after_fork(*context, call->result);
    call_leave(*context); // entered by prepare_fork
}

} // namespace shim
