// A directory is made whole under a name of its own, and gets its true one then: another user who comes at the same
// time would find one that he may not enter, or a file in it that he may not write to.
#include "libpmemfile/fs/runtime_file.h"

#include "base/raw_syscall.h"
#include "libpmemfile/runtime/liveness.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>

namespace pmemfile {
namespace {

base::Status status_of(long result) {
    return base::is_error(result) ? base::Status(base::error(static_cast<int>(-result))) : base::Status();
}

// "<path>.<random number>" into `to`.
constexpr size_t fresh_path_bytes = sizeof(Pool::segment_path) + 1 + 16;
void name_fresh(const char *path, char (&to)[fresh_path_bytes]) {
    const size_t length = std::strlen(path);
    std::memcpy(to, path, length);
    uint64_t number = 0;
    base::raw_syscall(SYS_getrandom, base::as_long(&number), sizeof number, 0);
    char *at = to + length;
    *at++ = '.';
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[number >> shift & 15];
    *at = 0;
}

// A process that is killed in here leaves the fresh name.
base::Status make_whole(const char *path, const struct stat &pool_status) {
    char fresh[fresh_path_bytes];
    name_fresh(path, fresh);
    BASE_TRY(status_of(base::raw_syscall(SYS_mkdir, base::as_long(fresh), 0700)));
    const long directory =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(fresh), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    // Made by root for somebody's pool: it is that person's. Its group is the file's wherever we are in that; where we
    // are not, its group has no more right than anybody.
    const uid_t owner = base::raw_syscall(SYS_geteuid) == 0 ? pool_status.st_uid : static_cast<uid_t>(-1);
    const bool has_group = !base::is_error(base::raw_syscall(SYS_fchown, directory, owner, pool_status.st_gid));
    mode_t mode = 0;
    for (unsigned shift = 0; shift <= 6; shift += 3)
        if ((pool_status.st_mode >> shift & 6) == 6)
            mode |= 7u << shift;
    if (!has_group)
        mode = (mode & ~0070u) | (mode & 0007) << 3;
    constexpr const char *name = "segment";
    const long file = base::raw_syscall(SYS_openat, directory, base::as_long(name),
                                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    long made = file;
    if (!base::is_error(file)) {
        base::raw_syscall(SYS_fchmod, file, 0666); // whatever the umask
        base::raw_syscall(SYS_close, file);
        base::raw_syscall(SYS_fchmod, directory, mode);
        made = base::raw_syscall(SYS_renameat2, AT_FDCWD, base::as_long(fresh), AT_FDCWD, base::as_long(path),
                                 RENAME_NOREPLACE);
    }
    if (base::is_error(made)) {
        base::raw_syscall(SYS_unlinkat, directory, base::as_long(name), 0);
        base::raw_syscall(SYS_rmdir, base::as_long(fresh));
    }
    if (!base::is_error(directory))
        base::raw_syscall(SYS_close, directory);
    return made == -EEXIST ? base::Status() : status_of(made);
}

} // namespace

base::Status runtime_directory_make(const Pool &pool, const struct stat &pool_status) {
    const char *path = pool.segment_path;
    struct stat status = {};
    long known = base::raw_syscall(SYS_lstat, base::as_long(path), base::as_long(&status));
    if (!base::is_error(known) && S_ISREG(status.st_mode)) { // of a version that had the runtime file here
        base::raw_syscall(SYS_unlink, base::as_long(path));
        known = -ENOENT;
    }
    if (known == -ENOENT) {
        BASE_TRY(make_whole(path, pool_status));
        known = base::raw_syscall(SYS_lstat, base::as_long(path), base::as_long(&status));
        if (known == -ENOENT)
            return {};
    }
    BASE_TRY(status_of(known));
    return is_trusted_directory(status, pool_status) ? base::Status() : base::error(EACCES);
}

void runtime_files_remove(const Pool &pool) {
    base::raw_syscall(SYS_unlink, base::as_long(pool.token_path));
    char path[runtime_file_path_bytes];
    runtime_file_path(pool, path);
    base::raw_syscall(SYS_unlink, base::as_long(path));
    base::raw_syscall(SYS_rmdir, base::as_long(pool.segment_path));
}

} // namespace pmemfile
