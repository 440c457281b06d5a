// socket_family: which sockets are no unix sockets. Those have nothing to do with a pool: their peers' addresses are no
// paths, and no descriptors travel in their messages.
//
//   unmet ──some calls──► asked ──► unix
//                           └─────► other ──► table/filter.cpp lets the calls pass
//
// One byte for each number beside its word, of worth only while that is `descriptor_host`. Before a word becomes that
// (descriptor_decode), what an earlier socket of the number left goes. The kernel is asked when as much time has been
// spent on a socket's calls as asking takes: many a socket has one such call in its life.
#pragma once

#include "posix-shim/descriptors/descriptor_table.h"

namespace shim {

using SocketFamily = uint8_t;
constexpr SocketFamily socket_asked = 8; // below it: how many calls have been met
constexpr SocketFamily socket_unix = 254;
constexpr SocketFamily socket_other = 255;

extern std::atomic<SocketFamily> socket_families[descriptor_table_size];

// A call on a socket that the filter did not let pass. Any thread.
void socket_family_meet(ThreadContext &context, long descriptor);

// The number is about to become known as one of the host's.
inline void socket_family_forget(int descriptor) {
    if (socket_families[descriptor].load(std::memory_order_relaxed) != 0)
        socket_families[descriptor].store(0);
}

} // namespace shim
