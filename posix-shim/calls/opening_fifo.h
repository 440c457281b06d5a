// opening_fifo: a fifo of a pool is opened by the kernel, at its rendezvous, and may have to wait for the other side.
//
//   a description keeps the inode (descriptors/open_fifo.h) ─► kernel, may wait ─► the number has it
//                                                                └─► refused, or a handler comes first: it goes
#pragma once

#include "libpmemfile/fs/attribute_calls.h"
#include "posix-shim/calls/path_call.h"

namespace shim {

// Opens the fifo that `route` leads to, whose permissions have been looked at, as the request asks for it. The kernel's
// result, or restart_call; ESTALE, ENFILE.
base::Result<long> open_fifo_of_pool(Request &request, const PathArgument &argument, pmemfile::Thread &thread,
                                     const Route &route, const pmemfile::Attributes &fifo, bool follow_last);

} // namespace shim
