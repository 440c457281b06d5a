// A reader's try: sequence even before, the same after. The processor may not
// move the reads across (x86 keeps loads in order; the fences below keep the
// compiler from it). After some failed tries, or when the writer seems stuck
// (it may have been killed), the reader takes the lock like a writer.
#include "libpmemfile/runtime/stripe.h"

#include "libpmemfile/runtime/transaction_gate.h"

#include <immintrin.h>

namespace pmemfile {
namespace {

constexpr unsigned tries_before_lock = 8;
constexpr unsigned spins_for_even = 1000;

} // namespace

// A transaction comes home without the stripes' locks, under a counter of its own.
void ReadSection::wait_for_transaction() {
    const TransactionGate &transaction = thread_.pool->segment->transaction;
    for (unsigned spin = 0;; spin++) {
        transaction_sequence_ = transaction.sequence.load(std::memory_order_acquire);
        if ((transaction_sequence_ & 1) == 0)
            return;
        if (spin < spins_for_even)
            _mm_pause();
        else
            transaction_settle_dead(thread_);
    }
}

// Something is under way, or the first try has failed.
void ReadSection::wait() BASE_NO_THREAD_SAFETY_ANALYSIS {
    if (locked_)
        robust_unlock(thread_, stripe_.lock);
    locked_ = false;
    wait_for_transaction();
    if (tries_ <= tries_before_lock) {
        for (unsigned spin = 0; spin < spins_for_even; spin++) {
            sequence_ = stripe_.sequence.load(std::memory_order_acquire);
            if ((sequence_ & 1) == 0)
                return;
            _mm_pause();
        }
    }
    robust_lock(thread_, stripe_.lock);
    locked_ = true;
}

} // namespace pmemfile
