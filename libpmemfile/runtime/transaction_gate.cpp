// Which locks are waited for: the stripes, which a call may hold while it looks at the gate.
#include "libpmemfile/runtime/transaction_gate.h"

#include "base/raw_syscall.h"
#include "libpmemfile/runtime/liveness.h"

namespace pmemfile {
namespace {

// To have had the lock is to know that its holder of before has let it go, or was settled.
void wait_for_stripes_of(Thread &thread, uint32_t slot) {
    Segment &segment = *thread.pool->segment;
    for (std::atomic<uint64_t> &held : segment.threads()[slot].held) {
        const uint64_t offset = held.load();
        if (offset < segment.stripes_offset || offset >= segment.stripes_offset + sizeof(Stripe) * stripe_count)
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

// What is taken here is given back by transaction_leave: a pairing that the analysis cannot follow.
void transaction_enter(Thread &thread) BASE_NO_THREAD_SAFETY_ANALYSIS {
    Segment &segment = *thread.pool->segment;
    robust_lock(thread, segment.transaction.lock);
    const uint32_t count = segment.thread_high_water.load();
    for (uint32_t slot = 0; slot < count && slot < max_threads; slot++)
        if (slot != thread.slot)
            wait_for_stripes_of(thread, slot);
}

void transaction_leave(Thread &thread) BASE_NO_THREAD_SAFETY_ANALYSIS {
    robust_unlock(thread, thread.pool->segment->transaction.lock);
}

base::Status transaction_register(Thread &thread) {
    transaction_settle_all_dead(thread);
    Segment &segment = *thread.pool->segment;
    for (uint32_t i = 0; i < max_transactions; i++) {
        OpenTransaction &transaction = segment.transactions()[i];
        // First the mark: who settles us looks below it.
        raise_high_water(segment.transaction_high_water, i + 1);
        uint32_t is_free = 0;
        if (!transaction.owner.compare_exchange_strong(is_free, thread.slot + 1))
            continue;
        transaction.claim_count.store(0);
        for (std::atomic<uint64_t> &word : transaction.locked)
            word.store(0, std::memory_order_relaxed);
        thread.slot_state().transaction.store(i + 1);
        return {};
    }
    return base::error(EAGAIN);
}

void transaction_release(Thread &thread) {
    ThreadSlot &slot = thread.slot_state();
    const uint32_t index = slot.transaction.exchange(0);
    if (index != 0)
        thread.pool->segment->transactions()[index - 1].owner.store(0);
}

void transaction_settle_all_dead(Thread &thread) {
    Segment &segment = *thread.pool->segment;
    for (uint32_t i = 0, count = segment.transaction_limit(); i < count; i++) {
        const uint32_t owner = segment.transactions()[i].owner.load();
        if (owner != 0 && owner != thread.slot + 1 && !thread_alive(*thread.pool, owner - 1))
            settle_thread_hook(thread, owner - 1);
    }
}

} // namespace pmemfile
