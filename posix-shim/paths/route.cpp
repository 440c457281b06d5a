// Routing of path arguments.
//
//   "/mnt/p/a/b"   absolute: components compared with each mount point
//                  after chroot into a pool: all of them are ours, and begin at that directory
//   "a/b"          working directory in a pool: ours; else on the host: only if
//                  the cleaned "cwd/a/b" lies in a mount
//   fd, "a/b"      fd a token: ours, begins at its inode
//   "/proc/self/fd/5/a", "/dev/stdin"   5 a token: its inode
#include "posix-shim/paths/route.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/open_inode.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/near_proc.h"
#include "posix-shim/paths/clean_path.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/paths/proc_path.h"
#include "posix-shim/paths/shadow_path.h"
#include "posix-shim/paths/user_string.h"
#include "posix-shim/process/working_directory.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

namespace {

constexpr size_t path_bytes = pmemfile::path_max_bytes;

base::Result<pmemfile::InodeNumber> inode_of(ThreadContext &context, unsigned mount, OpenFileId id) {
    BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, mount));
    BASE_TRY_ASSIGN(pmemfile::OpenFile * file, pmemfile::open_file_get(*thread, id));
    BASE_TRY_ASSIGN(const pmemfile::InodeHandle inode, pmemfile::open_inode(*thread, *file, id));
    return pmemfile::InodeNumber{inode.number};
}

// Ours if it begins at a token: the number and what follows it.
base::Result<Route> route_number(ThreadContext &context, std::string_view text) {
    const long number = take_number(text);
    Route route;
    if (number < 0)
        return route;
    BASE_TRY_ASSIGN(DescriptorWord word, descriptor_lookup(context, number));
    if (!is_ours(word) && !is_fifo(word))
        return route;
    route.mount = word_mount(word);
    route.id = word_id(word);
    route.is_through_link = true;
    route.is_open_fifo = is_fifo(word);
    if (text.empty()) {
        route.where = Where::descriptor;
        return route;
    }
    BASE_TRY_ASSIGN(route.start, inode_of(context, route.mount, route.id));
    text.remove_prefix(1);
    route.path = text.empty() ? std::string_view(".") : text;
    route.where = Where::pool;
    return route;
}

Route route_in_mount(int mount, std::string_view rest) {
    Route route;
    route.where = Where::pool;
    route.mount = static_cast<unsigned>(mount);
    route.start = mounts[mount].pool.superblock().root_inode;
    route.is_mount_point = rest.empty();
    route.path = rest.empty() ? std::string_view(".") : rest;
    return route;
}

// Where the process's root is in a pool and an absolute path begins.
Route route_at_root(const WorkingDirectory &root, std::string_view path) {
    Route route;
    route.where = Where::pool;
    route.mount = static_cast<unsigned>(root.mount);
    route.start = root.inode;
    route.path = path;
    return route;
}

base::Result<Route> route_special(ThreadContext &context, std::string_view path) {
    if (path == "/dev/stdin")
        return route_number(context, "0");
    if (path == "/dev/stdout")
        return route_number(context, "1");
    if (path == "/dev/stderr")
        return route_number(context, "2");
    if (take_prefix(path, "/dev/fd/"))
        return route_number(context, path);
    std::string_view inside;
    if (const int mount = shadow_mount_of(path, &inside); mount >= 0)
        return route_in_mount(mount, inside.substr(std::min(inside.find_first_not_of('/'), inside.size())));
    Route route;
    if (!take_proc_self(path))
        return route;
    if (take_prefix(path, "fd/"))
        return route_number(context, path);
    if (path == "exe" && shadowed_program.mount >= 0) {
        route = route_in_mount(shadowed_program.mount, {shadowed_program.inside, shadowed_program.length});
        route.is_program = route.is_through_link = true;
        return route;
    }
    if (path == "cwd" || path.starts_with("cwd/")) {
        WorkingDirectory cwd = working_directory();
        if (cwd.mount < 0)
            return route;
        route.mount = static_cast<unsigned>(cwd.mount);
        route.is_through_link = true;
        if (path == "cwd") {
            route.where = Where::descriptor;
            route.id = cwd.holder;
        } else {
            route.where = Where::pool;
            route.start = cwd.inode;
            path.remove_prefix(4);
            route.path = path.empty() ? std::string_view(".") : path;
        }
    }
    return route;
}

