// Extended attributes: each call is what is done with an inode (set, get, list, remove), and one of four
// ways to that inode (a path, a path whose last symlink is not followed, a descriptor, an at-call).
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/xattr_calls.h"
#include "posix-shim/paths/user_string.h"

#include <algorithm>
#include <linux/limits.h>
#include <sys/xattr.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// A name, read once from the application into the context's scratch memory, where no path needs it any more.
Result<std::string_view> read_name(Request &request, long user) {
    auto *text = reinterpret_cast<char *>(request.context.buffer);
    auto length = copy_user_string(text, xattr_name_max_bytes + 1, reinterpret_cast<const char *>(user));
    if (!length.ok())
        return error(length.error().number() == ENAMETOOLONG ? ERANGE : EFAULT);
    return std::string_view(text, *length);
}

// What is done: `serve(thread, inode)` with the arguments as they stand in the registers.
struct Arguments {
    long name = 0;
    long value = 0; // or list
    long size_bytes = 0;
    int flags = 0;
};

// What is wrong with the arguments alone.
Status check_name(Request &request, const Arguments &arguments) {
    BASE_TRY_ASSIGN(const std::string_view name, read_name(request, arguments.name));
    return name.empty() ? Status(error(ERANGE)) : Status();
}

Status check_set(Request &request, const Arguments &arguments) {
    if ((arguments.flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0)
        return error(EINVAL);
    BASE_TRY(check_name(request, arguments));
    const auto size_bytes = static_cast<size_t>(arguments.size_bytes);
    if (size_bytes > XATTR_SIZE_MAX)
        return error(E2BIG);
    const auto *value = reinterpret_cast<const char *>(arguments.value);
    for (size_t at = 0; at < size_bytes; at += sizeof request.context.buffer)
        BASE_TRY(copy_in(request.context.buffer, value + at, std::min(size_bytes - at, sizeof request.context.buffer)));
    return {};
}

auto set_by(Request &request, const Arguments &arguments) {
    return [&request, arguments](Thread &thread, InodeHandle inode) -> Result<long> {
        // Before the name, as the kernel.
        if ((arguments.flags & ~(XATTR_CREATE | XATTR_REPLACE)) != 0)
            return error(EINVAL);
        BASE_TRY_ASSIGN(std::string_view name, read_name(request, arguments.name));
        BASE_TRY(fs_setxattr(thread, inode, name, reinterpret_cast<const void *>(arguments.value),
                             static_cast<size_t>(arguments.size_bytes), arguments.flags));
        return 0L;
    };
}

Result<long> length_of(const Result<size_t> &length) {
    return length.ok() ? Result<long>(static_cast<long>(*length)) : Result<long>(length.error());
}

auto get_by(Request &request, const Arguments &arguments) {
    return [&request, arguments](Thread &thread, InodeHandle inode) -> Result<long> {
        BASE_TRY_ASSIGN(std::string_view name, read_name(request, arguments.name));
        return length_of(fs_getxattr(thread, inode, name, reinterpret_cast<void *>(arguments.value),
                                     static_cast<size_t>(arguments.size_bytes)));
    };
}

auto list_by(const Arguments &arguments) {
    return [arguments](Thread &thread, InodeHandle inode) -> Result<long> {
        return length_of(fs_listxattr(thread, inode, reinterpret_cast<void *>(arguments.value),
                                      static_cast<size_t>(arguments.size_bytes)));
    };
}

auto remove_by(Request &request, const Arguments &arguments) {
    return [&request, arguments](Thread &thread, InodeHandle inode) -> Result<long> {
        BASE_TRY_ASSIGN(std::string_view name, read_name(request, arguments.name));
        BASE_TRY(fs_removexattr(thread, inode, name));
        return 0L;
    };
}

// (directory, path, flags, ...): "" with AT_EMPTY_PATH is the descriptor itself.
template <typename Serve> long by_at(Request &request, const Event *event, Serve serve) {
    constexpr long known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    const long flags = static_cast<unsigned>(request.args[2]);
    if ((flags & ~known) != 0)
        return pass_to_kernel; // EINVAL, whoever it concerns
    if ((flags & AT_EMPTY_PATH) != 0 && is_no_path(request.args[1]))
        return change_descriptor(request, Named::by_empty_path, event, serve);
    return change_inode(request, {0, 1, (flags & AT_SYMLINK_NOFOLLOW) == 0}, event, serve);
}

// struct xattr_args of the at-calls (linux/xattr.h of 6.13).
struct XattrArguments {
    uint64_t value;
    uint32_t size_bytes;
    uint32_t flags;
};

Result<Arguments> at_arguments(const Request &request) {
    XattrArguments user;
    const auto size_bytes = static_cast<size_t>(request.args[5]);
    if (size_bytes < sizeof(user))
        return error(EINVAL);
    if (size_bytes > block_size_bytes)
        return error(E2BIG);
    BASE_TRY(copy_in(&user, reinterpret_cast<const void *>(request.args[4]), sizeof(user)));
    return Arguments{request.args[3], static_cast<long>(user.value), user.size_bytes, static_cast<int>(user.flags)};
}

// Reads them when the call is ours, then does `make(arguments)(thread, inode)`.
template <typename Make> long by_at_with_value(Request &request, const Event *event, Make make) {
    const long done = by_at(request, event, [&](Thread &thread, InodeHandle inode) -> Result<long> {
        BASE_TRY_ASSIGN(const Arguments arguments, at_arguments(request));
        return make(arguments)(thread, inode);
    });
    return arguments_first(done, [&]() -> Status {
        BASE_TRY_ASSIGN(const Arguments arguments, at_arguments(request));
        return event != nullptr ? check_set(request, arguments) : check_name(request, arguments);
    });
}

// Registers of the older calls.
Arguments set_arguments(const Request &request) {
    return {request.args[1], request.args[2], request.args[3], static_cast<int>(request.args[4])};
}
Arguments get_arguments(const Request &request) {
    return {request.args[1], request.args[2], request.args[3], 0};
}
Arguments list_arguments(const Request &request) {
    return {0, request.args[1], request.args[2], 0};
}
Arguments remove_arguments(const Request &request) {
    return {request.args[1], 0, 0, 0};
}

constexpr PathArgument followed{-1, 0};
constexpr PathArgument itself{-1, 0, false};

long set_at_path(Request &request, const PathArgument &path) {
    const Arguments arguments = set_arguments(request);
    return arguments_first(change_inode(request, path, &event_attributes, set_by(request, arguments)),
                           [&] { return check_set(request, arguments); });
}

long get_at_path(Request &request, const PathArgument &path) {
    const Arguments arguments = get_arguments(request);
    return arguments_first(change_inode(request, path, nullptr, get_by(request, arguments)),
                           [&] { return check_name(request, arguments); });
}

long remove_at_path(Request &request, const PathArgument &path) {
    const Arguments arguments = remove_arguments(request);
    return arguments_first(change_inode(request, path, &event_attributes, remove_by(request, arguments)),
                           [&] { return check_name(request, arguments); });
}

} // namespace

