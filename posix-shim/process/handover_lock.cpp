#include "posix-shim/process/handover_lock.h"

#include "base/raw_syscall.h"

#include <atomic>

namespace shim {

namespace {
constinit std::atomic<bool> is_held = false;
}

void handover_lock(ThreadContext &context) {
    while (is_held.exchange(true, std::memory_order_acquire))
        base::raw_syscall(SYS_sched_yield);
    context.has_handover_lock = true;
}

void handover_unlock(ThreadContext &context) {
    if (!context.has_handover_lock)
        return;
    context.has_handover_lock = false;
    is_held.store(false, std::memory_order_release);
}

void handover_lock_after_fork(ThreadContext &context) {
    context.has_handover_lock = false;
    is_held.store(false);
}

} // namespace shim
