// stopped_holder: a process that is stopped while it holds a lock which somebody wants.
//
// The kernel stops a process between its calls. Ours are made of its own instructions, so a SIGSTOP, or ^Z where it has
// no handler, stops it in the middle of one with what it holds, and a shell that wants a lock of these would not come
// back to its prompt. So who has waited for long lets the holder go on until the lock is free, and stops it again: as
// if the stop had waited for the call's end, but for what the holder does until the waiter has noticed.
//
//   waiter ── SIGCONT ──► holder … unlocks      waiter has the lock ── SIGSTOP ──► holder
#pragma once

#include "libpmemfile/runtime/pool.h"

#include <cstdint>

namespace pmemfile {

// What one waiter has let go on. Of the waiting thread alone.
class StoppedHolder {
public:
    StoppedHolder() = default;
    ~StoppedHolder() {
        stop_again();
    }
    StoppedHolder(const StoppedHolder &) = delete;
    StoppedHolder &operator=(const StoppedHolder &) = delete;
    // If the process of that thread slot is stopped, it goes on. Nothing happens where it may not be signalled (another
    // user's, another pid namespace's), is stopped by a debugger, or where there is no /proc.
    void let_go_on(const Pool &pool, uint32_t thread_slot);
    // If it was let go on, and it is not the one of `thread_slot`: it is stopped again.
    void stop_again_unless(uint32_t thread_slot) {
        if (descriptor_ >= 0 && thread_slot != thread_slot_)
            stop_again();
    }

private:
    void stop_again();
    int descriptor_ = -1; // of the process; -1: none was let go on
    uint32_t thread_slot_ = 0;
};

} // namespace pmemfile
