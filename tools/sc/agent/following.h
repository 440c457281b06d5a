// following: the agent stays with a process through exec, also when the program builds its
// environment anew.
#pragma once

#include "intercept/include/pmemfile-intercept.h"
#include "tools/sc/agent/agent.h"

namespace sc {

// Before execve and execveat: puts LD_PRELOAD and our variable into the new environment
// where they are missing, in memory of our own; returns the number of variables that the
// program gave. A call with a bad environment is left alone: the kernel answers it.
unsigned follow_exec(ThreadState &state, intercept_call &call);

// What follow_exec took, once it is not needed any more (the call failed, or a vfork child has gone).
void release_exec(ThreadState &state);

// The value of our variable, kept for exec. In the constructor.
void remember_segment_path(const char *path);
const char *segment_path();

} // namespace sc
