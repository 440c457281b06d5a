// trap_sites: which stub stands in for the call at which address.
//
// Read by the handler of SIGSYS, on any thread, without a lock; grows only. An address
// keeps its stub when other code comes to stand there: the stub depends on it alone.
#pragma once

#include <cstdint>

namespace intercept {

enum class TrapKind : uint8_t; // arch/<processor>/trap_stub.h

// The stub of the call with this return address, made as `kind` if there is none yet. 0: no
// memory left for it, or a seccomp filter forbids to take more. Any context, signal handlers too.
uint64_t trap_stub_of(uint64_t return_address, TrapKind kind);

// Calls at this address need not be asked about: they were when control came there. False: the table is full.
bool trap_pass_at(uint64_t return_address);

// Makes stubs in advance, so that the next `count` addresses need no system call of ours. False: no memory.
bool trap_sites_prepare(TrapKind kind, unsigned count);

struct TrapCounts {
    uint64_t sites;
    uint64_t without_stub; // addresses that found no room: their calls pass
};
TrapCounts trap_counts();

} // namespace intercept
