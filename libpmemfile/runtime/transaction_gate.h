// transaction_gate: what keeps others out while a transaction is open.
//
// One transaction at a time may be open in a pool. Meanwhile nobody else changes the pool: a call
// takes its locks first and looks at the gate then; the transaction shuts the gate first and looks
// for locks that are held then. Locked instructions lie between, so one of the two sees the other.
// Readers go on: what the transaction does is in its private view until it commits.
#pragma once

#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/segment.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// True when a transaction of another thread is open. To be asked with the locks of the change taken.
inline bool transaction_bars(const Thread &thread) {
    if (thread.has_passed_gate)
        return false;
    const uint32_t word = thread.pool->segment->transaction.lock.word.load(std::memory_order_relaxed);
    return word != 0 && !robust_holds(thread, thread.pool->segment->transaction.lock);
}

// Waits until it has ended; one of a dead process is settled. The caller holds no stripe and no
// description's offset lock.
void transaction_wait(Thread &thread);

// Settles the transaction's owner if it is dead, else gives up the processor. May be called with locks.
void transaction_settle_dead(Thread &thread);

// Holds an open file description's offset lock for a call that changes the pool. The gate is passed
// with it: a transaction that shuts it afterwards waits for this lock, so the call must not wait in turn.
class BASE_SCOPED_CAPABILITY WriterOffsetLock {
public:
    WriterOffsetLock(Thread &thread, RobustLock &lock) BASE_ACQUIRE(lock);
    ~WriterOffsetLock() BASE_RELEASE();
    WriterOffsetLock(const WriterOffsetLock &) = delete;
    WriterOffsetLock &operator=(const WriterOffsetLock &) = delete;

private:
    Thread &thread_;
    RobustLock &lock_;
};

// Shuts the gate (waiting for another transaction), and waits until every call under way has ended.
// The caller holds no robust lock. Holds rename_lock and the transaction's lock afterwards.
void transaction_enter(Thread &thread);
void transaction_leave(Thread &thread);

} // namespace pmemfile
