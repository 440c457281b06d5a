// liveness: is the process of a slot still alive?
//
// The kernel tells: each process holds an open-file-description lock on one
// byte of the runtime file, on an open file description of its own that is
// closed by the kernel when the process dies (hazard 4). Never pid or /proc.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/pool.h"

#include <cstdint>

namespace pmemfile {

constexpr int64_t liveness_first_byte = 4096; // lock byte of process slot 0; byte 0 serialises attach

// Takes a process slot of the pool's segment: `pool.process_slot`,
// `pool.liveness_descriptor` (close-on-exec). `known`: a descriptor of the runtime file, for a process that may not
// go to it by its path any more. EAGAIN when no slot is free.
base::Status process_register(Pool &pool, int known);
// Does a seccomp filter of the process forbid what a program that attaches must do, to open the runtime file for
// writing?
bool start_is_forbidden(const Pool &pool);
// Gives the slot back; what it held must have been collected before (journal/settle.h).
void process_release(Pool &pool);
// The path of the runtime file, in the pool's `segment_path`.
constexpr unsigned runtime_file_path_bytes = sizeof(Pool::segment_path) + 8;
void runtime_file_path(const Pool &pool, char (&to)[runtime_file_path_bytes]);
// True while the process in this slot lives. One system call unless it is us.
bool process_alive(const Pool &pool, uint32_t process_slot);
// True while the owner of the thread slot lives (or the slot is free).
bool thread_alive(const Pool &pool, uint32_t thread_slot);

} // namespace pmemfile