// Where the exact walk came to.
base::Result<Route> route_walked(ThreadContext &context, unsigned slot, const HostWalkResult &walked) {
    if (walked.mount < 0 && !walked.at_root && !walked.at_link)
        return Route{};
    std::memmove(context.path[slot], walked.rest.data(), walked.rest.size());
    context.path[slot][walked.rest.size()] = 0;
    const std::string_view rest(context.path[slot], walked.rest.size());
    if (walked.at_link)
        return route_special(context, rest);
    return walked.at_root ? route_at_root(root_directory(), rest) : route_in_mount(walked.mount, rest);
}

// "/proc/PID/exe" of another process, where that is a copy of a program in a pool. The link's text is kept in `buffer`.
Route route_other_program(std::string_view path, char *buffer) {
    Route route;
    std::string_view rest = path;
    if (take_proc_number(rest) < 0 || rest != "exe")
        return route;
    const long length = base::raw_syscall(SYS_readlinkat, AT_FDCWD, base::as_long(path.data()), base::as_long(buffer),
                                          static_cast<long>(path_bytes));
    std::string_view inside;
    const int mount = base::is_error(length) ? -1 : shadow_mount_of({buffer, static_cast<size_t>(length)}, &inside);
    if (mount < 0 || inside.size() < 2)
        return route;
    if (is_shadow_of_root(inside))
        return route; // its root is in the pool, and what it executes has no other name here
    route = route_in_mount(mount, inside.substr(1));
    route.is_program = route.is_through_link = true;
    return route;
}

// Cleaning loses what the engine must see: "file/" and "file/." are errors, rmdir("d/.") another.
// So the rest is taken from the original text: its last names, as many as the cleaned rest has.
// (There are no ".." between them, else the path was not exact.)
std::string_view rest_of_original(std::string_view path, std::string_view cleaned_rest) {
    size_t names = cleaned_rest.empty() ? 0 : 1;
    for (char character : cleaned_rest)
        names += character == '/' ? 1 : 0;
    size_t at = path.size();
    while (names > 0) {
        size_t end = at;
        while (end > 0 && path[end - 1] == '/')
            end--;
        at = end;
        while (at > 0 && path[at - 1] != '/')
            at--;
        if (path.substr(at, end - at) != ".")
            names--;
    }
    return path.substr(at);
}

// One call instead of one for each component: the kernel says ELOOP if there is a symlink.
bool symlink_on_the_way(long dirfd, const char *path, bool follow_last) {
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_PATH | O_CLOEXEC | (follow_last ? 0u : static_cast<unsigned>(O_NOFOLLOW)), 0, 0x04 /* NO_SYMLINKS */};
    static constinit std::atomic<bool> is_missing = false; // an old kernel, or Valgrind, which complains of each call
    if (is_missing.load(std::memory_order_relaxed))
        return true;
    const long probe = base::raw_syscall(SYS_openat2, dirfd, base::as_long(path), base::as_long(&how), sizeof(how));
    if (!base::is_error(probe))
        base::raw_syscall(SYS_close, probe);
    else if (probe == -ENOSYS)
        is_missing.store(true, std::memory_order_relaxed);
    return probe == -ELOOP || probe == -ENOSYS;
}

bool leads_to_ours(long dirfd, const char *path) {
    struct stat status;
    return !base::is_error(base::raw_syscall(SYS_newfstatat, dirfd, base::as_long(path), base::as_long(&status), 0)) &&
           stands_for_mount(status.st_dev, status.st_ino);
}

} // namespace

int mount_of(std::string_view path, std::string_view *rest) {
    int best = -1;
    for (unsigned i = 0; i < mount_count; i++) {
        std::string_view mount = mounts[i].path();
        if (!path.starts_with(mount) || (path.size() > mount.size() && path[mount.size()] != '/'))
            continue;
        if (best >= 0 && mounts[best].path().size() > mount.size())
            continue;
        best = static_cast<int>(i);
        *rest = path.size() > mount.size() ? path.substr(mount.size() + 1) : std::string_view();
    }
    return best;
}

