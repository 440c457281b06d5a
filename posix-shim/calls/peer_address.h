// peer_address: a unix socket that is bound in a pool is told by the address that was asked for, not by its rendezvous
// (paths/rendezvous.h).
#pragma once

#include "intercept/include/pmemfile-intercept.h"
#include "posix-shim/calls/handler.h"

namespace shim {

// Before the call: remembers where the address and its length (a socklen_t) will be, and how much room there is. False:
// nowhere, or it cannot be read.
bool peer_address_expect(ThreadContext &context, long address, long length);
bool gives_peer_address(long number); // accept, accept4, recvfrom
// After one of those, or recvmsg: the address becomes the one that was asked for.
void peer_address_post(ThreadContext &context, const struct intercept_call &call);

} // namespace shim
