// route: is a path argument ours, and where does it begin?
//
// Decided in two steps. Before the call: a cheap look at the string, which
// answers for absolute paths, for the working directory and for directory
// descriptors of ours. After the kernel said ENOENT or the like: the exact walk
// over host symlinks (paths/host_walk.h).
#pragma once

#include "base/result.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/runtime/open_file.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/process/context.h"

#include <string_view>

namespace shim {

enum class Where : uint8_t {
    kernel,           // not ours, arguments untouched
    kernel_rewritten, // not ours any more (it left the pool): absolute path in `host_path`
    pool,             // `mount`, `start`, `path`
    descriptor,       // /proc/self/fd/N and the like of one of ours: `mount`, `id`
};

struct Route {
    Where where = Where::kernel;
    unsigned mount = 0;
    pmemfile::InodeNumber start = 0;
    std::string_view path; // in ThreadContext::path[slot] or below it
    pmemfile::OpenFileId id = 0;
    bool is_mount_point = false;     // it ends there; `path` is "."
    bool is_program = false;         // /proc/PID/exe, of a program in a pool: a symlink to `path`
    bool is_through_link = false;    // by /proc/self/fd, cwd or exe, symlinks whose text says nothing
    bool is_open_fifo = false;       // the number in /proc/self/fd is the kernel's own fifo
    const char *host_path = nullptr; // NUL-terminated, in ThreadContext::host_path[slot]

    pmemfile::At at(unsigned flags) const {
        return {start, path, flags | pmemfile::walk_may_escape};
    }
};

// How exactly to look before the kernel is asked. A call that makes a name must
// be exact: a host symlink to a mount point would let it land below the mount.
enum class Care : uint8_t {
    quick, // a wrong "kernel" is noticed by its ENOENT
    asked, // exact where the kernel says that the path leads to a token, or to a mount point's directory
    exact  // host symlinks and descriptors are followed first, the last component as `Last` says
};

// After chroot into a pool absolute paths are all ours and begin at that directory; symlinks of the host with an
// absolute target too.
//
// Routes one path argument. `slot` 0 or 1: which scratch buffers hold it.
// `dirfd` as the *at calls. EFAULT, ENAMETOOLONG, EBADF, ENOTDIR (a token that is
// no directory is found out by the engine).
base::Result<Route> route_path(ThreadContext &context, unsigned slot, long dirfd, const char *user_path, Care care,
                               Last last);
// The same for openat2 with RESOLVE_IN_ROOT: an absolute path begins at `dirfd` too.
base::Result<Route> route_in_directory(ThreadContext &context, unsigned slot, long dirfd, const char *user_path);
// The same for a string that is already in ThreadContext::path[slot].
base::Result<Route> route_string(ThreadContext &context, unsigned slot, long dirfd, std::string_view path, Care care,
                                 Last last);
// A walk of `route` answered path_escapes: where the rest leads, exactly, for symlinks of the host may lead back. ELOOP
// after 40 times.
base::Result<Route> route_escaped(ThreadContext &context, unsigned slot, const Route &route, Last last, unsigned times);
// After the kernel answered: the exact answer, Where::kernel if it is none of ours. With `probe`
// one call first asks the kernel whether there is a symlink on the way at all.
base::Result<Route> route_after_miss(ThreadContext &context, unsigned slot, long dirfd, const char *user_path,
                                     Last last, bool probe);

// The mount whose path `path` (absolute, free of ".", ".." and "//") lies in, and the rest without leading
// slash; -1.
int mount_of(std::string_view path, std::string_view *rest);

} // namespace shim