namespace {

// As route_string; an absolute path begins at the host's root in any case.
base::Result<Route> route_from_host_root(ThreadContext &context, unsigned slot, long dirfd, std::string_view path,
                                         Care care, Last last) {
    Route kernel;
    const auto is_kernels = [&] {
        if (care == Care::asked)
            care = leads_to_ours(dirfd, path.data()) ? Care::exact : Care::quick;
        return care == Care::quick;
    };
    context.is_near_proc = false;
    if (path.empty()) { // AT_EMPTY_PATH is the caller's business
        // The kernel says ENOENT; but with that flag it would act on its own working directory, or on a token.
        if (static_cast<int>(dirfd) == AT_FDCWD)
            return working_directory().mount >= 0 ? base::Result<Route>(base::error(ENOENT)) : kernel;
        const base::Result<DescriptorWord> word = descriptor_lookup(context, dirfd);
        return word.ok() && is_ours(*word) ? base::Result<Route>(base::error(ENOENT)) : kernel;
    }
    bool relative = path[0] != '/';
    char *scratch = context.host_path[slot];
    std::string_view base = "/";
    if (relative) {
        if (static_cast<int>(dirfd) != AT_FDCWD) {
            BASE_TRY_ASSIGN(DescriptorWord word, descriptor_lookup(context, dirfd));
            if (is_ours(word)) {
                Route route;
                route.where = Where::pool;
                route.mount = word_mount(word);
                route.path = path;
                BASE_TRY_ASSIGN(route.start, inode_of(context, route.mount, word_id(word)));
                return route;
            }
            if (!near_proc_is(dirfd) && !climbs_to_links(path) && is_kernels())
                return kernel;
            base::Result<size_t> length = host_directory_path(dirfd, context.symlink, path_bytes);
            if (!length.ok())
                return kernel; // EBADF and the like: the kernel says it
            base = {context.symlink, *length};
        } else {
            WorkingDirectory cwd = working_directory();
            if (cwd.mount >= 0) {
                Route route;
                route.where = Where::pool;
                route.mount = static_cast<unsigned>(cwd.mount);
                route.start = cwd.inode;
                route.path = path;
                return route;
            }
            base::Result<std::string_view> host = host_cwd(context);
            if (!host.ok())
                return kernel;
            base = *host;
        }
    } else if (path.starts_with("/proc/") ||
               (path.starts_with("/dev/") && (may_name_link(path) || is_shadow_path(path)))) {
        BASE_TRY_ASSIGN(Route special, route_special(context, path));
        if (special.where == Where::kernel)
            special = route_other_program(path, scratch);
        if (special.where != Where::kernel)
            return special;
    }
    bool exact = true;
    std::string_view rest;
    int mount = -1;
    std::string_view cleaned = path;
    if (!is_clean(path) || (relative && (is_near_mount(base) || is_near_proc(base)))) {
        cleaned = {scratch, clean_path(scratch, path_bytes, base, path, &exact)};
        mount = cleaned.empty() ? -1 : mount_of(cleaned, &rest);
        if (mount >= 0 && exact)
            return route_in_mount(mount, rest_of_original(path, rest));
        if ((relative || !exact) && may_name_link(cleaned)) // an absolute path was looked at already
            care = Care::exact;
    } else if (!relative && (mount = mount_of(path, &rest)) >= 0) {
        return route_in_mount(mount, rest);
    }
    context.is_near_proc = is_near_proc(cleaned);
    if (mount < 0 && is_kernels())
        return kernel;
    // A ".." behind a name, or a call that makes something: be exact.
    char *copy = context.path[slot ^ 1];
    bool copy_free = slot == 0; // slot 1 comes second, so path[0] is in use then
    std::string_view walk_base = base;
    if (copy_free) {
        if (base.size() >= path_bytes)
            return kernel;
        std::memcpy(copy, base.data(), base.size());
        walk_base = {copy, base.size()};
    } else {
        if (base.size() >= sizeof(context.buffer))
            return kernel;
        std::memcpy(context.buffer, base.data(), base.size());
        walk_base = {reinterpret_cast<char *>(context.buffer), base.size()};
    }
    BASE_TRY_ASSIGN(HostWalkResult walked, host_walk(context, slot, walk_base, path, last));
    return route_walked(context, slot, walked);
}

// The same, where the process's root is or was in a pool.
base::Result<Route> route_below_root(ThreadContext &context, unsigned slot, long dirfd, std::string_view path,
                                     Care care, Last last) {
    const WorkingDirectory root = root_directory();
    if (root.mount < 0 && context.is_vfork_child && context.vfork_on_host_root && path.starts_with('/'))
        return Route(); // it sees no mounts: their paths are its parent's
    if (root.mount < 0)
        return route_from_host_root(context, slot, dirfd, path, care, last);
    if (!path.starts_with('/')) // the kernel must not follow a symlink to "/..."
        return route_from_host_root(context, slot, dirfd, path, Care::exact, last);
    std::string_view inside;
    if (shadow_mount_of(path, &inside) == root.mount &&
        shadow_take_root(inside, root)) // the loader looks for libraries
        return route_at_root(root, inside.empty() ? "/" : inside);
    return route_at_root(root, path);
}

} // namespace

