// Calls on paths. The plain form of each is its at-form on the working directory.
#include "libpmemfile/api/pool_object.h"

using namespace pmemfile;

namespace {

template <typename Call> int serve_int(PMEMfilepool *pool, Call call) {
    return static_cast<int>(api::serve(pool, call));
}

// Calls change(thread, handle) with the inode that the path leads to. Flags as of Linux's *at calls.
template <typename Change>
int change_at(PMEMfilepool *pool, PMEMfile *dir, const char *path, int flags, Change change) {
    if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0)
        return api::fail(EINVAL);
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(InodeHandle handle, api::find(pool, thread, dir, path, flags));
        return change(thread, handle);
    });
}

base::Status access_path(PMEMfilepool *pool, Thread &thread, PMEMfile *dir, const char *path, int mode, int flags) {
    const bool real_ids = (flags & AT_EACCESS) == 0;
    BASE_TRY_ASSIGN(InodeHandle handle, api::find(pool, thread, dir, path, flags, real_ids));
    return fs_access(thread, handle, mode, real_ids);
}

} // namespace

int pmemfile_linkat(PMEMfilepool *pool, PMEMfile *from_dir, const char *from, PMEMfile *to_dir, const char *to,
                    int flags) {
    if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) != 0)
        return api::fail(EINVAL);
    const int how = (flags & AT_EMPTY_PATH) | ((flags & AT_SYMLINK_FOLLOW) != 0 ? 0 : AT_SYMLINK_NOFOLLOW);
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(InodeHandle handle, api::find(pool, thread, from_dir, from, how));
        BASE_TRY_ASSIGN(At at, api::at_of(pool, to_dir, to));
        return fs_link(thread, handle, at);
    });
}

int pmemfile_link(PMEMfilepool *pool, const char *from, const char *to) {
    return pmemfile_linkat(pool, PMEMFILE_AT_CWD, from, PMEMFILE_AT_CWD, to, 0);
}

int pmemfile_unlinkat(PMEMfilepool *pool, PMEMfile *dir, const char *path, int flags) {
    if ((flags & ~AT_REMOVEDIR) != 0)
        return api::fail(EINVAL);
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(At at, api::at_of(pool, dir, path));
        return (flags & AT_REMOVEDIR) != 0 ? fs_rmdir(thread, at) : fs_unlink(thread, at);
    });
}

int pmemfile_unlink(PMEMfilepool *pool, const char *path) {
    return pmemfile_unlinkat(pool, PMEMFILE_AT_CWD, path, 0);
}

int pmemfile_rmdir(PMEMfilepool *pool, const char *path) {
    return pmemfile_unlinkat(pool, PMEMFILE_AT_CWD, path, AT_REMOVEDIR);
}

int pmemfile_renameat2(PMEMfilepool *pool, PMEMfile *from_dir, const char *from, PMEMfile *to_dir, const char *to,
                       unsigned flags) {
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(At from_at, api::at_of(pool, from_dir, from));
        BASE_TRY_ASSIGN(At to_at, api::at_of(pool, to_dir, to));
        return fs_rename(thread, from_at, to_at, flags);
    });
}

int pmemfile_renameat(PMEMfilepool *pool, PMEMfile *from_dir, const char *from, PMEMfile *to_dir, const char *to) {
    return pmemfile_renameat2(pool, from_dir, from, to_dir, to, 0);
}

int pmemfile_rename(PMEMfilepool *pool, const char *from, const char *to) {
    return pmemfile_renameat2(pool, PMEMFILE_AT_CWD, from, PMEMFILE_AT_CWD, to, 0);
}

int pmemfile_symlinkat(PMEMfilepool *pool, const char *target, PMEMfile *dir, const char *path) {
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(At at, api::at_of(pool, dir, path));
        return fs_symlink(thread, target, at);
    });
}

int pmemfile_symlink(PMEMfilepool *pool, const char *target, const char *path) {
    return pmemfile_symlinkat(pool, target, PMEMFILE_AT_CWD, path);
}

pmemfile_ssize_t pmemfile_readlinkat(PMEMfilepool *pool, PMEMfile *dir, const char *path, char *buffer, size_t size) {
    if (size == 0)
        return api::fail(EINVAL);
    return api::serve(pool, [&](Thread &thread) -> base::Result<size_t> {
        // An empty path: a symbolic link that is open with O_PATH | O_NOFOLLOW. Of another file it is ENOENT, as on
        // Linux.
        BASE_TRY_ASSIGN(InodeHandle handle, api::find(pool, thread, dir, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH));
        auto length = fs_readlink(thread, handle, buffer, size);
        if (!length.ok() && length.error().number() == EINVAL && *path == 0)
            return base::error(ENOENT);
        return length;
    });
}

pmemfile_ssize_t pmemfile_readlink(PMEMfilepool *pool, const char *path, char *buffer, size_t size) {
    return pmemfile_readlinkat(pool, PMEMFILE_AT_CWD, path, buffer, size);
}

int pmemfile_mkdirat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_mode_t mode) {
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(At at, api::at_of(pool, dir, path));
        return fs_mkdir(thread, at, mode);
    });
}

int pmemfile_mkdir(PMEMfilepool *pool, const char *path, pmemfile_mode_t mode) {
    return pmemfile_mkdirat(pool, PMEMFILE_AT_CWD, path, mode);
}

