// Calls that make, remove and rename names: mkdir, unlink, link, symlink, rename, mknod.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/namespace_calls.h"
#include "posix-shim/paths/user_string.h"

#include <cstring>
#include <linux/capability.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr PathArgument making(int dirfd_index, int path_index) {
    return {dirfd_index, path_index, false, Care::exact, false, true};
}
// Of a name that is there.
constexpr PathArgument taking(int dirfd_index, int path_index) {
    return {dirfd_index, path_index, false, Care::quick, false, true};
}

// One path whose last component is the name itself.
template <typename Change> long change_name(Request &request, const PathArgument &argument, Change change) {
    return serve_path(request, argument, [&](Thread &thread, const Route &route) -> Result<long> {
        if (route.where == Where::descriptor)
            return error(EEXIST); // names in /proc and /dev/fd are not ours to change
        BASE_TRY(change(thread, route.at(0)));
        return 0L;
    });
}

NoticedName notice_new(Thread &thread, const At &at) {
    return notice_name(thread, {at.start, at.path, at.flags | walk_create});
}

long mkdir_form(Request &request, PathArgument argument, long mode) {
    return change_name(request, argument, [mode](Thread &thread, const At &at) -> Status {
        const NoticedName name = notice_new(thread, at);
        BASE_TRY(fs_mkdir(thread, at, static_cast<mode_t>(mode)));
        tell_created(thread, name, true);
        return Status();
    });
}

bool can_mknod(mode_t type) {
    return type == 0 || S_ISREG(type) || S_ISCHR(type) || S_ISBLK(type) || S_ISFIFO(type) || S_ISSOCK(type);
}

long mknod_form(Request &request, PathArgument argument, long mode_register, long device) {
    const mode_t mode = static_cast<mode_t>(mode_register) & (S_IFMT | 07777); // Linux keeps 16 bits
    const mode_t type = mode & S_IFMT;
    if (!can_mknod(type))
        return pass_to_kernel; // EPERM or EINVAL, before it looks at the path
    return change_name(request, argument, [mode, type, device](Thread &thread, const At &at) -> Status {
        const bool is_device = type == S_IFCHR || type == S_IFBLK;
        if (is_device && !(type == S_IFCHR && device == 0) && // a whiteout, which anybody may make
            (thread.credentials->capabilities >> CAP_MKNOD & 1) == 0)
            return error(EPERM);
        const NoticedName name = notice_new(thread, at);
        BASE_TRY(fs_mknod(thread, at, type == 0 ? mode | S_IFREG : mode, static_cast<uint64_t>(device)));
        tell_created(thread, name, false);
        return {};
    });
}

long unlink_form(Request &request, int dirfd_index, int path_index, bool directory) {
    const PathArgument argument = taking(dirfd_index, path_index);
    return serve_path(request, argument, [&](Thread &thread, const Route &route) -> Result<long> {
        if (route.where == Where::descriptor)
            return error(EPERM);
        const std::string_view text = request.context.path[0];
        if (directory && route.is_mount_point && !text.ends_with("/.") && text != ".")
            return error(EBUSY);
        const NoticedName name = notice_name(thread, route.at(0));
        BASE_TRY(directory ? fs_rmdir(thread, route.at(0)) : fs_unlink(thread, route.at(0)));
        tell_removed(thread, name);
        return 0L;
    });
}

// The target is read before the path: both go through one scratch buffer each.
long symlink_form(Request &request, PathArgument argument, long user_target) {
    char *target = reinterpret_cast<char *>(request.context.buffer);
    Result<size_t> length = copy_user_string(target, path_max_bytes, reinterpret_cast<const char *>(user_target));
    if (!length.ok())
        return kernel_result(length);
    if (*length == 0)
        return -ENOENT; // before the path is looked at, also on the host
    // route_path uses the same buffer as scratch for host paths: keep the text behind it.
    char *kept = target + 2 * path_max_bytes;
    __builtin_memmove(kept, target, *length);
    return change_name(request, argument, [&](Thread &thread, const At &at) -> Status {
        const NoticedName name = notice_new(thread, at);
        BASE_TRY(fs_symlink(thread, {kept, *length}, at));
        tell_created(thread, name, false);
        return {};
    });
}