base::Result<Route> route_string(ThreadContext &context, unsigned slot, long dirfd, std::string_view path, Care care,
                                 Last last) {
    if (root_was_changed.load(std::memory_order_relaxed)) [[unlikely]]
        return route_below_root(context, slot, dirfd, path, care, last);
    return route_from_host_root(context, slot, dirfd, path, care, last);
}

base::Result<Route> route_path(ThreadContext &context, unsigned slot, long dirfd, const char *user_path, Care care,
                               Last last) {
    BASE_TRY_ASSIGN(size_t length, copy_user_string(context.path[slot], path_bytes, user_path));
    length = tidy_proc_path(context.path[slot], length);
    return route_string(context, slot, dirfd, {context.path[slot], length}, care, last);
}

base::Result<Route> route_in_directory(ThreadContext &context, unsigned slot, long dirfd, const char *user_path) {
    const base::Result<size_t> length = copy_user_string(context.path[slot], path_bytes, user_path);
    BASE_TRY(length);
    std::string_view path(context.path[slot], *length);
    const bool is_absolute = path.starts_with('/');
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    return route_from_host_root(context, slot, dirfd, path.empty() && is_absolute ? "." : path, Care::quick,
                                Last::follow);
}

base::Result<Route> route_escaped(ThreadContext &context, unsigned slot, const Route &route, Last last,
                                  unsigned times) {
    if (times > 40)
        return base::error(ELOOP);
    BASE_TRY_ASSIGN(pmemfile::Thread * thread, context_thread(context, route.mount));
    std::string_view escape(thread->escape_path, thread->escape_length);
    const Mount &mount = mounts[route.mount];
    if (!mount.is_reachable() && !escape.starts_with('/'))
        return base::error(ENOENT); // above it is what the new root hides, and we have no name for it
    // Relative, it begins with ".." from the mount point. That path is canonical, so each
    // ".." takes a name off it; left in the text, it would lead through the mount again.
    std::string_view base = mount.path();
    while (escape == ".." || escape.starts_with("../")) {
        base = base.substr(0, base.rfind('/'));
        escape.remove_prefix(2);
        escape.remove_prefix(std::min(escape.find_first_not_of('/'), escape.size()));
        if (base.empty())
            break; // "/.." is "/"; the kernel cleans up what follows
    }
    char *text = context.path[slot];
    size_t length = 0;
    const bool is_absolute = escape.starts_with('/');
    if (!escape.starts_with('/')) {
        if (base.size() + 1 + escape.size() >= path_bytes)
            return base::error(ENAMETOOLONG);
        std::memcpy(text, base.data(), base.size());
        text[base.size()] = '/';
        length = base.size() + 1;
    }
    if (length + escape.size() >= path_bytes)
        return base::error(ENAMETOOLONG);
    std::memcpy(text + length, escape.data(), escape.size());
    length += escape.size();
    text[length] = 0;
    if (root_directory().mount >= 0 && !is_absolute) // the kernel must not follow a symlink to "/..."
        last = Last::follow;
    BASE_TRY_ASSIGN(Route next, is_absolute
                                    ? route_string(context, slot, AT_FDCWD, {text, length}, Care::exact, last)
                                    : route_from_host_root(context, slot, AT_FDCWD, {text, length}, Care::exact, last));
    if (next.where == Where::kernel) {
        std::memcpy(context.host_path[slot], text, length + 1);
        next.where = Where::kernel_rewritten;
        next.host_path = context.host_path[slot];
    }
    return next;
}

base::Result<Route> route_after_miss(ThreadContext &context, unsigned slot, long dirfd, const char *user_path,
                                     Last last, bool probe) {
    Route kernel;
    base::Result<size_t> length = copy_user_string(context.path[slot], path_bytes, user_path);
    if (!length.ok() || *length == 0)
        return kernel;
    std::string_view path(context.path[slot], *length);
    std::string_view base = "/";
    char *base_buffer = reinterpret_cast<char *>(context.buffer);
    // Below a descriptor of the host nobody has looked for a mount yet; elsewhere only a symlink leads to one now.
    const bool is_new = path[0] != '/' && static_cast<int>(dirfd) != AT_FDCWD && names_mount_point(path);
    if (probe && !is_new && !symlink_on_the_way(dirfd, context.path[slot], last == Last::follow))
        return kernel;
    if (path[0] != '/') {
        base::Result<size_t> base_length = host_directory_path(dirfd, base_buffer, path_bytes);
        if (!base_length.ok())
            return kernel;
        base = {base_buffer, *base_length};
    }
    BASE_TRY_ASSIGN(HostWalkResult walked, host_walk(context, slot, base, path, last));
    return route_walked(context, slot, walked);
}

} // namespace shim
