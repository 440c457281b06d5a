#include "posix-shim/paths/runtime_directory.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/runtime_file.h"
#include "posix-shim/paths/host_directory.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Status;

size_t append_text(char *to, size_t length, std::string_view text) {
    std::memcpy(to + length, text.data(), text.size());
    to[length + text.size()] = 0;
    return length + text.size();
}

size_t append_hex(char *to, size_t length, uint64_t value) {
    char digits[16];
    unsigned at = sizeof digits;
    do
        digits[--at] = "0123456789abcdef"[value & 15];
    while ((value >>= 4) != 0);
    return append_text(to, length, {digits + at, sizeof digits - at});
}

size_t runtime_directory_path(const pmemfile::Pool &pool, std::string_view mark, char *to) {
    return append_text(to, append_text(to, 0, pool.segment_path), mark);
}

// For those who may open the pool: its permission to read becomes the one to enter.
Status runtime_directory_make(const pmemfile::Pool &pool, const char *path) {
    struct stat file = {};
    base::raw_syscall(SYS_fstat, pool.pool_descriptor, base::as_long(&file));
    struct stat status = {};
    long known = base::raw_syscall(SYS_lstat, base::as_long(path), base::as_long(&status));
    if (known == -ENOENT) {
        const long made = runtime_make_whole(path, AT_REMOVEDIR, [&file](const char *name) {
            const long result = base::raw_syscall(SYS_mkdir, base::as_long(name), 0700);
            if (base::is_error(result))
                return result;
            // Made by root for somebody's pool: it is that person's. Its group is the file's wherever we are in that.
            const uid_t owner = base::raw_syscall(SYS_geteuid) == 0 ? file.st_uid : static_cast<uid_t>(-1);
            base::raw_syscall(SYS_chown, base::as_long(name), owner, file.st_gid);
            return base::raw_syscall(SYS_chmod, base::as_long(name),
                                     (file.st_mode & 0666) | (file.st_mode & 0444) >> 2);
        });
        if (base::is_error(made))
            return error(static_cast<int>(-made));
        known = base::raw_syscall(SYS_lstat, base::as_long(path), base::as_long(&status));
    }
    if (base::is_error(known))
        return error(static_cast<int>(-known));
    return pmemfile::is_trusted_directory(status, file) ? Status() : Status(error(EACCES));
}

void runtime_directory_remove(const char *path) {
    const long directory =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (base::is_error(directory))
        return;
    host_directory_empty(directory, 1);
    base::raw_syscall(SYS_close, directory);
    base::raw_syscall(SYS_rmdir, base::as_long(path));
}

} // namespace shim
