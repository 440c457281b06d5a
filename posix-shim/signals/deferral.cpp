// The one handler that the kernel knows, and what becomes of a signal.
//
//   fault between base_user_copy_begin and _end ──► EFAULT of the call
//   SIGBUS in a mapping whose file has grown ──► mapped there, and tried again
//   call under way ──► noted, all signals blocked ──► call_leave: sent again, mask restored
//   else ──► the application's handler, with the mask that the kernel would have set
//
// The handler runs with all signals blocked, so notes of one thread are never
// written by two of its handlers at once.
#include "posix-shim/signals/deferral.h"
#include "posix-shim/mapping/caller.h"

#include "base/log.h"
#include "base/raw_syscall.h"
#include "base/user_copy.h"
#include "intercept/include/pmemfile-intercept.h"
#include "libpmemfile/mapping/size_change.h"
#include "posix-shim/process/context.h"
#include "posix-shim/signals/actions.h"
#include "posix-shim/signals/lost_pool.h"
#include "posix-shim/table/waiting_call.h"

#include <ucontext.h>

namespace shim {
namespace {

// glibc's sigset_t is larger than what the kernel saves; the first word is the kernel's.
uint64_t &interrupted_mask(ucontext_t *context) {
    return *reinterpret_cast<uint64_t *>(&context->uc_sigmask);
}

bool is_synchronous(int number, const siginfo_t *info) {
    const bool may_be = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
                        number == SIGTRAP || number == SIGSYS;
    return may_be && info->si_code > 0;
}

// Default action: the same instruction faults again, or the signal is sent again.
void die_by(int number, siginfo_t *info, ucontext_t *context) {
    const KernelAction standard = {};
    kernel_action(number, &standard, nullptr);
    interrupted_mask(context) &= ~signal_bit(number);
    if (!is_synchronous(number, info))
        base::raw_syscall(SYS_rt_tgsigqueueinfo, base::raw_syscall(SYS_getpid), base::raw_syscall(SYS_gettid), number,
                          base::as_long(info));
}

void defer(DeferredSignals &deferred, int number, const siginfo_t *info, ucontext_t *context) {
    uint64_t &mask = interrupted_mask(context);
    const unsigned count = deferred.count.load();
    if (count == 0) {
        deferred.saved_mask = mask;
        deferred.all_restart = true;
    }
    if (count < max_deferred_signals) { // after the first one only faults sent by kill(2) come
        deferred.infos[count] = *info;
        deferred.infos[count].si_signo = number;
        deferred.count.store(count + 1);
    }
    if ((application_action(number).flags & SA_RESTART) == 0)
        deferred.all_restart = false;
    mask = ~(fault_signals | intercept_reserved_signals());
    greg_t &instruction = context->uc_mcontext.gregs[REG_RIP];
    if (instruction >= reinterpret_cast<greg_t>(shim_waiting_begin) &&
        instruction <= reinterpret_cast<greg_t>(shim_waiting_syscall))
        instruction = reinterpret_cast<greg_t>(shim_waiting_interrupted);
}

void deliver(int number, siginfo_t *info, ucontext_t *context) {
    const KernelAction action = application_action(number);
    if (action.is_default()) {
        die_by(number, info, context); // only faults have our handler without the application's
        return;
    }
    if (action.is_ignored()) {
        if (is_synchronous(number, info))
            die_by(number, info, context); // as the kernel does: it cannot be ignored
        return;
    }
    uint64_t mask = interrupted_mask(context) | action.mask;
    if ((action.flags & static_cast<uint32_t>(SA_RESETHAND)) != 0)
        application_action_reset(number, action);
    if ((action.flags & SA_NODEFER) == 0)
        mask |= signal_bit(number);
    set_signal_mask(mask, nullptr);
    intercept_run_program_handler(number, info, context, action.handler);
}

// A touch of a mapping behind the end that its file had: shown now, if there is something (mapping/).
bool file_has_grown(const siginfo_t *info) {
    ThreadContext *context = context_get();
    if (context == nullptr || context->is_vfork_child)
        return false;
    call_enter(*context);
    const bool is_there = pmemfile::mapping_fault(mapping_caller(*context), reinterpret_cast<uint64_t>(info->si_addr));
    call_leave(*context);
    return is_there;
}

// Memory of a pool that is not there any more: why the process ends is told, for the signal alone says nothing.
void tell_of_pool(uint64_t address) {
    const auto lies_in = [address](const void *begin, uint64_t size_bytes) {
        return begin != nullptr && address - reinterpret_cast<uint64_t>(begin) < size_bytes;
    };
    for (unsigned i = 0; i < mount_count; i++) {
        const pmemfile::Pool &pool = mounts[i].pool;
        if (lies_in(pool.persist.base(), pool.persist.size_bytes()))
            base::LogLine("pool")
                .text(mounts[i].pool_path)
                .text(": the file was cut, or a page of it cannot be read")
                .write();
        else if (pool.segment != nullptr && !mounts[i].is_lost.load() &&
                 lies_in(pool.segment, pool.segment->segment_size_bytes))
            base::LogLine("pool")
                .text(pool.segment_path)
                .text(": no room for a page of it: /dev/shm is full, or the file was cut")
                .write();
    }
}

} // namespace

namespace {

void handle(int number, siginfo_t *info, void *ucontext) {
    auto *interrupted = static_cast<ucontext_t *>(ucontext);
    greg_t &instruction = interrupted->uc_mcontext.gregs[REG_RIP];
    ThreadContext *context = context_current();
    const bool in_call = context != nullptr && context->signals.call_depth.load() > 0;
    if (!is_synchronous(number, info)) {
        if (in_call)
            defer(context->signals, number, info, interrupted);
        else
            deliver(number, info, interrupted);
        return;
    }
    if ((signal_bit(number) & fault_signals) != 0 && in_call) {
        const auto address = reinterpret_cast<uint64_t>(info->si_addr);
        const bool is_known = lost_pool_is_there();
        if (lost_pool_escape(*context, number == SIGBUS, address, interrupted)) {
            if (!is_known)
                tell_of_pool(address);
            return;
        }
    }
    if ((signal_bit(number) & fault_signals) != 0 && instruction >= reinterpret_cast<greg_t>(base_user_copy_begin) &&
        instruction < reinterpret_cast<greg_t>(base_user_copy_end)) {
        instruction = reinterpret_cast<greg_t>(base_user_copy_fault);
        return;
    }
    if (number == SIGBUS && !in_call && file_has_grown(info))
        return;
    if (number == SIGBUS)
        tell_of_pool(reinterpret_cast<uint64_t>(info->si_addr));
    if (in_call)
        die_by(number, info, interrupted); // ours: no handler of the application can repair it
    else
        deliver(number, info, interrupted);
}

} // namespace

// A program with a C library of its own may have been interrupted: first our thread pointer, which all else needs.
void universal_handler(int number, siginfo_t *info, void *ucontext) {
    intercept_run_own_handler(number, info, ucontext, handle);
}

bool signal_is_pending() {
    const ThreadContext *context = context_current();
    return context != nullptr && context->signals.count.load(std::memory_order_relaxed) != 0;
}

bool call_deliver(ThreadContext &context) {
    DeferredSignals &deferred = context.signals;
    const unsigned count = deferred.count.load(std::memory_order_relaxed);
    const long process = base::raw_syscall(SYS_getpid);
    const long thread = base::raw_syscall(SYS_gettid);
    for (unsigned i = 0; i < count; i++) // still blocked: they stay pending
        base::raw_syscall(SYS_rt_tgsigqueueinfo, process, thread, deferred.infos[i].si_signo,
                          base::as_long(&deferred.infos[i]));
    const bool restart = deferred.all_restart;
    deferred.count.store(0);
    set_signal_mask(deferred.saved_mask, nullptr); // the handlers run here
    return restart;
}

void signals_before_fork(ThreadContext &context) {
    actions_before_fork();
    set_signal_mask(~uint64_t{0}, &context.signals.mask_at_new_process);
}

void signals_fork_done(ThreadContext &context) {
    actions_fork_done();
    set_signal_mask(context.signals.mask_at_new_process, nullptr);
}

void signals_after_fork(ThreadContext &context, bool handlers_cleared) {
    actions_after_fork(handlers_cleared);
    DeferredSignals &deferred = context.signals;
    const bool any_noted = deferred.count.load() != 0; // by the parent
    deferred.count.store(0);
    set_signal_mask(any_noted ? deferred.saved_mask : deferred.mask_at_new_process, nullptr);
}

bool signals_before_exit(ThreadContext &context) {
    return signals_before_vfork(context);
}

bool signals_before_vfork(ThreadContext &context) {
    set_signal_mask(~uint64_t{0}, &context.signals.mask_at_new_process);
    if (!signal_is_pending())
        return true;
    set_signal_mask(context.signals.mask_at_new_process, nullptr);
    return false;
}

void signals_in_vfork_child(const ThreadContext &context) {
    set_signal_mask(context.signals.mask_at_new_process, nullptr);
}

void signals_resume_after_vfork(ThreadContext &context) {
    context.signals.call_depth.store(1); // an exec has no end, and a killed child left in the middle
    context.signals.count.store(0);      // nor are its signals ours
    set_signal_mask(context.signals.mask_at_new_process, nullptr);
}

} // namespace shim
