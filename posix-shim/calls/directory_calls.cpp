// chdir, fchdir, chroot, getcwd.
//
// The kernel's working directory and root stay on the host. A chdir that the kernel
// answers takes ours away; one into a pool sets ours and leaves the kernel's. So does chroot.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "base/own_root.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/fork_gate.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/paths/root_path.h"
#include "posix-shim/process/working_directory.h"

#include <cstring>
#include <linux/capability.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr std::string_view unreachable = "(unreachable)"; // as the kernel says it

bool may_change_root() {
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    base::raw_syscall(SYS_capget, base::as_long(&header), base::as_long(data));
    return (data[0].effective >> CAP_SYS_CHROOT & 1) != 0;
}

Result<long> enter(Thread &thread, unsigned mount, InodeHandle inode, Beginning which) {
    BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, inode));
    if (!S_ISDIR(attributes.mode))
        return error(ENOTDIR);
    BASE_TRY(fs_access(thread, inode, X_OK, false));
    if (which == Beginning::root && !may_change_root())
        return error(EPERM);
    BASE_TRY_ASSIGN(OpenFileId holder, fs_open_inode(thread, inode, O_PATH | O_DIRECTORY));
    beginning_directory_set(which, {static_cast<int>(mount), inode.number, holder});
    return 0L;
}

// What a process whose root is in a pool is told of the kernel's directory; the length without NUL.
Result<size_t> cwd_on_host(char *text) {
    std::memcpy(text, unreachable.data(), unreachable.size());
    const long length =
        base::raw_syscall(SYS_getcwd, base::as_long(text + unreachable.size()), static_cast<long>(path_max_bytes));
    if (base::is_error(length))
        return error(static_cast<int>(-length));
    return unreachable.size() + static_cast<size_t>(length) - 1;
}

// The path of `cwd` as the process sees it, or from the host's root where it cannot be reached.
Result<size_t> cwd_in_pool(ThreadContext &context, const WorkingDirectory &cwd, char *text) {
    const auto mount = static_cast<unsigned>(cwd.mount);
    BASE_TRY_ASSIGN(Thread * thread, context_thread(context, mount));
    const bool is_hidden = root_directory().mount >= 0 || !mounts[mount].is_reachable();
    const std::string_view before = is_hidden ? mounts[mount].whole_path() : mounts[mount].path();
    char *inside = text + unreachable.size() + before.size();
    BASE_TRY_ASSIGN(size_t length, directory_path(*thread, cwd.inode, inside, path_max_bytes));
    char *begin = text;
    if (is_hidden) {
        if (const Result<size_t> seen = path_from_root(context, mount, inside, length);
            root_directory().mount >= 0 && seen.ok()) {
            std::memmove(text, inside, *seen);
            return seen;
        }
        std::memcpy(begin, unreachable.data(), unreachable.size());
        begin += unreachable.size();
    }
    std::memcpy(begin, before.data(), before.size());
    begin += before.size();
    if (length == 1) // the root is "/"
        length = 0;
    std::memmove(begin, inside, length);
    return static_cast<size_t>(begin - text) + length;
}

// The kernel has changed directory; perhaps, behind a symlink, to a mount point.
long entered_on_host(Request &request) {
    host_cwd_changed();
    struct stat status;
    if (!base::is_error(base::raw_syscall(SYS_stat, base::as_long("."), base::as_long(&status))))
        for (unsigned i = 0; i < mount_count; i++) {
            if (status.st_dev != mounts[i].host_device || status.st_ino != mounts[i].host_inode)
                continue;
            Result<Thread *> thread = context_thread(request.context, i);
            if (!thread.ok())
                return kernel_result(Status(thread.error()));
            return kernel_result(enter(**thread, i, mounts[i].pool.superblock().root_inode, Beginning::working));
        }
    beginning_directory_set(Beginning::working, {});
    return 0;
}

// Before the kernel's root changes: what we open for ourselves is found from the present one. -errno or 0.
long keep_own_root() {
    if (base::own_root.load() != AT_FDCWD)
        return 0;
    const long opened = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const long kept = base::is_error(opened) ? opened : descriptor_adopt_own(static_cast<int>(opened));
    if (base::is_error(kept))
        return kept;
    base::own_root.store(static_cast<int>(kept));
    return 0;
}