int pmemfile_mknodat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_mode_t mode, pmemfile_dev_t device) {
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(At at, api::at_of(pool, dir, path));
        BASE_TRY(fs_mknod(thread, at, mode, device));
        return {};
    });
}

int pmemfile_fstatat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_stat_t *stat, int flags) {
    constexpr int nothing_to_do = AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE;
    return change_at(pool, dir, path, flags & ~nothing_to_do,
                     [&](Thread &thread, InodeHandle handle) { return fs_stat(thread, handle, pool->device, stat); });
}

int pmemfile_stat(PMEMfilepool *pool, const char *path, pmemfile_stat_t *stat) {
    return pmemfile_fstatat(pool, PMEMFILE_AT_CWD, path, stat, 0);
}

int pmemfile_lstat(PMEMfilepool *pool, const char *path, pmemfile_stat_t *stat) {
    return pmemfile_fstatat(pool, PMEMFILE_AT_CWD, path, stat, AT_SYMLINK_NOFOLLOW);
}

int pmemfile_statfs(PMEMfilepool *pool, pmemfile_statfs_t *statfs) {
    return serve_int(pool, [&](Thread &thread) -> base::Status {
        fs_statfs(thread, statfs);
        return {};
    });
}

int pmemfile_faccessat(PMEMfilepool *pool, PMEMfile *dir, const char *path, int mode, int flags) {
    if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0 || (mode & ~(R_OK | W_OK | X_OK)) != 0)
        return api::fail(EINVAL);
    return serve_int(pool, [&](Thread &thread) { return access_path(pool, thread, dir, path, mode, flags); });
}

int pmemfile_access(PMEMfilepool *pool, const char *path, int mode) {
    return pmemfile_faccessat(pool, PMEMFILE_AT_CWD, path, mode, 0);
}

int pmemfile_euidaccess(PMEMfilepool *pool, const char *path, int mode) {
    return pmemfile_faccessat(pool, PMEMFILE_AT_CWD, path, mode, AT_EACCESS);
}

int pmemfile_fchmodat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_mode_t mode, int flags) {
    return change_at(pool, dir, path, flags,
                     [&](Thread &thread, InodeHandle handle) { return fs_chmod(thread, handle, mode); });
}

int pmemfile_chmod(PMEMfilepool *pool, const char *path, pmemfile_mode_t mode) {
    return pmemfile_fchmodat(pool, PMEMFILE_AT_CWD, path, mode, 0);
}

int pmemfile_fchownat(PMEMfilepool *pool, PMEMfile *dir, const char *path, pmemfile_uid_t uid, pmemfile_gid_t gid,
                      int flags) {
    return change_at(pool, dir, path, flags,
                     [&](Thread &thread, InodeHandle handle) { return fs_chown(thread, handle, uid, gid); });
}

int pmemfile_chown(PMEMfilepool *pool, const char *path, pmemfile_uid_t uid, pmemfile_gid_t gid) {
    return pmemfile_fchownat(pool, PMEMFILE_AT_CWD, path, uid, gid, 0);
}

int pmemfile_lchown(PMEMfilepool *pool, const char *path, pmemfile_uid_t uid, pmemfile_gid_t gid) {
    return pmemfile_fchownat(pool, PMEMFILE_AT_CWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int pmemfile_utimensat(PMEMfilepool *pool, PMEMfile *dir, const char *path, const pmemfile_timespec_t times[2],
                       int flags) {
    if (path == nullptr && dir != PMEMFILE_AT_CWD)
        return pmemfile_futimens(pool, dir, times);
    return change_at(pool, dir, path, flags,
                     [&](Thread &thread, InodeHandle handle) { return fs_utimens(thread, handle, times); });
}

int pmemfile_futimesat(PMEMfilepool *pool, PMEMfile *dir, const char *path, const pmemfile_timeval_t times[2]) {
    pmemfile_timespec_t exact[2];
    return api::exact_times(times, exact) ? pmemfile_utimensat(pool, dir, path, times == nullptr ? nullptr : exact, 0)
                                          : -1;
}

int pmemfile_utimes(PMEMfilepool *pool, const char *path, const pmemfile_timeval_t times[2]) {
    return pmemfile_futimesat(pool, PMEMFILE_AT_CWD, path, times);
}

int pmemfile_lutimes(PMEMfilepool *pool, const char *path, const pmemfile_timeval_t times[2]) {
    pmemfile_timespec_t exact[2];
    if (!api::exact_times(times, exact))
        return -1;
    return pmemfile_utimensat(pool, PMEMFILE_AT_CWD, path, times == nullptr ? nullptr : exact, AT_SYMLINK_NOFOLLOW);
}

int pmemfile_utime(PMEMfilepool *pool, const char *path, const pmemfile_utimbuf_t *times) {
    if (times == nullptr)
        return pmemfile_utimensat(pool, PMEMFILE_AT_CWD, path, nullptr, 0);
    const pmemfile_timespec_t exact[2] = {{times->actime, 0}, {times->modtime, 0}};
    return pmemfile_utimensat(pool, PMEMFILE_AT_CWD, path, exact, 0);
}

int pmemfile_truncate(PMEMfilepool *pool, const char *path, pmemfile_off_t length) {
    InodeNumber cut = 0;
    const int result = change_at(pool, PMEMFILE_AT_CWD, path, 0, [&](Thread &thread, InodeHandle handle) {
        cut = handle.number;
        return fs_truncate(thread, handle, length, true);
    });
    if (result == 0)
        api::note_size_change(pool, cut);
    return result;
}
