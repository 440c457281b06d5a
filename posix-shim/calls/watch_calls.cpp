// inotify_add_watch on what is in a pool: the kernel watches what stands for it (notify/mirror.h).
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "posix-shim/notify/events.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using namespace pmemfile;

namespace {

// What is to be watched, and how it was found.
struct Watched {
    InodeHandle inode;
    InodeNumber parent = 0;
    std::string_view name;
};

Result<Watched> find_watched(Thread &thread, const Route &route, bool follow_last) {
    if (is_magic_link(route)) {
        BASE_TRY_ASSIGN(const InodeHandle inode, inode_of_route(thread, route, follow_last));
        return Watched{inode, 0, {}};
    }
    BASE_TRY_ASSIGN(const WalkResult found,
                    walk(thread, route.start, route.path, walk_may_escape | (follow_last ? walk_follow_last : 0u)));
    return Watched{found.handle(), found.parent, found.name == "." || found.name == ".." ? "" : found.name};
}

Result<long> watch_in_pool(Request &request, Thread &thread, const Route &route, uint32_t mask) {
    BASE_TRY_ASSIGN(const Watched watched, find_watched(thread, route, (mask & IN_DONT_FOLLOW) == 0));
    BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(thread, watched.inode));
    const bool is_directory = S_ISDIR(attributes.mode);
    if ((mask & IN_ONLYDIR) != 0 && !is_directory)
        return error(ENOTDIR);
    BASE_TRY(fs_access(thread, watched.inode, R_OK, false));
    char name[name_max_bytes];
    const size_t length = watched.name.copy(name, sizeof name);
    const Result<MirrorPath> path = mirror_watch(request.context, thread, route.mount, attributes.inode, is_directory,
                                                 watched.parent, {name, length});
    if (!path.ok()) // no room there, or none may be made: programs then look from time to time
        return refused(request, ENOSPC, "nothing to watch can be made in /dev/shm");
    adopt_open_files(request.context, thread, route.mount, attributes.inode);
    return base::raw_syscall(SYS_inotify_add_watch, request.args[0], path->raw(), mask);
}

} // namespace

long serve_inotify_add_watch(Request &request) {
    const auto mask = static_cast<uint32_t>(request.args[2]);
    // What the kernel says of the descriptor and the mask, it says before it looks at a path: "" is nowhere.
    const long asked = base::raw_syscall(SYS_inotify_add_watch, request.args[0], base::as_long(""), mask);
    if (asked != -ENOENT)
        return asked;
    return serve_path(request, looked_at_first({-1, 1, (mask & IN_DONT_FOLLOW) == 0}),
                      [&](Thread &thread, const Route &route) { return watch_in_pool(request, thread, route, mask); });
}

} // namespace shim
