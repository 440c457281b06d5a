// Which locks are waited for: those that a call may hold while it looks at the gate (stripes and the
// offset locks of open file descriptions). Others are held for a moment, or, as
// collect_lock, by somebody who may be waiting for us.
#include "libpmemfile/runtime/transaction_gate.h"

#include "base/raw_syscall.h"
#include "libpmemfile/runtime/liveness.h"

namespace pmemfile {
namespace {

bool is_of_a_call(const Segment &segment, uint64_t offset) {
    return (offset >= segment.stripes_offset && offset < segment.stripes_offset + sizeof(Stripe) * stripe_count) ||
           (offset >= segment.open_files_offset &&
            offset < segment.open_files_offset + sizeof(OpenFile) * max_open_files);
}

// To have had the lock is to know that its holder of before has let it go, or was settled.
void wait_for_locks_of(Thread &thread, uint32_t slot) {
    Segment &segment = *thread.pool->segment;
    for (std::atomic<uint64_t> &held : segment.threads()[slot].held) {
        const uint64_t offset = held.load();
        if (!is_of_a_call(segment, offset))
            continue;
        auto &lock = *segment.table<RobustLock>(offset);
        if (robust_holder(lock) != slot + 1)
            continue;
        robust_lock(thread, lock);
        robust_unlock(thread, lock);
    }
}

} // namespace

void transaction_wait(Thread &thread) {
    RobustLock &lock = thread.pool->segment->transaction.lock;
    robust_lock(thread, lock);
    robust_unlock(thread, lock);
}

void transaction_settle_dead(Thread &thread) {
    const uint32_t holder = robust_holder(thread.pool->segment->transaction.lock);
    if (holder != 0 && !thread_alive(*thread.pool, holder - 1))
        settle_thread_hook(thread, holder - 1);
    else
        base::raw_syscall(SYS_sched_yield);
}

WriterOffsetLock::WriterOffsetLock(Thread &thread, RobustLock &lock) : thread_(thread), lock_(lock) {
    for (;;) {
        robust_lock(thread_, lock_);
        if (!transaction_bars(thread_))
            break;
        robust_unlock(thread_, lock_);
        transaction_wait(thread_);
    }
    thread_.has_passed_gate = true;
}

WriterOffsetLock::~WriterOffsetLock() {
    thread_.has_passed_gate = false;
    robust_unlock(thread_, lock_);
}

// What is taken here is given back at the end of the transaction: a pairing that the analysis cannot follow.
void transaction_enter(Thread &thread) BASE_NO_THREAD_SAFETY_ANALYSIS {
    Segment &segment = *thread.pool->segment;
    robust_lock(thread, segment.rename_lock);
    robust_lock(thread, segment.transaction.lock);
    const uint32_t count = segment.thread_high_water.load();
    for (uint32_t slot = 0; slot < count && slot < max_threads; slot++)
        if (slot != thread.slot)
            wait_for_locks_of(thread, slot);
}

void transaction_leave(Thread &thread) BASE_NO_THREAD_SAFETY_ANALYSIS {
    Segment &segment = *thread.pool->segment;
    robust_unlock(thread, segment.transaction.lock);
    robust_unlock(thread, segment.rename_lock);
}

} // namespace pmemfile
