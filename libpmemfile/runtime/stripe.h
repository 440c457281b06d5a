// stripe: the lock and the sequence counter of an inode.
//
// Inodes hash to one of stripe_count stripes. Writers hold the stripe's lock
// (through journal/call.h). Readers take no lock: they read under the sequence
// counter and look again afterwards:
//
//     for (ReadSection section(thread, inode_number); section.next();) {
//         ... copy what is wanted; every pointer and length range-checked ...
//         if (section.valid())
//             break;           // what was copied is consistent
//     }
//
// What was read before valid() said true may be garbage, and must not be acted
// on, but reading it never faults (hazard 17).
#pragma once

#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/segment.h"
#include "libpmemfile/runtime/thread.h"
#include "libpmemfile/runtime/transaction_gate.h"

namespace pmemfile {

constexpr uint32_t stripe_of(InodeNumber inode) {
    return static_cast<uint32_t>((inode * 0x9E3779B97F4A7C15ull) >> 50); // 14 bits
}
static_assert(stripe_count == 1u << 14);

inline Stripe &stripe_state(const Thread &thread, InodeNumber inode) {
    return thread.pool->segment->stripes()[stripe_of(inode)];
}

// The moment at which an inode was read: its counters then.
class Moment {
public:
    Moment() = default;
    Moment(const Thread &thread, InodeNumber inode)
        : stripe_(&stripe_state(thread, inode)), transaction_(&thread.pool->segment->transaction), sequences_(sum()) {}
    bool is_known() const {
        return stripe_ != nullptr;
    }
    bool has_passed() const {
        std::atomic_thread_fence(std::memory_order_acquire);
        return is_known() && sum() != sequences_;
    }
    // No home stores are under way.
    bool is_calm() const {
        return ((stripe_->sequence.load(std::memory_order_acquire) |
                 transaction_->sequence.load(std::memory_order_acquire)) &
                1) == 0;
    }

private:
    // The stripe's counter and that of transactions, which come home without it. Neither ever falls, so the sum
    // is the same only if both are.
    uint64_t sum() const {
        return stripe_->sequence.load(std::memory_order_acquire) +
               transaction_->sequence.load(std::memory_order_acquire);
    }
    const Stripe *stripe_ = nullptr;
    const TransactionGate *transaction_ = nullptr;
    uint64_t sequences_ = 0;
};

// Consistent reading of one inode (and all that hangs on it) without a lock.
// After some failed tries it takes the stripe's lock. If the thread already
// holds the stripe's lock (it is in a Call), the first try is always valid.
class ReadSection {
public:
    ReadSection(Thread &thread, InodeNumber inode)
        : thread_(thread), stripe_(stripe_state(thread, inode)), is_held_(robust_holds(thread, stripe_.lock)) {}
    // Locked or not is known at run time only; so it is with wait().
    ~ReadSection() BASE_NO_THREAD_SAFETY_ANALYSIS {
        if (locked_)
            robust_unlock(thread_, stripe_.lock);
    }
    ReadSection(const ReadSection &) = delete;
    ReadSection &operator=(const ReadSection &) = delete;

    // Starts a try. Always true (the loop ends by break or return).
    bool next() {
        if (is_held_)
            return true;
        transaction_sequence_ = transaction_sequence().load(std::memory_order_acquire);
        sequence_ = stripe_.sequence.load(std::memory_order_acquire);
        if (tries_++ > 0 || ((transaction_sequence_ | sequence_) & 1) != 0)
            wait();
        if (TransactionReads *reads = thread_.pool->reads)
            transaction_look(*reads, *thread_.pool->segment, stripe_);
        return true;
    }
    // True when nothing changed since next().
    bool valid() const {
        if (is_held_)
            return true;
        std::atomic_thread_fence(std::memory_order_acquire);
        return (locked_ || stripe_.sequence.load(std::memory_order_relaxed) == sequence_) &&
               transaction_sequence().load(std::memory_order_relaxed) == transaction_sequence_;
    }

private:
    const std::atomic<uint64_t> &transaction_sequence() const {
        return thread_.pool->segment->transaction.sequence;
    }
    void wait();
    void wait_for_transaction();

    Thread &thread_;
    Stripe &stripe_;
    uint64_t sequence_ = 0;
    uint64_t transaction_sequence_ = 0;
    unsigned tries_ = 0;
    bool locked_ = false;  // took the lock itself
    bool is_held_ = false; // the thread holds it anyway
};

} // namespace pmemfile
