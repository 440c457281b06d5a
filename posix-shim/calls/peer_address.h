// peer_address: a unix socket that is bound in a pool is told by the address that was asked for, not by its rendezvous
// (paths/rendezvous.h).
//
// Whether one was ever bound in a pool cannot be asked before the call: the first may be bound while we wait for its
// connection or message, and who is let pass is not seen again. So what decides is the socket's own family, which
// nothing changes (descriptors/socket_family.h).
#pragma once

#include "intercept/include/pmemfile-intercept.h"
#include "posix-shim/calls/handler.h"

namespace shim {

// Before the call: remembers where the address and its length (a socklen_t) will be, and how much room there is. False:
// nowhere, or it cannot be read.
bool peer_address_expect(ThreadContext &context, long address, long length);
// After accept, accept4, recvfrom or recvmsg: has it given an address?
bool gives_peer_address(const struct intercept_call &call);
// Then: the address becomes the one that was asked for.
void peer_address_post(ThreadContext &context, const struct intercept_call &call);

} // namespace shim
