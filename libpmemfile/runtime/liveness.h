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
// `pool.liveness_descriptor` (close-on-exec). EAGAIN when none is free.
base::Status process_register(Pool &pool);
// Gives the slot back; what it held must have been collected before (journal/settle.h).
void process_release(Pool &pool);
// True while the process in this slot lives. One system call unless it is us.
bool process_alive(const Pool &pool, uint32_t process_slot);
// True when any process lives that has a slot in the runtime file at `path`; also when that cannot be told.
bool runtime_file_is_live(const char *path);
// True while the owner of the thread slot lives (or the slot is free).
bool thread_alive(const Pool &pool, uint32_t thread_slot);

} // namespace pmemfile
