// fork_gate: no child is made while another thread changes what the kernel and we both have: which numbers are files of
// pools, and where the working directory is.
//
// A fork copies the kernel's part first, and the memory, where our words are, a good while later:
//
//   parent   ──── copies numbers ──── other thread: close(3), open() = 3 ──── copies memory ────►
//   child                 3: the former file's token                    3: the word of the new one
//
// So a thread that changes them waits while one forks, and the other way round.
#pragma once

#include "posix-shim/process/context.h"

namespace shim {

// For a scope in which both change. One in another is nothing, and so is a vfork child's: its table is its own. Not
// while the caller holds what a fork takes (handover_lock.h, the mapping table). (A call that ends half way since its
// pool is lost leaves it, too: signals/lost_pool.h.)
class ForksWait {
public:
    explicit ForksWait(ThreadContext &context);
    ~ForksWait();
    ForksWait(const ForksWait &) = delete;
    ForksWait &operator=(const ForksWait &) = delete;

private:
    ThreadContext &context_;
    bool is_outermost_;
};
// Ends the one that the thread is in, if it is in one.
void forks_wait_end(ThreadContext &context);

// By the thread that forks, who has the handover lock: waits until nobody is in such a scope, and lets nobody in.
void fork_gate_close();
// After the kernel's call in the parent, or if there is none.
void fork_gate_open();
// In the child: nobody else is there.
void fork_gate_after_fork();

} // namespace shim