// To a directory of the host, whose path (from the present root) is `path`. Mount points below it are seen at their
// path from there.
void see_mounts_from(std::string_view path) {
    if (path == "/")
        return;
    for (unsigned i = 0; i < mount_count; i++) {
        Mount &mount = mounts[i];
        const std::string_view seen = mount.path();
        mount.see_from_root(seen.starts_with(path) && seen.size() > path.size() && seen[path.size()] == '/',
                            path.size());
    }
    host_root_note();
}

// The kernel does it.
long change_host_root(Request &request) {
    const long opened = base::raw_syscall(SYS_openat, AT_FDCWD, request.args[0],
                                          O_PATH | O_DIRECTORY | O_CLOEXEC); // as chroot: EFAULT ...
    if (base::is_error(opened))
        return opened;
    char *path = request.context.host_path[1];
    const Result<size_t> length = host_directory_path(opened, path, path_max_bytes);
    base::raw_syscall(SYS_close, opened);
    ThreadContext &context = request.context;
    const long kept = context.is_vfork_child || !may_change_root() ? 0 : keep_own_root();
    if (base::is_error(kept))
        return kept;
    const long done = base::raw_syscall(SYS_chroot, request.args[0]);
    if (base::is_error(done))
        return done;
    beginning_directory_set(Beginning::root, {}); // the way back out, from a directory of the host
    host_cwd_changed();
    if (context.is_vfork_child) {
        context.vfork_on_host_root = context.vfork_on_host_root || !length.ok() || *length != 1;
        root_was_changed.store(true, std::memory_order_relaxed);
    } else {
        see_mounts_from(length.ok() ? std::string_view(path, *length) : std::string_view());
        host_cwd_changed(); // it may be near to what is a mount's path now
    }
    return done;
}

} // namespace

long serve_chdir(Request &request) {
    const ForksWait forks_wait(request.context);
    auto serve = [&](Thread &thread, const Route &route) -> Result<long> {
        BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, route, true));
        return enter(thread, route.mount, inode, Beginning::working);
    };
    long result = serve_path(request, {-1, 0}, serve);
    if (result != pass_to_kernel && result != pass_with_post)
        return result;
    result = base::raw_syscall(SYS_chdir, request.args[0]);
    if (result == -ENOENT || result == -ENOTDIR) {
        request.again = Request::Again::after_miss;
        long second = serve_path(request, {-1, 0}, serve);
        if (second == pass_to_kernel)
            result = base::raw_syscall(SYS_chdir, request.args[0]);
        else if (second != pass_with_post)
            return second;
    }
    return base::is_error(result) ? result : entered_on_host(request);
}

long serve_fchdir(Request &request) {
    const ForksWait forks_wait(request.context);
    Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread == nullptr) {
        long result = base::raw_syscall(SYS_fchdir, request.args[0]);
        return base::is_error(result) ? result : entered_on_host(request);
    }
    Result<InodeNumber> inode = inode_of_open(*open, true);
    if (!inode.ok())
        return kernel_result(Status(inode.error()));
    return kernel_result(enter(*open->thread, open->mount, *inode, Beginning::working));
}

long serve_chroot(Request &request) {
    const ForksWait forks_wait(request.context);
    const PathArgument argument{-1, 0, true, Care::exact};
    const long result = serve_path(request, argument, [&](Thread &thread, const Route &route) -> Result<long> {
        BASE_TRY_ASSIGN(const InodeHandle inode, inode_of_route(thread, route, true));
        return enter(thread, route.mount, inode, Beginning::root);
    });
    if (result != pass_to_kernel && result != pass_with_post)
        return result;
    return change_host_root(request);
}

long serve_getcwd(Request &request) {
    const WorkingDirectory cwd = working_directory();
    const WorkingDirectory root = root_directory();
    if (cwd.mount < 0 && root.mount < 0)
        return pass_to_kernel;
    char *text = reinterpret_cast<char *>(request.context.buffer);
    const Result<size_t> found = cwd.mount < 0 ? cwd_on_host(text) : cwd_in_pool(request.context, cwd, text);
    if (!found.ok())
        return kernel_result(found);
    text[*found] = 0;
    const size_t length = *found + 1;
    if (length > static_cast<size_t>(request.args[1]))
        return -ERANGE;
    if (Status copied = copy_out(reinterpret_cast<void *>(request.args[0]), text, length); !copied.ok())
        return kernel_result(copied);
    return static_cast<long>(length);
}

} // namespace shim