// A route that has been followed out of its pool as often as needed. The engine names no path in
// path_escapes, so each path of a two-path call is walked once by itself first. `is_name`: it is made, or renamed (a
// symlink with a slash behind it is not followed then).
Result<Route> settled_route(Request &request, unsigned slot, const PathArgument &argument, bool is_name = true) {
    BASE_TRY_ASSIGN(Route route, route_argument(request, slot, argument));
    for (unsigned times = 1; route.where == Where::pool; times++) {
        BASE_TRY_ASSIGN(Thread * thread, context_thread(request.context, route.mount));
        unsigned flags = walk_may_escape | (is_name ? unsigned{walk_create} : 0u) |
                         (argument.follow_last ? unsigned{walk_follow_last} : 0u);
        Result<WalkResult> found = walk(*thread, route.start, route.path, flags);
        if (found.ok() || found.error().number() != path_escapes)
            break; // other errors: the call itself says them
        BASE_TRY_ASSIGN(route, route_escaped(request.context, slot, route, argument.last(), times));
    }
    return route;
}

bool is_kernel(const Route &route) {
    return route.where == Where::kernel || route.where == Where::kernel_rewritten;
}

// What Linux says of one side of a rename or link, before it sees that the two are on different file systems.
Status error_on_host(Request &request, unsigned slot, const PathArgument &argument, const Route &route, bool is_source,
                     bool renames) {
    const bool is_rewritten = route.where == Where::kernel_rewritten;
    const char *path = is_rewritten ? route.host_path : request.context.path[slot];
    if (!is_rewritten) // what the context had of it may have been walked over
        BASE_TRY(copy_user_string(request.context.path[slot], path_max_bytes,
                                  reinterpret_cast<const char *>(request.args[argument.path_index])));
    const long directory = is_rewritten ? AT_FDCWD : dirfd_of(request, argument);
    struct stat status;
    auto look = [&](const char *which, int flags) {
        return base::raw_syscall(SYS_newfstatat, directory, base::as_long(which), base::as_long(&status), flags);
    };
    if (is_source && !renames) {
        const long found = look(path, argument.follow_last ? 0 : AT_SYMLINK_NOFOLLOW);
        return base::is_error(found) ? Status(error(static_cast<int>(-found))) : Status();
    }
    std::string_view parent(path);
    while (parent.size() > 1 && parent.ends_with('/'))
        parent.remove_suffix(1);
    parent = parent.substr(0, parent.rfind('/') + 1); // with its slash, or nothing
    char *text = reinterpret_cast<char *>(request.context.buffer);
    std::memcpy(text, parent.data(), parent.size());
    text[parent.size()] = '.';
    text[parent.size() + 1] = 0;
    if (const long found = look(text, 0); base::is_error(found))
        return error(static_cast<int>(-found));
    if (renames)
        return {};
    // A new name with a slash behind it is looked for without: it is there, or must be a directory's.
    std::string_view name(path);
    while (name.size() > 1 && name.ends_with('/'))
        name.remove_suffix(1);
    std::memcpy(text, name.data(), name.size());
    text[name.size()] = 0;
    if (!base::is_error(look(text, AT_SYMLINK_NOFOLLOW)))
        return error(EEXIST);
    return name.size() < std::strlen(path) ? Status(error(ENOENT)) : Status();
}

Status error_in_pool(Request &request, const PathArgument &argument, const Route &route, bool is_source, bool renames) {
    if (is_magic_link(route))
        return {};
    BASE_TRY_ASSIGN(Thread * thread, context_thread(request.context, route.mount));
    const unsigned flags = walk_may_escape | (is_source && !renames ? 0u : unsigned{walk_create}) |
                           (argument.follow_last ? unsigned{walk_follow_last} : 0u);
    BASE_TRY_ASSIGN(const WalkResult found, walk(*thread, route.start, route.path, flags));
    if (renames || is_source)
        return {};
    if (found.inode != 0)
        return error(EEXIST);
    return found.wants_directory ? Status(error(ENOENT)) : Status();
}

