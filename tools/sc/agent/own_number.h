// own_number: who we are, as sc sees it.
//
// In another pid namespace the kernel tells us numbers that are somebody else's outside. There sc is asked:
// a socket beside the segment, whose other end the kernel names in sc's own numbers. Nothing to do with
// namespaces costs a call of fstatat at a thread's start.
#pragma once

#include "tools/sc/agent/agent.h"

namespace sc {

// Fills in process, thread and number_flags. Where nobody answers the numbers are ours, and marked so.
void ask_own_number(ThreadState &state);

// Is sc still there? For who cannot ask by its process number.
bool sc_listens();

// Who may open the segment: to be called when that has just been done.
void remember_user();
bool is_other_user();

// After the program has installed a system call filter: no other calls than getpid and gettid. What the
// last thread found out is taken to hold.
void forbid_asking();

} // namespace sc
