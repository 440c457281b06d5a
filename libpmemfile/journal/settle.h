// settle: finishes or undoes the call of a thread whose process has died, on
// the spot, by whoever meets one of its locks (hazards 3 and 4).
#pragma once

#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// Settles thread slot `slot`, whose owner is dead (or is this thread itself,
// after a vfork child died in the middle of a call): applies its record if it
// is whole, else undoes its claims; then frees its locks and the slot's state.
// Several settlers at a time are fine: one works, the others wait or take over.
void settle_thread(Thread &thread, uint32_t slot);
// Settles every thread of a dead process and collects what it held (open files,
// pins, advisory locks). `ended` is called for each inode that lost its last reference.
void settle_process(Thread &thread, uint32_t process_slot, void (*ended)(Thread &, InodeNumber));
// After exec: the calls of the former image's threads, which the kernel killed while
// this process's slot lived on, are settled (hazard 4).
void settle_former_threads(Thread &thread);
// For freed_under_way_hook (runtime/space_map.h): looks at the records that the thread slots name.
void freed_under_way(Thread &thread, void *context, void (*each)(void *context, BlockRun run));
// Looks at all process slots and settles those that died. True when there were any.
bool settle_dead_processes(Thread &thread, void (*ended)(Thread &, InodeNumber));

} // namespace pmemfile
