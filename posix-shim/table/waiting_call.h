// waiting_call: a kernel's call that a handler makes for the program and that may have to wait.
//
// A signal's handler waits until our call is over (signals/deferral.h), so the kernel must not go on waiting behind it.
// One that is noted before the kernel's call, or after which the kernel would begin it again, ends it:
// nothing has been done then.
//
//   begin ─ a signal noted? ─► syscall ─► its result
//     └──────── the signal handler moves what stands here ────────► restart_call
#pragma once

#include "posix-shim/calls/handler.h"

#include <array>

extern "C" {
// `pending`: the count of noted signals. `args`: six.
long shim_waiting_call(const void *pending, long number, const long *args);
// Instructions of it: from the first to the second (the kernel's call) nothing has been done; the third is where to go.
extern const char shim_waiting_begin[], shim_waiting_syscall[], shim_waiting_interrupted[];
}

namespace shim {

// The kernel's result, or restart_call. Its EINTR is final (Request::is_kernels_result).
inline long waiting_call(Request &request, long number, std::array<long, 6> args) {
    request.is_kernels_result = true;
    return shim_waiting_call(&request.context.signals.count, number, args.data());
}

} // namespace shim
