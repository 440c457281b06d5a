// ioctl: what every file of a filesystem answers.
#include "posix-shim/calls/clone_call.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/process/mount.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"

#include <cstring>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace shim {

using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// FS_IOC_GETFSUUID of Linux 6.9: the length and the bytes.
struct FilesystemUuid {
    uint8_t length_bytes;
    uint8_t uuid[16];
};
constexpr unsigned get_filesystem_uuid = _IOR(0x15, 0, FilesystemUuid);

long tell_size(Thread &thread, InodeNumber inode, void *user) {
    const Result<Attributes> attributes = fs_attributes(thread, inode);
    if (!attributes.ok())
        return kernel_result(Status(attributes.error()));
    // What the file takes, as Linux says; of a directory nothing, as on tmpfs.
    const uint64_t size_bytes = S_ISREG(attributes->mode) ? attributes->block_count * block_size_bytes : 0;
    return kernel_result(copy_out(user, &size_bytes, sizeof size_bytes));
}

// No block of a device holds it.
long tell_block(Thread &thread, InodeNumber inode, void *user) {
    const Result<Attributes> attributes = fs_attributes(thread, inode);
    if (!attributes.ok())
        return kernel_result(Status(attributes.error()));
    int block = 0;
    if (!S_ISREG(attributes->mode))
        return -ENOTTY;
    const Status copied_in = copy_in(&block, user, sizeof block);
    return copied_in.ok() ? -EINVAL : kernel_result(copied_in);
}

long tell_uuid(const Pool &pool, void *user) {
    FilesystemUuid answer = {sizeof answer.uuid, {}};
    std::memcpy(answer.uuid, pool.superblock().uuid, sizeof answer.uuid);
    return kernel_result(copy_out(user, &answer, sizeof answer));
}

} // namespace

long serve_ioctl(Request &request) {
    Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    Result<InodeNumber> inode = inode_of_open(*open, false);
    if (!inode.ok())
        return kernel_result(Status(inode.error()));
    auto *user = reinterpret_cast<void *>(request.args[2]);
    switch (static_cast<unsigned>(request.args[1])) {
    case FIOCLEX:
    case FIONCLEX:
        return pass_to_kernel;
    case FIONREAD: {
        Result<Attributes> attributes = fs_attributes(*open->thread, *inode);
        if (!attributes.ok())
            return kernel_result(Status(attributes.error()));
        if (!S_ISREG(attributes->mode))
            return -ENOTTY;
        Result<OpenFile *> file = open_file_get(*open->thread, open->id);
        if (!file.ok())
            return kernel_result(Status(file.error()));
        int64_t left = static_cast<int64_t>(attributes->size_bytes) - (*file)->offset_bytes.load();
        int answer = static_cast<int>(left);
        return kernel_result(copy_out(user, &answer, sizeof(answer)));
    }
    case FIONBIO: {
        int on = 0;
        if (Status copied_in = copy_in(&on, user, sizeof(on)); !copied_in.ok())
            return kernel_result(copied_in);
        Result<OpenFile *> file = open_file_get(*open->thread, open->id);
        if (!file.ok())
            return kernel_result(Status(file.error()));
        auto flags = static_cast<int>((*file)->flags.load());
        return kernel_result(fs_set_flags(*open->thread, open->id, on != 0 ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
    }
    case FIOASYNC: {
        int on = 0;
        if (Status copied_in = copy_in(&on, user, sizeof(on)); !copied_in.ok())
            return kernel_result(copied_in);
        return on == 0 ? 0 : -ENOTTY; // no file of a filesystem sends SIGIO
    }
    case FIGETBSZ: {
        const int size_bytes = block_size_bytes;
        return kernel_result(copy_out(user, &size_bytes, sizeof size_bytes));
    }
    case FIOQSIZE:
        return tell_size(*open->thread, *inode, user);
    case FIBMAP:
        return tell_block(*open->thread, *inode, user);
    case FS_IOC_FIEMAP:
        return -EOPNOTSUPP; // as on tmpfs
    case FS_IOC_GETFLAGS: {
        const int none = 0;
        return kernel_result(copy_out(user, &none, sizeof none));
    }
    case FS_IOC_SETFLAGS: {
        int flags = 0;
        if (Status copied_in = copy_in(&flags, user, sizeof flags); !copied_in.ok())
            return kernel_result(copied_in);
        return flags == 0 ? 0 : refused(request, EOPNOTSUPP, "inode flags (chattr)");
    }
    case FS_IOC_FSGETXATTR: {
        const struct fsxattr none = {};
        return kernel_result(copy_out(user, &none, sizeof none));
    }
    case FS_IOC_FSSETXATTR: {
        struct fsxattr wanted;
        if (Status copied_in = copy_in(&wanted, user, sizeof wanted); !copied_in.ok())
            return kernel_result(copied_in);
        const bool is_none = wanted.fsx_xflags == 0 && wanted.fsx_extsize == 0 && wanted.fsx_projid == 0;
        return is_none ? 0 : refused(request, EOPNOTSUPP, "inode flags and projects");
    }
    case get_filesystem_uuid:
        return tell_uuid(mounts[open->mount].pool, user);
    case FICLONE:
    case FICLONERANGE:
        return clone_into(request, *open);
    case FIDEDUPERANGE:
        return refused(request, EOPNOTSUPP, "FIDEDUPERANGE"); // as on tmpfs
    default:
        return -ENOTTY;
    }
}

} // namespace shim
