// A reader's try: sequence even before, the same after. The processor may not
// move the reads across (x86 keeps loads in order; the fences below keep the
// compiler from it). After some failed tries, or when the writer seems stuck
// (it may have been killed), the reader takes the lock like a writer.
#include "libpmemfile/runtime/stripe.h"

#include <immintrin.h>

namespace pmemfile {
namespace {

constexpr unsigned tries_before_lock = 8;
constexpr unsigned spins_for_even = 1000;

} // namespace

ReadSection::ReadSection(Thread &thread, InodeNumber inode)
    : thread_(thread), stripe_(stripe_state(thread, inode)), is_held_(robust_holds(thread, stripe_.lock)) {}

// Locked or not is known at run time only; so it is with what next() does.
ReadSection::~ReadSection() BASE_NO_THREAD_SAFETY_ANALYSIS {
    if (locked_)
        robust_unlock(thread_, stripe_.lock);
}

bool ReadSection::next() BASE_NO_THREAD_SAFETY_ANALYSIS {
    if (is_held_ || locked_)
        return true;
    if (tries_++ < tries_before_lock) {
        for (unsigned spin = 0; spin < spins_for_even; spin++) {
            sequence_ = stripe_.sequence.load(std::memory_order_acquire);
            if ((sequence_ & 1) == 0)
                return true;
            _mm_pause();
        }
    }
    robust_lock(thread_, stripe_.lock);
    locked_ = true;
    return true;
}

bool ReadSection::valid() const {
    if (is_held_ || locked_)
        return true;
    std::atomic_thread_fence(std::memory_order_acquire);
    return stripe_.sequence.load(std::memory_order_relaxed) == sequence_;
}

} // namespace pmemfile
