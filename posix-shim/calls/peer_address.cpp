// The kernel executes the call, for it may wait, and its answer is changed afterwards. How much room there was is kept
// in the context meanwhile; a signal handler that makes such a call in between leaves another place there, and the
// address is then not changed.
#include "posix-shim/calls/peer_address.h"

#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/paths/rendezvous.h"

#include <algorithm>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

namespace shim {

using base::Status;

namespace {

constexpr size_t path_offset = offsetof(struct sockaddr_un, sun_path);

// The address that a rendezvous' one (`length` bytes) was asked for, into the application's `place`. False: it is none.
base::Result<bool> give_asked_address(const struct sockaddr_un &address, socklen_t length, const AddressPlace &place) {
    if (address.sun_family != AF_UNIX || length <= path_offset || length > sizeof address)
        return false;
    struct {
        struct sockaddr_un name;
        char end; // a path may fill all of the name; then Linux puts the NUL behind it
    } asked = {};
    asked.name.sun_family = AF_UNIX;
    const std::string_view path(address.sun_path, strnlen(address.sun_path, length - path_offset));
    const size_t found = rendezvous_address(path, asked.name.sun_path, sizeof asked.name.sun_path);
    if (found == 0)
        return false;
    const auto whole = static_cast<socklen_t>(path_offset + found + 1);
    BASE_TRY(copy_out(reinterpret_cast<void *>(place.address), &asked, std::min(whole, place.room_bytes)));
    BASE_TRY(copy_out(reinterpret_cast<void *>(place.length), &whole, sizeof whole));
    return true;
}

// The registers of address and length.
int address_index(long number) {
    return number == SYS_recvfrom ? 4 : 1;
}

} // namespace

bool gives_peer_address(const struct intercept_call &call) {
    return (call.nr == SYS_accept || call.nr == SYS_accept4 || call.nr == SYS_recvfrom || call.nr == SYS_recvmsg) &&
           !base::is_error(call.result);
}

bool peer_address_expect(ThreadContext &context, long address, long length) {
    socklen_t room = 0;
    if (address == 0 || !copy_in(&room, reinterpret_cast<void *>(length), sizeof room).ok() ||
        static_cast<int>(room) < 0)
        return false;
    context.expected_address = {address, length, room};
    return true;
}

void peer_address_post(ThreadContext &context, const struct intercept_call &call) {
    long name = 0;
    long length_place = 0;
    if (call.nr == SYS_recvmsg) {
        if (!copy_in(&name, reinterpret_cast<void *>(call.args[1]), sizeof name).ok())
            return;
        length_place = call.args[1] + static_cast<long>(offsetof(struct msghdr, msg_namelen));
    } else {
        name = call.args[address_index(call.nr)];
        length_place = call.args[address_index(call.nr) + 1];
    }
    const AddressPlace place = context.expected_address;
    context.expected_address = {};
    if (name == 0 || name != place.address || length_place != place.length)
        return;
    struct sockaddr_un address = {};
    socklen_t length = 0;
    if (!copy_in(&length, reinterpret_cast<void *>(length_place), sizeof length).ok() || length > sizeof address)
        return;
    if (length <= place.room_bytes) {
        if (!copy_in(&address, reinterpret_cast<void *>(name), length).ok())
            return;
    } else if (call.nr != SYS_recvfrom && call.nr != SYS_recvmsg) { // it was cut: asked again in full
        length = sizeof address;
        if (base::is_error(
                base::raw_syscall(SYS_getpeername, call.result, base::as_long(&address), base::as_long(&length))))
            return;
    } else {
        return;
    }
    (void)give_asked_address(address, length, place).ok();
}

// accept, accept4, recvfrom: only who asks for the address comes here, of a socket that may be a unix one
// (table/filter.cpp).
long serve_peer_address(Request &request) {
    const int index = address_index(request.number);
    return peer_address_expect(request.context, request.args[index], request.args[index + 1]) ? pass_with_post
                                                                                              : pass_to_kernel;
}

// getsockname and getpeername.
long serve_socket_name(Request &request) {
    AddressPlace place = {request.args[1], request.args[2], 0};
    if (!copy_in(&place.room_bytes, reinterpret_cast<void *>(place.length), sizeof place.room_bytes).ok() ||
        static_cast<int>(place.room_bytes) < 0)
        return pass_to_kernel;
    auto &address = *reinterpret_cast<struct sockaddr_un *>(request.context.buffer);
    socklen_t length = sizeof address;
    const long result =
        base::raw_syscall(request.number, request.args[0], base::as_long(&address), base::as_long(&length));
    if (base::is_error(result))
        return pass_to_kernel;
    const base::Result<bool> given = give_asked_address(address, length, place);
    if (!given.ok())
        return kernel_result(Status(given.error()));
    return *given ? 0 : pass_to_kernel;
}

} // namespace shim
