// What a file tells about itself: stat, statx, access, readlink, statfs.
#include "base/decimal.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/proc_tables.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/fs/open_path.h"
#include "libpmemfile/runtime/open_access.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/process/working_directory.h"

#include <algorithm>
#include <cstring>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace shim {

using base::error;
using base::Result;
using namespace pmemfile;

namespace {

// Inline for who has the descriptor; who walks calls the other one, so that its stack does not hold the structure.
[[gnu::always_inline]] inline Result<long> give_stat(Thread &thread, unsigned mount, InodeHandle inode, long user) {
    struct stat status;
    BASE_TRY(fs_stat(thread, inode, mounts[mount].device, &status));
    BASE_TRY(copy_out(reinterpret_cast<void *>(user), &status, sizeof(status)));
    return 0L;
}
[[gnu::noinline]] Result<long> give_stat_after_walk(Thread &thread, unsigned mount, InodeHandle inode, long user) {
    return give_stat(thread, mount, inode, user);
}

struct statx_timestamp statx_time(int64_t ns) {
    int64_t seconds = ns / 1000000000;
    int64_t rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    struct statx_timestamp time = {};
    time.tv_sec = seconds;
    time.tv_nsec = static_cast<uint32_t>(rest);
    return time;
}

// Of Linux 6.11; the headers of Debian 12 end before it.
constexpr uint32_t statx_write_atomic = 0x10000;
constexpr uint64_t statx_attribute_write_atomic = 0x400000;
struct AtomicWriteUnits {
    uint32_t unit_min_bytes;
    uint32_t unit_max_bytes;
    uint32_t segments_max;
};
constexpr size_t statx_atomic_write_offset = 0xa8;
static_assert(sizeof(struct statx) == 256 && statx_atomic_write_offset >= offsetof(struct statx, stx_mnt_id) + 8);

// What RWF_ATOMIC takes.
void give_atomic_write_units(struct statx &status) {
    const AtomicWriteUnits units = {atomic_write_min_bytes, atomic_write_bytes, 1};
    std::memcpy(reinterpret_cast<char *>(&status) + statx_atomic_write_offset, &units, sizeof(units));
    status.stx_mask |= statx_write_atomic;
    status.stx_attributes |= statx_attribute_write_atomic;
}

Result<long> give_statx(Thread &thread, unsigned mount, InodeHandle inode, long mask, long user) {
    BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, inode));
    struct statx status = {};
    status.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    status.stx_blksize = block_size_bytes;
    status.stx_nlink = attributes.link_count;
    status.stx_uid = attributes.uid;
    status.stx_gid = attributes.gid;
    status.stx_mode = static_cast<uint16_t>(attributes.mode);
    status.stx_ino = attributes.inode;
    status.stx_size = attributes.size_bytes;
    status.stx_blocks = attributes.block_count * (block_size_bytes / 512);
    status.stx_atime = statx_time(attributes.atime_ns);
    status.stx_mtime = statx_time(attributes.mtime_ns);
    status.stx_ctime = statx_time(attributes.ctime_ns);
    status.stx_btime = statx_time(attributes.btime_ns);
    status.stx_rdev_major = major(attributes.device);
    status.stx_rdev_minor = minor(attributes.device);
    status.stx_dev_major = major(mounts[mount].device);
    status.stx_dev_minor = minor(mounts[mount].device);
    status.stx_attributes_mask = statx_attribute_write_atomic | STATX_ATTR_MOUNT_ROOT;
    status.stx_mnt_id = mount_id(mount);
    status.stx_mask |= STATX_MNT_ID;
    if (inode.number == mounts[mount].pool.superblock().root_inode)
        status.stx_attributes |= STATX_ATTR_MOUNT_ROOT;
    if ((mask & statx_write_atomic) != 0 && S_ISREG(attributes.mode))
        give_atomic_write_units(status);
    BASE_TRY(copy_out(reinterpret_cast<void *>(user), &status, sizeof(status)));
    return 0L;
}