long serve_setxattr(Request &request) {
    return set_at_path(request, followed);
}
long serve_lsetxattr(Request &request) {
    return set_at_path(request, itself);
}
long serve_fsetxattr(Request &request) {
    const Arguments arguments = set_arguments(request);
    return arguments_first(
        change_descriptor(request, Named::by_descriptor, &event_attributes, set_by(request, arguments)),
        [&] { return check_set(request, arguments); });
}
long serve_setxattrat(Request &request) {
    return by_at_with_value(request, &event_attributes,
                            [&](const Arguments &arguments) { return set_by(request, arguments); });
}

long serve_getxattr(Request &request) {
    return get_at_path(request, followed);
}
long serve_lgetxattr(Request &request) {
    return get_at_path(request, itself);
}
long serve_fgetxattr(Request &request) {
    return serve_descriptor(request, Named::by_descriptor, get_by(request, get_arguments(request)));
}
long serve_getxattrat(Request &request) {
    return by_at_with_value(request, nullptr, [&](const Arguments &arguments) {
        return [&request, arguments](Thread &thread, InodeHandle inode) -> Result<long> {
            if (arguments.flags != 0)
                return error(EINVAL);
            return get_by(request, arguments)(thread, inode);
        };
    });
}

long serve_listxattr(Request &request) {
    return change_inode(request, followed, nullptr, list_by(list_arguments(request)));
}
long serve_llistxattr(Request &request) {
    return change_inode(request, itself, nullptr, list_by(list_arguments(request)));
}
long serve_flistxattr(Request &request) {
    return serve_descriptor(request, Named::by_descriptor, list_by(list_arguments(request)));
}
long serve_listxattrat(Request &request) {
    return by_at(request, nullptr, list_by({0, request.args[3], request.args[4], 0}));
}

long serve_removexattr(Request &request) {
    return remove_at_path(request, followed);
}
long serve_lremovexattr(Request &request) {
    return remove_at_path(request, itself);
}
long serve_fremovexattr(Request &request) {
    return change_descriptor(request, Named::by_descriptor, &event_attributes,
                             remove_by(request, remove_arguments(request)));
}
long serve_removexattrat(Request &request) {
    return by_at(request, &event_attributes, remove_by(request, {request.args[3], 0, 0, 0}));
}

} // namespace shim
