// robust_lock: locks in the runtime segment that outlive their holder.
//
// A lock word names the thread slot that holds it. Who waits looks now and
// then whether that slot's process still lives (liveness.h); if not, it
// settles the dead thread's call (journal/settle.h, called through
// `settle_thread_hook`), which frees all of the dead thread's locks.
#pragma once

#include "base/result.h"
#include "base/thread_safety.h"
#include "libpmemfile/runtime/segment.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

constexpr uint32_t sleepers_bit = 1u << 31; // of a lock's word: somebody sleeps on it

// Takes the lock; waits as long as it takes (spins, then sleeps in slices of
// 1 ms so that a dead holder is met soon). Not recursive. The lock is entered in
// the thread's held list before it is taken. Any order is the caller's duty:
// rename_lock, then stripes by index, then group locks, then ring locks.
void robust_lock(Thread &thread, RobustLock &lock) BASE_ACQUIRE(lock);
// Takes it if it is free.
bool robust_try_lock(Thread &thread, RobustLock &lock) BASE_TRY_ACQUIRE(true, lock);
void robust_unlock(Thread &thread, RobustLock &lock) BASE_RELEASE(lock);
// The holder's thread slot + 1, or 0.
inline uint32_t robust_holder(const RobustLock &lock) {
    return lock.word.load(std::memory_order_relaxed) & ~sleepers_bit;
}
// True when this thread holds it.
inline bool robust_holds(const Thread &thread, const RobustLock &lock) {
    return robust_holder(lock) == thread.slot + 1;
}

// Holds a lock for a scope.
class BASE_SCOPED_CAPABILITY RobustGuard {
public:
    RobustGuard(Thread &thread, RobustLock &lock) BASE_ACQUIRE(lock) : thread_(thread), lock_(lock) {
        robust_lock(thread_, lock_);
    }
    ~RobustGuard() BASE_RELEASE() {
        robust_unlock(thread_, lock_);
    }
    RobustGuard(const RobustGuard &) = delete;
    RobustGuard &operator=(const RobustGuard &) = delete;

private:
    Thread &thread_;
    RobustLock &lock_;
};

// Set once by the journal floor: settles the call of dead thread slot `slot`.
extern void (*settle_thread_hook)(Thread &thread, uint32_t slot);

} // namespace pmemfile
