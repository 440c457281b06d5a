// transaction_gate: transactions and everybody else.
//
// A transaction's calls take effect in a view of its own; others go on meanwhile. Only while it commits is the
// pool its alone: a call takes its locks first and looks at the gate then; who commits shuts the gate
// first and looks for locks that are held then. Locked instructions lie between, so one of the two sees
// the other. What it has looked at must be as it was when it began: the stripe's last LSN tells.
#pragma once

#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/segment.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// What an open transaction has looked at. Private to its thread.
struct TransactionReads {
    Lsn begin_lsn = 0;                  // all records up to it were home when it began, and none above it
    bool is_stale = false;              // something was looked at that has been changed since
    uint64_t looked[stripe_count / 64]; // stripes
};

// The thread, in a transaction, looks at (inodes of) a stripe.
inline void transaction_look(TransactionReads &reads, const Segment &segment, const Stripe &stripe) {
    const auto index = static_cast<uint32_t>(&stripe - const_cast<Segment &>(segment).stripes());
    reads.looked[index / 64] |= uint64_t{1} << (index % 64);
    if (stripe.last_lsn.load(std::memory_order_acquire) > reads.begin_lsn)
        reads.is_stale = true;
}

// True when another thread's transaction commits. To be asked with the locks of the change taken.
inline bool transaction_bars(const Thread &thread) {
    const RobustLock &lock = thread.pool->segment->transaction.lock;
    return lock.word.load(std::memory_order_relaxed) != 0 && !robust_holds(thread, lock);
}

// Waits until it has committed; one of a dead process is settled. The caller holds no stripe.
void transaction_wait(Thread &thread);

// Settles the gate's holder if it is dead, else gives up the processor. May be called with locks.
void transaction_settle_dead(Thread &thread);

// Shuts the gate (waiting for another transaction), and waits until every call under way has ended.
// The caller holds no stripe.
void transaction_enter(Thread &thread);
void transaction_leave(Thread &thread);

// An entry for this thread in the table of open transactions; those of dead processes are settled. EAGAIN when
// all are taken.
base::Status transaction_register(Thread &thread);
// Gives it back; its claims are undone or kept.
void transaction_release(Thread &thread);
// Settles the transactions of processes that have died: they hold no lock that anybody would meet.
void transaction_settle_all_dead(Thread &thread);

} // namespace pmemfile