// Serves a call on what its descriptor stands for, O_PATH or not: an at-call's, or one that knows no AT_FDCWD.
// `serve(thread, mount, inode)`.
template <typename Serve> long serve_named(Request &request, Named named, Serve serve) {
    const Result<OpenArgument> open = named_argument(request, named);
    if (!open.ok())
        return kernel_result(base::Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    const Result<InodeNumber> inode = inode_of_open(*open, true);
    if (!inode.ok())
        return kernel_result(base::Status(inode.error()));
    return kernel_result(serve(*open->thread, open->mount, InodeHandle(*inode)));
}

template <typename Serve> long serve_empty(Request &request, Serve serve) {
    return serve_named(request, Named::by_empty_path, serve);
}

// What a call with such flags answers is the kernel's to say, wherever the path leads.
bool has_bad_way(int flags) {
    return (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE;
}
bool has_bad_flags(int flags) {
    constexpr int known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
    return (flags & ~known) != 0 || has_bad_way(flags);
}
constexpr uint32_t statx_reserved = 0x80000000;

// A descriptor without a path: unknown flags are no error then (Linux 6.11), so the kernel would look at our token.
bool means_descriptor(const Request &request, int flags) {
    return (flags & AT_EMPTY_PATH) != 0 && (static_cast<int>(request.args[0]) >= 0 || !has_bad_flags(flags)) &&
           is_no_path(request.args[1]);
}

// lstat of a link below /proc/self is the kernel's. Only how the file is opened, which the link's permissions tell, its
// token does not know: it has none.
template <typename Mode>
Result<long> stat_magic_link(Request &request, Thread &thread, const Route &route, Mode *user) {
    if (route.where != Where::descriptor)
        return pass_to_kernel;
    const auto &args = request.args;
    const long done = base::raw_syscall(request.number, args[0], args[1], args[2], args[3], args[4]);
    if (base::is_error(done))
        return error(static_cast<int>(-done));
    Mode mode = 0;
    BASE_TRY(copy_in(&mode, user, sizeof mode));
    if ((mode & 07777) != 0)
        return done; // no token, or a symlink on the way to it ("/dev/stdin")
    BASE_TRY_ASSIGN(const OpenFile *file, open_file_get(thread, route.id));
    const uint32_t flags = file->flags.load();
    mode = static_cast<Mode>(mode | (may_read_by(flags) ? 0500 : 0) | (may_write_by(flags) ? 0300 : 0));
    BASE_TRY(copy_out(user, &mode, sizeof mode));
    return done;
}

long serve_stat_form(Request &request, PathArgument argument, int buffer_index) {
    return serve_path(request, argument, [&](Thread &thread, const Route &route) -> Result<long> {
        if (is_magic_link(route) && !argument.follow_last)
            return stat_magic_link(request, thread, route,
                                   &reinterpret_cast<struct stat *>(request.args[buffer_index])->st_mode);
        BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, route, argument.follow_last));
        return give_stat_after_walk(thread, route.mount, inode, request.args[buffer_index]);
    });
}

long serve_access_form(Request &request, PathArgument argument, int mode, int flags) {
    if ((mode & ~7) != 0)
        return pass_to_kernel; // as has_bad_flags
    argument.follow_last = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    bool real_ids = (flags & AT_EACCESS) == 0;
    return serve_path(request, argument, [&](Thread &thread, const Route &route) -> Result<long> {
        BASE_TRY_ASSIGN(InodeHandle inode,
                        inode_of_route(thread, route, argument.follow_last, real_ids ? unsigned{walk_real_ids} : 0u));
        BASE_TRY(fs_access(thread, inode, mode, real_ids));
        return 0L;
    });
}

