// handover_lock: one at a time of what makes a new process or image that shall have a place of its own.
//
//   fork   from the child's place, whose descriptor is the parent's for as long, to after the kernel's call
//   vfork  from before the kernel's call until the child runs, with a table of descriptors of its own
//   exec   while the places' descriptors have lost close-on-exec, until it has failed
//   dup2   from before the kernel's call until the number's word is the new one: a child has both of the same moment
//
// A place is alive as long as somebody has its descriptor (runtime/liveness.h). Without the lock a child that another
// thread makes meanwhile inherits it too, and the dead owner of a lock in the pool would seem alive until that one
// ends.
#pragma once

#include "posix-shim/process/context.h"

namespace shim {

// Inside a call, not by a vfork child: its table is its own.
void handover_lock(ThreadContext &context);
// By the thread that has it, or by its vfork child, which shares its context; nothing if it has not got it.
void handover_unlock(ThreadContext &context);
// In a fork child.
void handover_lock_after_fork(ThreadContext &context);

// For a scope; nothing in a vfork child. (A call that ends half way since its pool is lost gives it back, too:
// signals/lost_pool.h.)
class HandoverGuard {
public:
    explicit HandoverGuard(ThreadContext &context) : context_(context), is_needed_(!context.is_vfork_child) {
        if (is_needed_)
            handover_lock(context_);
    }
    ~HandoverGuard() {
        if (is_needed_)
            handover_unlock(context_);
    }
    HandoverGuard(const HandoverGuard &) = delete;
    HandoverGuard &operator=(const HandoverGuard &) = delete;

private:
    ThreadContext &context_;
    bool is_needed_;
};

} // namespace shim
