// Unix sockets whose name is in a pool; descriptors that travel in their messages: passed_descriptors.h.
//
//   bind     ─► an inode in the pool ─► the kernel binds at the inode's rendezvous (paths/rendezvous.h)
//   connect, sendto, sendmsg ─► the inode's permissions ─► the kernel gets the rendezvous' address
//   accept, getsockname ... ─► the address that was asked for (calls/peer_address.h)
#include "posix-shim/calls/passed_descriptors.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "posix-shim/paths/rendezvous.h"
#include "posix-shim/table/waiting_call.h"

#include <algorithm>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr size_t address_begin = offsetof(struct sockaddr_un, sun_path);

// A unix socket address with a path in it. False: another family, an abstract name, or the kernel's to refuse.
bool has_path(const void *user, size_t size_bytes, struct sockaddr_un *address) {
    std::memset(address, 0, sizeof *address);
    return user != nullptr && size_bytes > address_begin && size_bytes <= sizeof *address &&
           copy_in(address, user, size_bytes).ok() && address->sun_family == AF_UNIX && address->sun_path[0] != 0;
}

std::string_view path_of(const struct sockaddr_un &address, size_t size_bytes) {
    return {address.sun_path, strnlen(address.sun_path, size_bytes - address_begin)};
}

// What a path in an address leads to: on the host (0), or a socket of a pool, whose address for the kernel goes into
// the context's buffer; its length is returned. ECONNREFUSED: no socket, or nobody has it open. EACCES.
Result<size_t> find_socket(ThreadContext &context, std::string_view path) {
    std::memcpy(context.path[0], path.data(), path.size());
    context.path[0][path.size()] = 0;
    Result<Route> route = route_string(context, 0, AT_FDCWD, {context.path[0], path.size()}, Care::quick, Last::follow);
    for (unsigned times = 1;; times++) {
        BASE_TRY(route);
        if (route->where == Where::kernel)
            break;
        if (route->where == Where::kernel_rewritten)
            return error(ECONNREFUSED); // out of the pool by a symlink: a path that may not fit into an address
        BASE_TRY_ASSIGN(Thread * thread, context_thread(context, route->mount));
        const Result<InodeHandle> inode = inode_of_route(*thread, *route, true);
        if (!inode.ok() && inode.error().number() == path_escapes) {
            route = route_escaped(context, 0, *route, Last::follow, times);
            continue;
        }
        BASE_TRY(inode);
        BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(*thread, *inode));
        BASE_TRY(fs_access(*thread, *inode, W_OK, false));
        if (!S_ISSOCK(attributes.mode))
            return error(ECONNREFUSED);
        auto &address = *reinterpret_cast<struct sockaddr_un *>(context.buffer);
        address.sun_family = AF_UNIX;
        BASE_TRY_ASSIGN(const size_t length, rendezvous_path(route->mount, attributes, address.sun_path));
        // Its name is there and its rendezvous is not: made by mknod, or in another life of the pool.
        if (base::is_error(base::raw_syscall(SYS_access, base::as_long(address.sun_path), F_OK)))
            return error(ECONNREFUSED);
        return address_begin + length + 1;
    }
    return size_t{0};
}

// An address in the context's buffer that the kernel looks at last of all, and refuses: what else is wrong with a call
// comes first. Its length.
size_t refused_address(ThreadContext &context) {
    constexpr std::string_view no_socket = "/dev/null";
    auto &address = *reinterpret_cast<struct sockaddr_un *>(context.buffer);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, no_socket.data(), no_socket.size());
    address.sun_path[no_socket.size()] = 0;
    return address_begin + no_socket.size() + 1;
}

// The answer to a call to a name that is wrong: `asked`, the kernel's with that address, unless that is about the
// address.
long refused_name(long asked, base::Errno why) {
    const bool is_about_address = asked >= 0 || asked == -ECONNREFUSED || asked == -ENOENT || asked == -EACCES;
    return is_about_address ? kernel_result(Status(why)) : asked;
}

