// near_proc: open directories of the host from which a relative path, without "..", can lead to the kernel's links to
// what this process has (/proc/self/fd/N): /proc and those below it, "/" and "/dev". Almost no process has one open.
#pragma once

#include <cstdint>

namespace shim {

// Notes whether the directory that has been opened as `descriptor` is one. Not in a vfork child. Any thread.
void near_proc_note(int descriptor, uint64_t device, uint64_t inode);
// Is it one? True also where a former directory of that number was. Any thread.
bool near_proc_is(long descriptor);

} // namespace shim
