// opening_fifo: between the moment when a fifo of a pool is found and the one when the kernel has opened it.
//
//   serve_open ─► a description keeps the inode (descriptors/open_fifo.h) ─► kernel, may wait ─► the number has it
//                                                                                           └─► refused: it goes
#pragma once

#include "intercept/include/pmemfile-intercept.h"
#include "posix-shim/calls/path_call.h"

namespace shim {

// Before the kernel opens it; `inode` is what `route` leads to. ESTALE, ENFILE. Not in a vfork child.
base::Status opening_fifo_begin(ThreadContext &context, pmemfile::Thread &thread, const Route &route,
                                pmemfile::InodeHandle inode, bool follow_last);
// One that never came to its end goes.
void opening_fifo_forget(ThreadContext &context);
// After it. False: it was another call.
bool opening_fifo_post(ThreadContext &context, const struct intercept_call &call);

} // namespace shim
