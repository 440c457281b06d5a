// passed_descriptors: descriptors of ours in messages (SCM_RIGHTS).
//
//   sendmsg ─► the description is in flight ─► kernel ─► refused: it is not
//   kernel ─► recvmsg ─► the number is known, and this process refers to the description ─► it has landed
//
// So it lives when the sender ends before anybody has looked at it (hazard 12).
#pragma once

#include "intercept/include/pmemfile-intercept.h"
#include "posix-shim/calls/handler.h"

#include <sys/socket.h>

namespace shim {

// Before the kernel sends the message. False: nothing of ours is in it.
bool passed_descriptors_send(ThreadContext &context, const struct msghdr &message);
// Of `messages`, those from `first` to before `end` were not sent.
void passed_descriptors_unsend(ThreadContext &context, const struct mmsghdr *messages, unsigned first, unsigned end);

// Is it one of the calls below? Then, when the kernel has done it:
bool passes_descriptors(long number);
void passed_descriptors_post(ThreadContext &context, const struct intercept_call &call);

} // namespace shim
