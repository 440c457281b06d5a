// path_call: the frame around every call with a path: route it, serve it in the
// pool, go on where a path leaves the pool, hand it to the kernel otherwise.
#pragma once

#include "base/raw_syscall.h"
#include "base/user_copy.h"
#include "libpmemfile/fs/open_inode.h"
#include "posix-shim/calls/handler.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/notify/events.h"
#include "posix-shim/paths/empty_path.h"
#include "posix-shim/paths/route.h"

#include <cerrno>
#include <fcntl.h>

namespace shim {

// Which registers hold the path, and what the call does with it.
struct PathArgument {
    int dirfd_index = -1; // -1: AT_FDCWD
    int path_index = 0;
    bool follow_last = true;
    Care care = Care::quick;
    bool in_root = false; // RESOLVE_IN_ROOT
    // With `follow_last` false: a slash behind the last component does not have it followed either.
    bool is_name = false;

    Last last() const {
        return follow_last ? Last::follow : is_name ? Last::name : Last::link;
    }
};

inline long dirfd_of(const Request &request, const PathArgument &argument) {
    return argument.dirfd_index < 0 ? AT_FDCWD : request.args[argument.dirfd_index];
}

// The kernel gets the path that left the pool instead of the original.
inline void rewrite(Request &request, const PathArgument &argument, const Route &route) {
    request.rewrite_begin();
    request.args[argument.path_index] = base::as_long(route.host_path);
    if (argument.dirfd_index >= 0)
        request.args[argument.dirfd_index] = AT_FDCWD;
}

inline base::Result<Route> route_argument(Request &request, unsigned slot, const PathArgument &argument) {
    auto *user = reinterpret_cast<const char *>(request.args[argument.path_index]);
    if (request.again != Request::Again::no)
        return route_after_miss(request.context, slot, dirfd_of(request, argument), user, argument.last(),
                                request.again == Request::Again::after_miss);
    if (argument.in_root)
        return route_in_directory(request.context, slot, dirfd_of(request, argument), user);
    return route_path(request.context, slot, dirfd_of(request, argument), user, argument.care, argument.last());
}

// Serves a call with one path. `serve(thread, route)` gives a Result<long>; it may answer
// path_escapes as the engine does. For Where::descriptor it gets the route as it is.
template <typename Serve> long serve_path(Request &request, const PathArgument &argument, Serve serve) {
    base::Result<Route> route = route_argument(request, 0, argument);
    for (unsigned times = 1;; times++) {
        if (!route.ok())
            return kernel_result(base::Status(route.error()));
        if (route->where == Where::kernel)
            return pass_with_post;
        if (route->where == Where::kernel_rewritten) {
            rewrite(request, argument, *route);
            return pass_to_kernel;
        }
        base::Result<pmemfile::Thread *> thread = context_thread(request.context, route->mount);
        if (!thread.ok())
            return kernel_result(base::Status(thread.error()));
        base::Result<long> result = serve(**thread, *route);
        while (!result.ok() && result.error().number() == ESTALE)
            result = serve(**thread, *route); // what the path led to went between walk and act: look again
        if (result.ok() || result.error().number() != pmemfile::path_escapes)
            return result.ok() ? *result : -static_cast<long>(result.error().number());
        route = route_escaped(request.context, 0, *route, argument.last(), times);
    }
}

// A symlink in /proc: it has no inode of ours, only what it leads to has one. Calls on the link itself are the
// kernel's.
inline bool is_magic_link(const Route &route) {
    return route.where == Where::descriptor || route.is_program;
}

// The inode a route leads to. /proc/self/fd/N: the description's, or with `follow_last` false
// EINVAL (the caller answers for the link itself).
base::Result<pmemfile::InodeHandle> inode_of_route(pmemfile::Thread &thread, const Route &route, bool follow_last,
                                                   unsigned extra_flags = 0);

// The descriptor argument of a call on open files. `thread` null: not ours.
struct OpenArgument {
    pmemfile::Thread *thread = nullptr;
    unsigned mount = 0;
    pmemfile::OpenFileId id = 0;
    bool is_fifo = false; // `id` keeps the inode; it is not what the program opened
};
inline base::Result<OpenArgument> open_of_word(ThreadContext &context, DescriptorWord word) {
    OpenArgument open;
    open.mount = word_mount(word);
    open.id = word_id(word);
    BASE_TRY_ASSIGN(open.thread, context_thread(context, open.mount));
    return open;
}
inline base::Result<OpenArgument> open_argument(ThreadContext &context, long descriptor) {
    BASE_TRY_ASSIGN(const DescriptorWord word, descriptor_lookup(context, descriptor));
    if (is_ours(word)) [[likely]]
        return open_of_word(context, word);
    return word == descriptor_own ? base::Result<OpenArgument>(base::error(EBADF)) : OpenArgument();
}
inline base::Result<OpenArgument> open_argument(Request &request, int index) {
    return open_argument(request.context, request.args[index]);
}
// The same for calls that ask for the inode alone: an open fifo is ours then too.
[[gnu::always_inline]] inline base::Result<OpenArgument> inode_argument(Request &request, int index) {
    BASE_TRY_ASSIGN(const DescriptorWord word, descriptor_lookup(request.context, request.args[index]));
    if (is_ours(word) || is_fifo(word)) [[likely]] {
        base::Result<OpenArgument> open = open_of_word(request.context, word);
        if (open.ok())
            open->is_fifo = is_fifo(word);
        return open;
    }
    return word == descriptor_own ? base::Result<OpenArgument>(base::error(EBADF)) : OpenArgument();
}
// What a call with AT_EMPTY_PATH and no path acts on: the descriptor in argument 0, or the working directory (by the
// description that holds it).
inline base::Result<OpenArgument> empty_argument(Request &request) {
    if (static_cast<int>(request.args[0]) != AT_FDCWD) [[likely]]
        return inode_argument(request, 0);
    OpenArgument open;
    const WorkingDirectory cwd = working_directory();
    if (cwd.mount < 0)
        return open;
    open.mount = static_cast<unsigned>(cwd.mount);
    open.id = cwd.holder;
    BASE_TRY_ASSIGN(open.thread, context_thread(request.context, open.mount));
    return open;
}
// Its inode, for calls that do not need more (fchmod ...). O_PATH: EBADF unless `allow_path`.
inline base::Result<pmemfile::InodeHandle> handle_of_open(const OpenArgument &open, bool allow_path) {
    BASE_TRY_ASSIGN(pmemfile::OpenFile * file, pmemfile::open_file_get(*open.thread, open.id));
    if (!allow_path && !open.is_fifo && (file->flags.load() & O_PATH) != 0)
        return base::error(EBADF);
    return pmemfile::open_inode(*open.thread, *file, open.id);
}
inline base::Result<pmemfile::InodeNumber> inode_of_open(const OpenArgument &open, bool allow_path) {
    BASE_TRY_ASSIGN(const pmemfile::InodeHandle inode, handle_of_open(open, allow_path));
    return pmemfile::InodeNumber{inode.number};
}

// How a call names what it acts on, if not by a path: by argument 0, which must be open for more than O_PATH, or (an
// at-call with AT_EMPTY_PATH) by that or the working directory, as empty_argument says.
enum class Named : uint8_t { by_descriptor, by_empty_path };
inline base::Result<OpenArgument> named_argument(Request &request, Named named) {
    return named == Named::by_empty_path ? empty_argument(request) : inode_argument(request, 0);
}

// Serves a call on the inode of an open file: serve(thread, inode) gives a Status or a Result<long>.
template <typename Serve> long serve_descriptor(Request &request, Named named, Serve serve) {
    base::Result<OpenArgument> open = named_argument(request, named);
    if (!open.ok())
        return kernel_result(base::Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    const base::Result<pmemfile::InodeHandle> inode = handle_of_open(*open, named == Named::by_empty_path);
    if (!inode.ok())
        return kernel_result(base::Status(inode.error()));
    return kernel_result(pmemfile::of_open(serve(*open->thread, *inode)));
}

// Who watches the file is told, when something was moved. Gives `result` on.
inline long told(ThreadContext &context, const OpenArgument &open, Event event, long result) {
    if (result > 0)
        tell_open_file(context, *open.thread, open.mount, open.id, event);
    return result;
}

// Of a call that changes what a path leads to, or watches it: the kernel must not follow a symlink of the host to a
// token, or to a mount point's directory, and act on that.
inline PathArgument looked_at_first(PathArgument argument) {
    if (argument.follow_last && argument.care == Care::quick)
        argument.care = Care::asked;
    return argument;
}

// Serves a call that changes the inode a path leads to: `change(thread, inode)` gives a Status or a Result<long>. Who
// watches it is told of `event`, if there is one.
template <typename Change>
long change_inode(Request &request, const PathArgument &path, const Event *event, Change change) {
    const PathArgument argument = event != nullptr || descriptor_any_ours() ? looked_at_first(path) : path;
    return serve_path(request, argument, [&](pmemfile::Thread &thread, const Route &route) -> base::Result<long> {
        if (is_magic_link(route) && !argument.follow_last)
            return pass_to_kernel;
        const NoticedName name =
            event == nullptr || route.where == Where::descriptor
                ? NoticedName()
                : notice_name(thread, route.at(argument.follow_last ? pmemfile::walk_follow_last : 0u));
        BASE_TRY_ASSIGN(pmemfile::InodeHandle inode, inode_of_route(thread, route, argument.follow_last));
        const long done = kernel_result(change(thread, inode));
        if (event == nullptr || base::is_error(done))
            return done;
        if (route.where == Where::descriptor)
            tell_open_file(request.context, thread, route.mount, route.id, *event);
        else
            tell_name(thread, name, *event);
        return done;
    });
}
// The same of an open file.
template <typename Change> long change_descriptor(Request &request, Named named, const Event *event, Change change) {
    const long done = serve_descriptor(request, named, change);
    if (event == nullptr || done == pass_to_kernel || base::is_error(done))
        return done;
    if (const base::Result<OpenArgument> open = named_argument(request, named); open.ok() && open->thread != nullptr)
        tell_open_file(request.context, *open->thread, open->mount, open->id, *event);
    return done;
}
constexpr Event event_attributes = Event::attributes;

// Is the path of a call with AT_EMPTY_PATH empty? Then the call means its descriptor.
inline bool is_empty_string(long user) {
    return user == libc_empty_path.load(std::memory_order_relaxed) ||
           base_user_byte(reinterpret_cast<const void *>(user)) == 0;
}
// Or null, which calls that only look take for the same (stat and statx, since Linux 6.11)?
inline bool is_no_path(long user) {
    return user == 0 || is_empty_string(user);
}

// Copies a structure to or from the application. EFAULT.
inline base::Status copy_out(void *user, const void *from, size_t size_bytes) {
    return base_user_copy(user, from, size_bytes) != 0 ? base::error(EFAULT) : base::Status();
}
inline base::Status copy_in(void *to, const void *user, size_t size_bytes) {
    return base_user_copy(to, user, size_bytes) != 0 ? base::error(EFAULT) : base::Status();
}

// Gives a description its number (descriptor_open); closes the description again if that fails.
long open_descriptor(ThreadContext &context, pmemfile::Thread &thread, unsigned mount, pmemfile::OpenFileId id,
                     int flags, int taken = -1);

} // namespace shim