// The address in registers `index` and `index` + 1 becomes the kernel's.
long send_to(Request &request, int index) {
    struct sockaddr_un address;
    auto size_bytes = static_cast<unsigned>(request.args[index + 1]);
    if (!has_path(reinterpret_cast<void *>(request.args[index]), size_bytes, &address))
        return pass_to_kernel;
    const Result<size_t> found = find_socket(request.context, path_of(address, size_bytes));
    if (!found.ok()) {
        long args[6];
        std::copy_n(request.args, 6, args);
        args[index + 1] = static_cast<long>(refused_address(request.context));
        args[index] = base::as_long(request.context.buffer);
        return refused_name(
            waiting_call(request, request.number, {args[0], args[1], args[2], args[3], args[4], args[5]}),
            found.error());
    }
    if (*found != 0) {
        request.rewrite_begin();
        request.args[index] = base::as_long(request.context.buffer);
        request.args[index + 1] = static_cast<long>(*found);
    }
    return pass_to_kernel;
}

Result<long> bind_in_pool(Request &request, Thread &thread, const Route &route, std::string_view address) {
    if (route.where == Where::descriptor)
        return error(EADDRINUSE);
    int type = 0;
    socklen_t type_bytes = sizeof type;
    const long known = base::raw_syscall(SYS_getsockopt, request.args[0], SOL_SOCKET, SO_TYPE, base::as_long(&type),
                                         base::as_long(&type_bytes));
    if (base::is_error(known))
        return error(static_cast<int>(-known));
    const NoticedName name = notice_name(thread, route.at(walk_create));
    const Result<InodeNumber> made = fs_mknod(thread, route.at(0), S_IFSOCK | 0777, 0);
    if (!made.ok())
        return error(made.error().number() == EEXIST ? EADDRINUSE : made.error().number());
    long result = 0;
    auto &place = *reinterpret_cast<struct sockaddr_un *>(request.context.buffer);
    place.sun_family = AF_UNIX;
    const Result<Attributes> attributes = fs_attributes(thread, *made);
    Result<size_t> length = attributes.ok() ? rendezvous_path(route.mount, *attributes, place.sun_path)
                                            : Result<size_t>(attributes.error());
    if (length.ok()) {
        rendezvous_clear(place.sun_path);
        result = base::raw_syscall(SYS_bind, request.args[0], base::as_long(&place),
                                   static_cast<long>(address_begin + *length + 1));
        if (!base::is_error(result))
            result = rendezvous_note_bound(place.sun_path, address);
    } else {
        result = -static_cast<long>(length.error().number());
    }
    if (base::is_error(result))
        (void)fs_unlink(thread, route.at(0)).ok();
    else
        tell_created(thread, name, false);
    return result;
}

// `message` with the address of `size_bytes` at the context's buffer, where it stands then too.
struct msghdr *with_address(ThreadContext &context, const struct msghdr &message, size_t size_bytes) {
    constexpr size_t header_offset = 128; // behind the address, aligned
    static_assert(header_offset >= sizeof(struct sockaddr_un) && header_offset % alignof(struct msghdr) == 0);
    auto *changed = reinterpret_cast<struct msghdr *>(context.buffer + header_offset);
    *changed = message;
    changed->msg_name = context.buffer;
    changed->msg_namelen = static_cast<socklen_t>(size_bytes);
    return changed;
}

// A message to a socket in a pool: a header with the address for the kernel, which reads it and does not change it.
// Null: it goes elsewhere.
Result<struct msghdr *> address_message(ThreadContext &context, const struct msghdr &message) {
    struct sockaddr_un address;
    if (!has_path(message.msg_name, message.msg_namelen, &address))
        return static_cast<struct msghdr *>(nullptr);
    BASE_TRY_ASSIGN(const size_t found, find_socket(context, path_of(address, message.msg_namelen)));
    return found == 0 ? nullptr : with_address(context, message, found);
}

// To a name that is wrong.
long send_refused(Request &request, const struct msghdr &message, long flags, base::Errno why) {
    const struct msghdr *header = with_address(request.context, message, refused_address(request.context));
    return refused_name(waiting_call(request, SYS_sendmsg, {request.args[0], base::as_long(header), flags}), why);
}

} // namespace

