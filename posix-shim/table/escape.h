// escape: a handler's call that a signal handler can end (signals/lost_pool.h).
//
// No setjmp: a function that has one keeps all that it knows on the stack, and loads it again.
#pragma once

#include "posix-shim/calls/handler.h"

extern "C" {
// handler(request). While it runs, who makes `*place` the stack pointer and goes on at shim_escape ends it with -EIO,
// whatever is in the other registers. Behind it `*place` is null.
long shim_call_with_escape(shim::Request &request, shim::Handler handler, void **place);
void shim_escape();
}