// readlink of /proc/self/exe, /proc/self/cwd and /proc/self/fd/N: a path of now.
Result<size_t> magic_link_text(Thread &thread, const Route &route, char *buffer, size_t size_bytes) {
    const Mount &mounted = mounts[route.mount];
    const std::string_view mount = mounted.is_reachable() ? mounted.path() : mounted.whole_path();
    std::memcpy(buffer, mount.data(), mount.size());
    size_t length = mount.size();
    if (route.is_program) {
        if (length + 1 + route.path.size() > size_bytes)
            return error(ENAMETOOLONG);
        buffer[length] = '/';
        std::memcpy(buffer + length + 1, route.path.data(), route.path.size());
        return length + 1 + route.path.size();
    }
    const Result<size_t> inside = fs_open_path(thread, route.id, buffer + length, size_bytes - length);
    if (inside.ok())
        return *inside == 1 ? length : length + *inside; // the root is "/"
    if (inside.error().number() != ENOENT)
        return inside.error();
    // As the kernel marks what has no name any more; which name it had is not known.
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, route.id));
    const base::Decimal number(file->inode.load());
    for (const std::string_view part : {std::string_view("/#inode:"), number.text(), std::string_view(" (deleted)")}) {
        std::memcpy(buffer + length, part.data(), part.size());
        length += part.size();
    }
    return length;
}

long serve_readlink_form(Request &request, PathArgument argument, int buffer_index) {
    argument.follow_last = false;
    int size = static_cast<int>(request.args[buffer_index + 1]);
    auto *user = reinterpret_cast<void *>(request.args[buffer_index]);
    if (size <= 0)
        return pass_to_kernel; // EINVAL, before it looks at the path
    return serve_path(request, argument, [&](Thread &thread, const Route &route) -> Result<long> {
        char *text = request.context.symlink;
        size_t length = 0;
        if (is_magic_link(route)) {
            BASE_TRY_ASSIGN(length, magic_link_text(thread, route, text, sizeof(request.context.symlink)));
        } else {
            BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, route, false));
            BASE_TRY_ASSIGN(length, fs_readlink(thread, inode, text, sizeof(request.context.symlink)));
        }
        length = std::min(length, static_cast<size_t>(size));
        BASE_TRY(copy_out(user, text, length));
        return static_cast<long>(length);
    });
}

// Is the descriptor one of the kernel's, of a symlink in /proc itself (O_PATH | O_NOFOLLOW), which may lead to a file
// of ours? Its path goes into the context.
bool is_proc_link(Request &request) {
    const Result<DescriptorWord> word = descriptor_lookup(request.context, request.args[0]);
    struct stat status;
    if (!word.ok() || is_ours(*word) || is_fifo(*word) || static_cast<int>(request.args[0]) < 0 ||
        base::is_error(base::raw_syscall(SYS_fstat, request.args[0], base::as_long(&status))) ||
        !S_ISLNK(status.st_mode))
        return false;
    char *path = request.context.host_path[1];
    const Result<size_t> length = host_directory_path(request.args[0], path, path_max_bytes);
    return length.ok() && std::string_view(path, *length).starts_with("/proc/");
}

} // namespace

long serve_stat(Request &request) {
    return serve_stat_form(request, {-1, 0}, 1);
}

long serve_lstat(Request &request) {
    return serve_stat_form(request, {-1, 0, false}, 1);
}

long serve_fstat(Request &request) {
    return serve_named(request, Named::by_descriptor, [&](Thread &thread, unsigned mount, InodeHandle inode) {
        return give_stat(thread, mount, inode, request.args[1]);
    });
}

long serve_newfstatat(Request &request) {
    int flags = static_cast<int>(request.args[3]);
    if (means_descriptor(request, flags))
        return serve_empty(request, [&](Thread &thread, unsigned mount, InodeHandle inode) {
            return give_stat(thread, mount, inode, request.args[2]);
        });
    if (has_bad_flags(flags))
        return pass_to_kernel;
    return serve_stat_form(request, {0, 1, (flags & AT_SYMLINK_NOFOLLOW) == 0}, 2);
}

