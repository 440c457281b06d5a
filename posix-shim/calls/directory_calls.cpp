// chdir, fchdir, getcwd.
//
// The kernel's working directory stays on the host. A chdir that the kernel
// answers takes ours away; one into a pool sets ours and leaves the kernel's.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/process/working_directory.h"

#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

Result<long> enter(Thread &thread, unsigned mount, InodeHandle inode) {
    BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, inode));
    if (!S_ISDIR(attributes.mode))
        return error(ENOTDIR);
    BASE_TRY(fs_access(thread, inode, X_OK, false));
    BASE_TRY_ASSIGN(OpenFileId holder, fs_open_inode(thread, inode, O_PATH | O_DIRECTORY));
    working_directory_set({static_cast<int>(mount), inode.number, holder});
    return 0L;
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
            return kernel_result(enter(**thread, i, mounts[i].pool.superblock().root_inode));
        }
    working_directory_set({});
    return 0;
}

} // namespace

long serve_chdir(Request &request) {
    auto serve = [&](Thread &thread, const Route &route) -> Result<long> {
        BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, route, true));
        return enter(thread, route.mount, inode);
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
    return kernel_result(enter(*open->thread, open->mount, *inode));
}

long serve_getcwd(Request &request) {
    WorkingDirectory cwd = working_directory();
    if (cwd.mount < 0)
        return pass_to_kernel;
    const Mount &mount = mounts[cwd.mount];
    Result<Thread *> thread = context_thread(request.context, static_cast<unsigned>(cwd.mount));
    if (!thread.ok())
        return kernel_result(Status(thread.error()));
    char *text = reinterpret_cast<char *>(request.context.buffer);
    std::memcpy(text, mount.host_path, mount.host_path_length);
    size_t length = mount.host_path_length;
    Result<size_t> inside = directory_path(**thread, cwd.inode, text + length, path_max_bytes);
    if (!inside.ok())
        return kernel_result(inside);
    if (*inside > 1)
        length += *inside;
    text[length++] = 0;
    if (length > static_cast<size_t>(request.args[1]))
        return -ERANGE;
    if (Status copied = copy_out(reinterpret_cast<void *>(request.args[0]), text, length); !copied.ok())
        return kernel_result(copied);
    return static_cast<long>(length);
}

} // namespace shim
