// own_calls: which system calls the program's seccomp filters leave to us. A filter that the program installs
// for itself knows nothing of the calls that we add, and may kill the process for one.
//
// We see the call that installs a filter, and run the filter here on each of the calls that we may want to make.
#pragma once

#include <cstdint>
#include <linux/filter.h>
#include <linux/seccomp.h>

namespace intercept {

// The kernel has installed it, so its memory can be read.
void note_seccomp_filter(const sock_fprog &program);
// Strict mode: read, write, exit and rt_sigreturn are left.
void note_seccomp_strict();

// May we make that call, in the form that we use it in? Any thread; no lock, no system call. Calls that the list
// does not have: true.
bool own_call_allowed(long number);
// All calls by which a thread of a guest is made and ended.
bool own_threads_allowed();

// The filter's answer (SECCOMP_RET_...) to the call that `data` describes.
uint32_t run_seccomp_filter(const sock_fprog &program, const seccomp_data &data);

} // namespace intercept
