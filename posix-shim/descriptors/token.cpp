// Tokens: making and recognising them.
//
//   token descriptor ──► struct file {position = OpenFileId} ──► token file on tmpfs
//
// Access mode 3 needs read and write permission on the token file but gives
// neither to the descriptor. tmpfs takes positions up to 2^63 - 1; ids have 60 bits.
#include "posix-shim/descriptors/token.h"

#include "base/own_root.h"
#include "base/raw_syscall.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

namespace shim {

namespace {
constexpr int access_mode_none = 3;
}

long token_file_open(Mount &mount, const char *path) {
    size_t length = std::strlen(path);
    if (length >= sizeof(mount.token_path))
        return -ENAMETOOLONG;
    long descriptor =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (!base::is_error(
            descriptor)) // whatever the umask: it holds nothing, and whoever has the pool open may have tokens
        base::raw_syscall(SYS_fchmod, descriptor, 0666);
    else if (descriptor == -EEXIST || descriptor == -ENOSYS ||
             descriptor == -EPERM) // (a filter that lets nothing be made)
        descriptor = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (base::is_error(descriptor))
        return descriptor;
    struct stat status;
    struct statfs filesystem;
    long result = base::raw_syscall(SYS_fstat, descriptor, base::as_long(&status));
    if (!base::is_error(result))
        result = base::raw_syscall(SYS_fstatfs, descriptor, base::as_long(&filesystem));
    base::raw_syscall(SYS_close, descriptor);
    if (base::is_error(result))
        return result;
    // Elsewhere a position of 60 bits is refused, and only later, at the first open.
    if (filesystem.f_type != TMPFS_MAGIC || !S_ISREG(status.st_mode))
        return -EMEDIUMTYPE;
    std::memcpy(mount.token_path, path, length + 1);
    mount.token_device = status.st_dev;
    mount.token_inode = status.st_ino;
    return 0;
}

long token_create(const Mount &mount, pmemfile::OpenFileId id, int flags) {
    const long wanted = access_mode_none | O_NOFOLLOW | (flags & O_CLOEXEC);
    long descriptor = base::open_own(mount.token_path, wanted);
    if (descriptor == -ENOENT) { // somebody has removed it under us: what is opened from now on has another one
        const long made = base::open_own(mount.token_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (!base::is_error(made)) {
            base::raw_syscall(SYS_fchmod, made, 0666);
            base::raw_syscall(SYS_close, made);
        }
        descriptor = base::open_own(mount.token_path, wanted);
    }
    if (base::is_error(descriptor))
        return descriptor;
    long result = base::raw_syscall(SYS_lseek, descriptor, static_cast<long>(id), SEEK_SET);
    if (base::is_error(result)) {
        base::raw_syscall(SYS_close, descriptor);
        return result;
    }
    return descriptor;
}

TokenIdentity token_decode(long descriptor) {
    TokenIdentity identity;
    struct stat status;
    if (base::is_error(base::raw_syscall(SYS_fstat, descriptor, base::as_long(&status))))
        return identity;
    identity.open = true;
    identity.is_directory = S_ISDIR(status.st_mode);
    identity.device = status.st_dev;
    identity.inode = status.st_ino;
    for (unsigned i = 0; i < mount_count; i++) {
        const Mount &mount = mounts[i];
        identity.may_be_fifo =
            identity.may_be_fifo || (S_ISFIFO(status.st_mode) && status.st_dev == mount.token_device);
        if (status.st_dev != mount.token_device || status.st_ino != mount.token_inode)
            continue;
        // Opened by a path, it was reached through a link to one of our numbers that nobody saw (a symlink of the host
        // to /proc/self/fd, say), and nothing tells which: as one that says nothing, it is a bad descriptor.
        const long flags = base::raw_syscall(SYS_fcntl, descriptor, F_GETFL);
        if ((flags & O_PATH) != 0)
            break;
        identity.mount = static_cast<int>(i);
        if ((flags & O_ACCMODE) != access_mode_none)
            break;
        const long position = base::raw_syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
        identity.id = base::is_error(position) ? 0 : static_cast<pmemfile::OpenFileId>(position);
    }
    return identity;
}

} // namespace shim
