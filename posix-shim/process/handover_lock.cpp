// A spin lock that its thread's context knows of: who executes or forks may come back, or end in a child, at many places.
#include "posix-shim/process/handover_lock.h"

#include "base/spin_lock.h"

namespace shim {

namespace {
constinit base::SpinLock lock;
}

void handover_lock(ThreadContext &context) BASE_NO_THREAD_SAFETY_ANALYSIS {
    lock.lock();
    context.has_handover_lock = true;
}

void handover_unlock(ThreadContext &context) BASE_NO_THREAD_SAFETY_ANALYSIS {
    if (!context.has_handover_lock)
        return;
    context.has_handover_lock = false;
    lock.unlock();
}

void handover_lock_after_fork(ThreadContext &context) {
    context.has_handover_lock = false;
    lock.reset_after_fork();
}

} // namespace shim