Status error_of_side(Request &request, unsigned slot, const PathArgument &argument, const Route &route, bool renames) {
    return is_kernel(route) ? error_on_host(request, slot, argument, route, slot == 0, renames)
                            : error_in_pool(request, argument, route, slot == 0, renames);
}

// Both on the host: to the kernel, with what was rewritten. One on each side: EXDEV.
long serve_two_paths(Request &request, const PathArgument &from_argument, const PathArgument &to_argument,
                     Result<long> (*serve)(Request &, Thread &, const Route &, const Route &)) {
    if (is_empty_string(request.args[from_argument.path_index]))
        return -ENOENT; // before the descriptor that it would begin at
    const bool renames = request.number != SYS_link && request.number != SYS_linkat;
    Result<Route> from = settled_route(request, 0, from_argument, renames);
    if (!from.ok())
        return kernel_result(Status(from.error()));
    Result<Route> to = settled_route(request, 1, to_argument);
    if (is_kernel(*from) && !(to.ok() && to->where == Where::kernel)) { // else the kernel's answer is looked at
        // A symlink of the host may lead into a pool. (The second path is routed again: the first one's exact walk uses
        // its room.)
        PathArgument exact = from_argument;
        exact.care = Care::exact;
        from = settled_route(request, 0, exact, renames);
        if (!from.ok())
            return kernel_result(Status(from.error()));
        to = settled_route(request, 1, to_argument);
    }
    if (!to.ok()) // what is wrong with the other one comes before
        return arguments_first(kernel_result(Status(to.error())),
                               [&] { return error_of_side(request, 0, from_argument, *from, renames); });
    if (is_kernel(*from) && is_kernel(*to)) {
        bool rewritten = false;
        if (from->where == Where::kernel_rewritten) {
            rewrite(request, from_argument, *from);
            rewritten = true;
        }
        if (to->where == Where::kernel_rewritten) {
            rewrite(request, to_argument, *to);
            rewritten = true;
        }
        return rewritten ? pass_to_kernel : pass_with_post;
    }
    if (renames && (from->is_mount_point || to->is_mount_point))
        return -EBUSY;
    if (to->is_mount_point)
        return -EEXIST;
    // The kernel would say so for an empty path, which is nobody's.
    if (is_kernel(*to) && is_empty_string(request.args[to_argument.path_index]))
        return arguments_first(-ENOENT, [&] { return error_of_side(request, 0, from_argument, *from, renames); });
    if (is_kernel(*from) || is_kernel(*to) || from->mount != to->mount || to->where == Where::descriptor) {
        for (const unsigned slot : {0u, 1u})
            if (const Status status = error_of_side(request, slot, slot == 0 ? from_argument : to_argument,
                                                    slot == 0 ? *from : *to, renames);
                !status.ok())
                return kernel_result(status);
        return -EXDEV;
    }
    Result<Thread *> thread = context_thread(request.context, from->mount);
    if (!thread.ok())
        return kernel_result(Status(thread.error()));
    Result<long> result = serve(request, **thread, *from, *to);
    while (!result.ok() && result.error().number() == ESTALE)
        result = serve(request, **thread, *from, *to); // as in serve_path
    return kernel_result(result);
}

// linkat's flags sit in the fifth register, renameat2's too.
Result<long> rename_in_pool(Request &request, Thread &thread, const Route &from, const Route &to) {
    if (from.where == Where::descriptor)
        return error(EXDEV);
    unsigned flags = request.number == SYS_renameat2 ? static_cast<unsigned>(request.args[4]) : 0;
    const NoticedName from_name = notice_name(thread, from.at(0));
    const NoticedName to_name = notice_new(thread, to.at(0));
    BASE_TRY(fs_rename(thread, from.at(0), to.at(0), flags));
    tell_renamed({request.context, thread, from.mount}, from_name, to_name, flags);
    return 0L;
}

Result<long> link_in_pool(Request &request, Thread &thread, const Route &from, const Route &to) {
    const int flags = request.number == SYS_linkat ? static_cast<int>(request.args[4]) : 0;
    BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, from, (flags & AT_SYMLINK_FOLLOW) != 0));
    const NoticedName name = notice_new(thread, to.at(0));
    BASE_TRY(fs_link(thread, inode, to.at(0)));
    tell_linked(thread, inode.number, name);
    return 0L;
}