long serve_bind(Request &request) {
    struct sockaddr_un address;
    const auto size_bytes = static_cast<unsigned>(request.args[2]);
    if (!has_path(reinterpret_cast<void *>(request.args[1]), size_bytes, &address))
        return pass_to_kernel;
    const std::string_view path = path_of(address, size_bytes);
    ThreadContext &context = request.context;
    std::memcpy(context.path[0], path.data(), path.size());
    context.path[0][path.size()] = 0;
    Result<Route> route = route_string(context, 0, AT_FDCWD, {context.path[0], path.size()}, Care::exact, Last::name);
    for (unsigned times = 1;; times++) {
        if (!route.ok())
            return kernel_result(Status(route.error()));
        if (route->where == Where::kernel)
            return pass_to_kernel;
        if (route->where == Where::kernel_rewritten)
            return refused(request, EADDRNOTAVAIL, "a socket's name that leads out of the pool");
        const Result<Thread *> thread = context_thread(context, route->mount);
        if (!thread.ok())
            return kernel_result(Status(thread.error()));
        const Result<long> bound = bind_in_pool(request, **thread, *route, path);
        if (bound.ok() || bound.error().number() != path_escapes)
            return kernel_result(bound);
        route = route_escaped(context, 0, *route, Last::name, times);
    }
}

long serve_connect(Request &request) {
    return send_to(request, 1);
}

long serve_sendto(Request &request) {
    return send_to(request, 4);
}

long serve_sendmsg(Request &request) {
    struct msghdr message;
    if (!copy_in(&message, reinterpret_cast<void *>(request.args[1]), sizeof(message)).ok())
        return pass_to_kernel;
    const Result<struct msghdr *> changed = address_message(request.context, message);
    if (!changed.ok())
        return send_refused(request, message, request.args[2], changed.error());
    const bool has_sent = passed_descriptors_send(request.context, message);
    if (*changed == nullptr)
        return has_sent ? pass_with_post : pass_to_kernel;
    struct mmsghdr given = {message, 0};
    const long sent = waiting_call(request, SYS_sendmsg, {request.args[0], base::as_long(*changed), request.args[2]});
    if (sent < 0)
        passed_descriptors_unsend(request.context, &given, 0, 1);
    return sent;
}

// One by one, as the kernel does it, when one of them goes to a socket in a pool.
long serve_sendmmsg(Request &request) {
    auto *user = reinterpret_cast<struct mmsghdr *>(request.args[1]);
    const unsigned count = std::min(static_cast<unsigned>(request.args[2]), 1024u); // as Linux
    bool any = false;
    bool has_sent = false;
    struct mmsghdr message;
    for (unsigned i = 0; i < count && copy_in(&message, user + i, sizeof(message)).ok(); i++) {
        has_sent = passed_descriptors_send(request.context, message.msg_hdr) || has_sent;
        const Result<struct msghdr *> changed = address_message(request.context, message.msg_hdr);
        any = any || !changed.ok() || *changed != nullptr;
    }
    if (!any)
        return has_sent ? pass_with_post : pass_to_kernel;
    for (unsigned i = 0; i < count; i++) {
        long sent = -EFAULT;
        if (copy_in(&message, user + i, sizeof(message)).ok()) {
            const Result<struct msghdr *> changed = address_message(request.context, message.msg_hdr);
            const void *header = changed.ok() && *changed != nullptr ? *changed : &message.msg_hdr;
            sent = changed.ok()
                       ? waiting_call(request, SYS_sendmsg, {request.args[0], base::as_long(header), request.args[3]})
                       : send_refused(request, message.msg_hdr, request.args[3], changed.error());
        }
        const auto length = static_cast<unsigned>(sent);
        if (sent >= 0 && !copy_out(&user[i].msg_len, &length, sizeof length).ok())
            sent = -EFAULT;
        if (sent < 0) {
            passed_descriptors_unsend(request.context, user, i, count);
            return i > 0 ? static_cast<long>(i) : sent;
        }
    }
    return count;
}

// A ring would act on descriptors and paths that nobody looks at.
long serve_io_uring_setup(Request &request) {
    return refused(request, ENOSYS, "it would act on descriptors unseen");
}

} // namespace shim