long serve_statx(Request &request) {
    int flags = static_cast<int>(request.args[2]);
    if (has_bad_way(flags) || (static_cast<uint32_t>(request.args[3]) & statx_reserved) != 0)
        return pass_to_kernel;
    if (means_descriptor(request, flags))
        return serve_empty(request, [&](Thread &thread, unsigned mount, InodeHandle inode) {
            return give_statx(thread, mount, inode, request.args[3], request.args[4]);
        });
    if (has_bad_flags(flags))
        return pass_to_kernel;
    PathArgument argument{0, 1, (flags & AT_SYMLINK_NOFOLLOW) == 0};
    return serve_path(request, argument, [&](Thread &thread, const Route &route) -> Result<long> {
        if (is_magic_link(route) && !argument.follow_last)
            return stat_magic_link(request, thread, route,
                                   &reinterpret_cast<struct statx *>(request.args[4])->stx_mode);
        BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, route, argument.follow_last));
        return give_statx(thread, route.mount, inode, request.args[3], request.args[4]);
    });
}

long serve_access(Request &request) {
    return serve_access_form(request, {-1, 0}, static_cast<int>(request.args[1]), 0);
}

long serve_faccessat(Request &request) {
    return serve_access_form(request, {0, 1}, static_cast<int>(request.args[2]), 0);
}

long serve_faccessat2(Request &request) {
    int flags = static_cast<int>(request.args[3]);
    int mode = static_cast<int>(request.args[2]);
    if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0 || (mode & ~7) != 0)
        return pass_to_kernel; // as has_bad_flags
    if ((flags & AT_EMPTY_PATH) != 0 && is_empty_string(request.args[1]))
        return serve_empty(request, [&](Thread &thread, unsigned, InodeHandle inode) -> Result<long> {
            BASE_TRY(fs_access(thread, inode, mode, (flags & AT_EACCESS) == 0));
            return 0L;
        });
    return serve_access_form(request, {0, 1}, mode, flags);
}

long serve_readlink(Request &request) {
    return serve_readlink_form(request, {-1, 0}, 1);
}

long serve_readlinkat(Request &request) {
    const int size = static_cast<int>(request.args[3]);
    const bool is_empty = size > 0 && is_empty_string(request.args[1]);
    if (is_empty && is_proc_link(request)) {
        request.args[0] = AT_FDCWD;
        request.args[1] = base::as_long(request.context.host_path[1]);
        return serve_readlink_form(request, {0, 1}, 2);
    }
    if (is_empty) // an O_PATH | O_NOFOLLOW descriptor of a symlink
        return serve_empty(request, [&](Thread &thread, unsigned, InodeHandle inode) -> Result<long> {
            char *text = request.context.symlink;
            Result<size_t> found = fs_readlink(thread, inode, text, sizeof(request.context.symlink));
            if (!found.ok())
                return error(found.error().number() == EINVAL ? ENOENT : found.error().number()); // as Linux for ""
            size_t length = std::min(*found, static_cast<size_t>(size));
            BASE_TRY(copy_out(reinterpret_cast<void *>(request.args[2]), text, length));
            return static_cast<long>(length);
        });
    return serve_readlink_form(request, {0, 1}, 2);
}

long serve_statfs(Request &request) {
    return serve_path(request, looked_at_first({-1, 0}), [&](Thread &thread, const Route &route) -> Result<long> {
        BASE_TRY_ASSIGN(InodeHandle inode, inode_of_route(thread, route, true));
        (void)inode;
        struct statfs status = {};
        fs_statfs(thread, &status);
        BASE_TRY(copy_out(reinterpret_cast<void *>(request.args[1]), &status, sizeof(status)));
        return 0L;
    });
}

long serve_fstatfs(Request &request) {
    return serve_named(request, Named::by_descriptor, [&](Thread &thread, unsigned, InodeHandle) -> Result<long> {
        struct statfs status = {};
        fs_statfs(thread, &status);
        BASE_TRY(copy_out(reinterpret_cast<void *>(request.args[1]), &status, sizeof(status)));
        return 0L;
    });
}

} // namespace shim
