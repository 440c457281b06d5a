// lost_pool: a pool whose memory is not there any more (its file was cut, a page cannot be read), met in a call.
//
//   SIGBUS in the pool ─► all of its memory is taken away from this process ─► its locks in the runtime file are given
//   up
//     ├─► this call, and each that touches the pool from now on (SIGSEGV), ends with EIO
//     └─► the others find a process that has died, and settle what it was in the middle of (journal/settle.h)
//
// So nothing half done is ever seen: to them it is as if we were killed at that instant. Not in a process
// that has mapped a file of a pool, nor in calls that hold locks of this process: these end by the signal, as they did.
#pragma once

#include <cstdint>
#include <ucontext.h>

namespace shim {

struct ThreadContext;

// Has this process lost one? It can neither fork nor exec then (EIO).
bool lost_pool_is_there();
// In the handler of a fault at `address`: true when the call goes on at its escape.
bool lost_pool_escape(ThreadContext &context, bool is_sigbus, uint64_t address, ucontext_t *interrupted);

} // namespace shim
