// Calls between two descriptors, and descriptors on their way to other processes.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"

#include <algorithm>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

namespace shim {

using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// One side of a sendfile: a file of ours or a kernel descriptor.
struct Side {
    OpenArgument open;
    long descriptor = -1;
};

long read_some(const Side &side, void *buffer, size_t size_bytes, bool positional, int64_t offset_bytes) {
    if (side.open.thread == nullptr)
        return positional
                   ? base::raw_syscall(SYS_pread64, side.descriptor, base::as_long(buffer),
                                       static_cast<long>(size_bytes), offset_bytes)
                   : base::raw_syscall(SYS_read, side.descriptor, base::as_long(buffer), static_cast<long>(size_bytes));
    struct iovec vector = {buffer, size_bytes};
    return positional ? kernel_result(fs_pread(*side.open.thread, side.open.id, {&vector, 1}, offset_bytes))
                      : kernel_result(fs_read(*side.open.thread, side.open.id, {&vector, 1}));
}

long write_some(const Side &side, void *buffer, size_t size_bytes) {
    if (side.open.thread == nullptr)
        return base::raw_syscall(SYS_write, side.descriptor, base::as_long(buffer), static_cast<long>(size_bytes));
    struct iovec vector = {buffer, size_bytes};
    return kernel_result(fs_write(*side.open.thread, side.open.id, {&vector, 1}, INT64_MAX));
}

// What was read and could not be written goes back (files only; the input of sendfile is one).
void unread(const Side &side, int64_t size_bytes) {
    if (side.open.thread == nullptr)
        base::raw_syscall(SYS_lseek, side.descriptor, -size_bytes, SEEK_CUR);
    else
        (void)fs_seek(*side.open.thread, side.open.id, -size_bytes, SEEK_CUR).ok();
}

// Marks every descriptor of ours in a message's SCM_RIGHTS.
void keep_passed(Request &request, const struct msghdr &message) {
    auto *control = static_cast<char *>(message.msg_control);
    size_t length = message.msg_controllen;
    struct cmsghdr header;
    for (size_t at = 0; control != nullptr && at + sizeof(header) <= length;) {
        if (!copy_in(&header, control + at, sizeof(header)).ok() || header.cmsg_len < sizeof(header) ||
            header.cmsg_len > length - at)
            return; // the kernel refuses it
        if (header.cmsg_level == SOL_SOCKET && header.cmsg_type == SCM_RIGHTS)
            for (size_t i = CMSG_LEN(0); i + sizeof(int) <= header.cmsg_len; i += sizeof(int)) {
                int descriptor = -1;
                if (!copy_in(&descriptor, control + at + i, sizeof(descriptor)).ok())
                    return;
                Result<DescriptorWord> word = descriptor_lookup(request.context, descriptor);
                if (word.ok() && is_ours(*word))
                    descriptor_keep_until_exit(word_mount(*word), word_id(*word));
            }
        at += CMSG_ALIGN(header.cmsg_len);
    }
}

} // namespace

long serve_sendfile(Request &request) {
    Side out;
    Side in;
    Result<OpenArgument> opened = open_argument(request, 0);
    if (!opened.ok())
        return kernel_result(Status(opened.error()));
    out = {*opened, request.args[0]};
    opened = open_argument(request, 1);
    if (!opened.ok())
        return kernel_result(Status(opened.error()));
    in = {*opened, request.args[1]};
    if (out.open.thread == nullptr && in.open.thread == nullptr)
        return pass_to_kernel;
    int64_t offset_bytes = 0;
    auto *user_offset = reinterpret_cast<void *>(request.args[2]);
    bool positional = user_offset != nullptr;
    if (positional)
        if (Status copied = copy_in(&offset_bytes, user_offset, sizeof(offset_bytes)); !copied.ok())
            return kernel_result(copied);
    if (offset_bytes < 0)
        return -EINVAL;
    size_t left = std::min(static_cast<size_t>(request.args[3]), size_t{0x7ffff000});
    long moved = 0;
    long failure = 0;
    while (left > 0 && failure == 0) {
        size_t piece = std::min(left, sizeof(request.context.buffer));
        long length = read_some(in, request.context.buffer, piece, positional, offset_bytes);
        if (length <= 0) {
            failure = length;
            break;
        }
        long written = 0;
        while (written < length) {
            long result = write_some(out, request.context.buffer + written, static_cast<size_t>(length - written));
            if (result <= 0) {
                failure = result == 0 ? -EIO : result;
                break;
            }
            written += result;
        }
        if (written < length && !positional)
            unread(in, length - written);
        offset_bytes += written;
        moved += written;
        left -= static_cast<size_t>(written);
        if (written < length)
            break;
    }
    if (positional && moved > 0)
        if (Status copied = copy_out(user_offset, &offset_bytes, sizeof(offset_bytes)); !copied.ok())
            return kernel_result(copied);
    return moved > 0 ? moved : failure;
}

long serve_sendmsg(Request &request) {
    struct msghdr message;
    if (copy_in(&message, reinterpret_cast<void *>(request.args[1]), sizeof(message)).ok() &&
        message.msg_controllen != 0)
        keep_passed(request, message);
    return pass_to_kernel;
}

long serve_sendmmsg(Request &request) {
    struct mmsghdr message;
    auto *user = reinterpret_cast<const struct mmsghdr *>(request.args[1]);
    unsigned count = std::min(static_cast<unsigned>(request.args[2]), 1024u);
    for (unsigned i = 0; i < count && copy_in(&message, user + i, sizeof(message)).ok(); i++)
        if (message.msg_hdr.msg_controllen != 0)
            keep_passed(request, message.msg_hdr);
    return pass_to_kernel;
}

// A unix socket address is a path that the kernel would resolve on the host.
long serve_socket_address(Request &request) {
    bool sends = request.number == SYS_sendto;
    auto *user = reinterpret_cast<const char *>(request.args[sends ? 4 : 1]);
    auto size_bytes = static_cast<unsigned>(request.args[sends ? 5 : 2]);
    struct sockaddr_un address = {};
    if (user == nullptr || size_bytes <= offsetof(struct sockaddr_un, sun_path) || size_bytes > sizeof(address) ||
        !copy_in(&address, user, size_bytes).ok() || address.sun_family != AF_UNIX || address.sun_path[0] == 0)
        return pass_to_kernel; // another family, an abstract name, or the kernel's to refuse
    size_t length = strnlen(address.sun_path, size_bytes - offsetof(struct sockaddr_un, sun_path));
    std::memcpy(request.context.path[0], address.sun_path, length);
    request.context.path[0][length] = 0;
    Care care = request.number == SYS_bind ? Care::exact_no_follow : Care::quick;
    Result<Route> route = route_string(request.context, 0, AT_FDCWD, {request.context.path[0], length}, care);
    if (!route.ok())
        return kernel_result(Status(route.error()));
    if (route->where == Where::kernel)
        return pass_to_kernel;
    return request.number == SYS_bind ? -EPERM : -ECONNREFUSED;
}

// A ring would act on descriptors and paths that nobody looks at.
long serve_io_uring_setup(Request &) {
    return -ENOSYS;
}

} // namespace shim
