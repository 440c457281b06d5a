// spin_lock: a lock among the threads of one process, for stretches that neither wait nor call out for
// long. No system call while it is free; not recursive; constant-initialised.
#pragma once

#include "base/raw_syscall.h"
#include "base/thread_safety.h"

#include <atomic>
#include <ctime>

namespace base {

class BASE_CAPABILITY("spin lock") SpinLock {
public:
    constexpr SpinLock() = default;
    SpinLock(const SpinLock &) = delete;
    SpinLock &operator=(const SpinLock &) = delete;

    void lock() BASE_ACQUIRE() {
        for (unsigned spins = 0; locked_.exchange(true, std::memory_order_acquire); spins++) {
            if (spins < 100)
                __builtin_ia32_pause();
            else if (spins < 200)
                raw_syscall(SYS_sched_yield); // its holder may be out of the processor,
            else
                raw_syscall(SYS_nanosleep, as_long(&holders_turn)); // and be of a lower priority
        }
    }
    void unlock() BASE_RELEASE() {
        locked_.store(false, std::memory_order_release);
    }
    // In a forked child: a thread that it does not have may have held the lock.
    void reset_after_fork() {
        locked_.store(false, std::memory_order_relaxed);
    }

private:
    static constexpr timespec holders_turn = {0, 50'000};
    std::atomic<bool> locked_{false};
};

// Holds a SpinLock for a scope.
class BASE_SCOPED_CAPABILITY SpinGuard {
public:
    explicit SpinGuard(SpinLock &lock) BASE_ACQUIRE(lock) : lock_(lock) {
        lock_.lock();
    }
    ~SpinGuard() BASE_RELEASE() {
        lock_.unlock();
    }
    SpinGuard(const SpinGuard &) = delete;
    SpinGuard &operator=(const SpinGuard &) = delete;

private:
    SpinLock &lock_;
};

} // namespace base