// linkat(fd, "", ..., AT_EMPTY_PATH): what the descriptor stands for (or the working directory: EPERM) gets a name.
long link_descriptor(Request &request, const PathArgument &to_argument) {
    Result<OpenArgument> open = empty_argument(request);
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread == nullptr && static_cast<int>(request.args[0]) != AT_FDCWD &&
        base::is_error(base::raw_syscall(SYS_fcntl, request.args[0], F_GETFD)))
        return -EBADF;
    if (is_empty_string(request.args[to_argument.path_index]))
        return -ENOENT; // before the descriptor that it would begin at
    Result<Route> to = settled_route(request, 1, to_argument);
    if (!to.ok())
        return kernel_result(Status(to.error()));
    if (open->thread == nullptr && is_kernel(*to))
        return pass_to_kernel;
    if (open->thread == nullptr || is_kernel(*to) || to->mount != open->mount || to->where == Where::descriptor)
        return arguments_first(-EXDEV, [&] { return error_of_side(request, 1, to_argument, *to, false); });
    Result<InodeNumber> inode = inode_of_open(*open, true);
    if (!inode.ok())
        return kernel_result(Status(inode.error()));
    const NoticedName name = notice_new(*open->thread, to->at(0));
    const Status linked = fs_link(*open->thread, *inode, to->at(0));
    if (linked.ok())
        tell_linked(*open->thread, *inode, name);
    return kernel_result(linked);
}

} // namespace

long serve_mkdir(Request &request) {
    return mkdir_form(request, making(-1, 0), request.args[1]);
}
long serve_mkdirat(Request &request) {
    return mkdir_form(request, making(0, 1), request.args[2]);
}
long serve_mknod(Request &request) {
    return mknod_form(request, making(-1, 0), request.args[1], request.args[2]);
}
long serve_mknodat(Request &request) {
    return mknod_form(request, making(0, 1), request.args[2], request.args[3]);
}
long serve_rmdir(Request &request) {
    return unlink_form(request, -1, 0, true);
}
long serve_unlink(Request &request) {
    return unlink_form(request, -1, 0, false);
}
long serve_unlinkat(Request &request) {
    int flags = static_cast<int>(request.args[2]);
    if ((flags & ~AT_REMOVEDIR) != 0)
        return -EINVAL; // the kernel's answer too, wherever the path leads
    return unlink_form(request, 0, 1, (flags & AT_REMOVEDIR) != 0);
}
long serve_symlink(Request &request) {
    return symlink_form(request, making(-1, 1), request.args[0]);
}
long serve_symlinkat(Request &request) {
    return symlink_form(request, making(1, 2), request.args[0]);
}
long serve_rename(Request &request) {
    return serve_two_paths(request, taking(-1, 0), making(-1, 1), rename_in_pool);
}
long serve_renameat(Request &request) {
    return serve_two_paths(request, taking(0, 1), making(2, 3), rename_in_pool);
}
long serve_renameat2(Request &request) {
    const auto flags = static_cast<unsigned>(request.args[4]);
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) != 0 ||
        ((flags & RENAME_EXCHANGE) != 0 && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) != 0))
        return pass_to_kernel; // EINVAL, whatever the paths are
    return serve_two_paths(request, taking(0, 1), making(2, 3), rename_in_pool);
}
long serve_link(Request &request) {
    return serve_two_paths(request, {-1, 0, false}, making(-1, 1), link_in_pool);
}
long serve_linkat(Request &request) {
    int flags = static_cast<int>(request.args[4]);
    if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0)
        return pass_to_kernel; // EINVAL, whatever the paths are
    if ((flags & AT_EMPTY_PATH) != 0 && is_empty_string(request.args[1]))
        return link_descriptor(request, making(2, 3));
    return serve_two_paths(request, {0, 1, (flags & AT_SYMLINK_FOLLOW) != 0}, making(2, 3), link_in_pool);
}

} // namespace shim
