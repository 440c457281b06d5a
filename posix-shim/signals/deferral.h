// deferral: signal handlers of the application wait until a call inside the shim is over.
//
// A handler may call anything, also siglongjmp away; inside an engine call that
// would leave locks held and records half written. So while call_depth is
// above 0 a signal is only noted, and sent again when the call ends.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdint>

namespace shim {

struct ThreadContext;

constexpr unsigned max_deferred_signals = 8;

// Part of ThreadContext. Written by the thread itself and by its signal handlers only.
struct DeferredSignals {
    std::atomic<int> call_depth; // calls of this thread under way
    std::atomic<unsigned> count;
    bool all_restart;             // every noted signal's action has SA_RESTART
    uint64_t saved_mask;          // the thread's signal mask before the first one was noted
    uint64_t mask_at_new_process; // of the thread that forks or vforks
    siginfo_t infos[max_deferred_signals];
};

// Takes SIGSEGV and SIGBUS over (a bad pointer in base_user_copy must end as EFAULT) and
// wraps handlers that were there before us. Constructor time, before calls are hooked.
void signals_start();
// Before the fork, inside a call that lasts until after it. No signal is noted from here on: the child would find the
// note, too, and take it for its own.
void signals_before_fork(ThreadContext &context);
// In the parent.
void signals_fork_done(ThreadContext &context);
// A thread that is about to end: no handler runs in it any more, and what is sent to the process is another thread's.
// False: one waits, and must run first.
bool signals_before_exit(ThreadContext &context);
// In a fork child: signals that wait in the parent are not its own. `handlers_cleared`: clone3 with
// CLONE_CLEAR_SIGHAND.
void signals_after_fork(ThreadContext &context, bool handlers_cleared);
// Around the execve of a process that is not a vfork child: actions that the new image inherits
// (SIG_IGN of SIGSEGV and SIGBUS) as the application set them, and back when it failed.
void signals_before_exec();
void signals_after_exec();
// The parent of a vfork: no handler runs from here on until signals_resume_after_vfork, for what it opened and closed
// would be taken for the child's. False: one waits, and must run first.
bool signals_before_vfork(ThreadContext &context);
// In the child: its handlers run.
void signals_in_vfork_child(const ThreadContext &context);
// In the parent, as the begin of a call that ends with call_leave, whatever calls the child left open.
void signals_resume_after_vfork(ThreadContext &context);

} // namespace shim
