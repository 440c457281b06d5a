// The word of a lock: 0 free, else holder's slot + 1; bit 31 says that somebody
// sleeps. The held list of the thread's slot is written first, so that whoever
// finds the thread dead finds its locks (a lock in the list is the dead
// thread's only if the word says so too).
//
//   thread slot: held[i] = offset of L   then   L.word: 0 ──CAS──► slot + 1
#include "libpmemfile/runtime/robust_lock.h"

#include "base/log.h"
#include "base/raw_syscall.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/stopped_holder.h"

#include <ctime>
#include <immintrin.h>
#include <linux/futex.h>

namespace pmemfile {

void (*settle_thread_hook)(Thread &thread, uint32_t slot) = nullptr;

namespace {

constexpr unsigned spins_before_sleep = 200;
constexpr long sleep_slice_ns = 500'000; // a dead holder is met within a millisecond
constexpr unsigned slices_before_stop_is_asked = 40; // calls are short: who is not stopped is done by then

std::atomic<uint64_t> &enter_held(Thread &thread, RobustLock &lock) {
    const auto offset = static_cast<uint64_t>(reinterpret_cast<std::byte *>(&lock) -
                                              reinterpret_cast<std::byte *>(thread.pool->segment));
    for (std::atomic<uint64_t> &held : thread.slot_state().held) {
        if (held.load(std::memory_order_relaxed) == 0) {
            held.store(offset, std::memory_order_relaxed);
            // Before the CAS on the lock, which is a full barrier on x86 for other threads'
            // eyes; a kill cannot reorder stores that have been issued in program order.
            std::atomic_signal_fence(std::memory_order_seq_cst);
            return held;
        }
    }
    base::panic("a thread holds more robust locks than max_held_locks");
}

void leave_held(Thread &thread, const RobustLock &lock) {
    const auto offset = static_cast<uint64_t>(reinterpret_cast<const std::byte *>(&lock) -
                                              reinterpret_cast<std::byte *>(thread.pool->segment));
    for (std::atomic<uint64_t> &held : thread.slot_state().held) {
        if (held.load(std::memory_order_relaxed) == offset) {
            held.store(0, std::memory_order_release);
            return;
        }
    }
}

void sleep_on(RobustLock &lock, uint32_t seen) {
    const timespec slice = {0, sleep_slice_ns};
    base::raw_syscall(SYS_futex, base::as_long(&lock.word), FUTEX_WAIT, static_cast<long>(seen), base::as_long(&slice));
}

// The lock is busy: spin a little, then sleep in slices, looking at the holder each time.
void lock_slowly(Thread &thread, RobustLock &lock) {
    const uint32_t mine = thread.slot + 1;
    uint32_t claim = mine;
    StoppedHolder stopped;
    unsigned slices = 0;
    for (unsigned tries = 0;; tries++) {
        uint32_t word = lock.word.load(std::memory_order_relaxed);
        if (word == 0) {
            if (lock.word.compare_exchange_weak(word, claim, std::memory_order_acquire))
                return;
            continue;
        }
        if (tries < spins_before_sleep) {
            _mm_pause();
            continue;
        }
        const uint32_t holder = word & ~sleepers_bit;
        if (holder == mine)
            base::panic("a robust lock is taken twice by one thread");
        if (!thread_alive(*thread.pool, holder - 1)) {
            settle_thread_hook(thread, holder - 1);
            continue;
        }
        if ((word & sleepers_bit) == 0 && !lock.word.compare_exchange_strong(word, word | sleepers_bit))
            continue;
        stopped.stop_again_unless(holder - 1);
        if (++slices % slices_before_stop_is_asked == 0)
            stopped.let_go_on(*thread.pool, holder - 1);
        sleep_on(lock, word | sleepers_bit);
        claim = mine | sleepers_bit; // others may still sleep: our unlock wakes them
    }
}

} // namespace

// Words and compare-and-swap: what makes a lock is not known to the analysis.
void robust_lock(Thread &thread, RobustLock &lock) BASE_NO_THREAD_SAFETY_ANALYSIS {
    enter_held(thread, lock);
    uint32_t free_word = 0;
    if (!lock.word.compare_exchange_strong(free_word, thread.slot + 1, std::memory_order_acquire))
        lock_slowly(thread, lock);
}

bool robust_try_lock(Thread &thread, RobustLock &lock) BASE_NO_THREAD_SAFETY_ANALYSIS {
    std::atomic<uint64_t> &held = enter_held(thread, lock);
    uint32_t free_word = 0;
    if (lock.word.compare_exchange_strong(free_word, thread.slot + 1, std::memory_order_acquire))
        return true;
    held.store(0, std::memory_order_relaxed);
    return false;
}

void robust_unlock(Thread &thread, RobustLock &lock) BASE_NO_THREAD_SAFETY_ANALYSIS {
    // Two steps instead of a locked one (8 ns). Who notes in between that he sleeps is not woken: his slice is short.
    const uint32_t word = lock.word.load(std::memory_order_relaxed);
    lock.word.store(0, std::memory_order_release);
    if ((word & sleepers_bit) != 0)
        base::raw_syscall(SYS_futex, base::as_long(&lock.word), FUTEX_WAKE, 1);
    leave_held(thread, lock);
}

} // namespace pmemfile
