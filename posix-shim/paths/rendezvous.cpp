#include "posix-shim/paths/rendezvous.h"

#include "base/raw_syscall.h"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view directory_mark = ".s";
constexpr std::string_view address_mark = ".a";
constexpr std::string_view runtime_begin = "/dev/shm/pmemfile-";

size_t append(char *to, size_t length, std::string_view text) {
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
    return append(to, length, {digits + at, sizeof digits - at});
}

size_t write_directory(unsigned mount, char (&to)[rendezvous_path_bytes]) {
    return append(to, append(to, 0, mounts[mount].pool.segment_path), directory_mark);
}

// For those who may open the pool: its permission to read becomes the one to enter.
Status make_directory(unsigned mount, const char *path) {
    struct stat pool = {};
    base::raw_syscall(SYS_fstat, mounts[mount].pool.pool_descriptor, base::as_long(&pool));
    const mode_t mode = (pool.st_mode & 0666) | (pool.st_mode & 0444) >> 2;
    const long made = base::raw_syscall(SYS_mkdir, base::as_long(path), 0700);
    if (!base::is_error(made)) {
        if (base::raw_syscall(SYS_geteuid) == 0) // made by root for somebody's pool: it is that person's
            base::raw_syscall(SYS_chown, base::as_long(path), pool.st_uid, pool.st_gid);
        base::raw_syscall(SYS_chmod, base::as_long(path), mode);
        return {};
    }
    if (made != -EEXIST)
        return error(static_cast<int>(-made));
    struct stat status = {};
    base::raw_syscall(SYS_lstat, base::as_long(path), base::as_long(&status));
    const bool is_trusted =
        S_ISDIR(status.st_mode) && (status.st_uid == pool.st_uid || status.st_uid == 0 ||
                                    status.st_uid == static_cast<uid_t>(base::raw_syscall(SYS_geteuid)));
    return is_trusted ? Status() : Status(error(EACCES));
}

// "<path>.a"; false when `path` is none of ours or too long.
bool address_path(std::string_view path, char (&to)[rendezvous_path_bytes + 4]) {
    if (path.size() + 4 > sizeof to)
        return false;
    append(to, append(to, 0, path), address_mark);
    return true;
}

} // namespace

Result<size_t> rendezvous_path(unsigned mount, const pmemfile::Attributes &inode, char (&to)[rendezvous_path_bytes]) {
    static_assert(sizeof(pmemfile::Pool::segment_path) + directory_mark.size() + 1 + 16 + 1 + 8 + 1 <=
                  rendezvous_path_bytes);
    size_t length = write_directory(mount, to);
    BASE_TRY(make_directory(mount, to));
    length = append_hex(to, append(to, length, "/"), inode.inode);
    return append_hex(to, append(to, length, "-"), inode.generation);
}

long rendezvous_make_fifo(const char *path) {
    const long made = base::raw_syscall(SYS_mknod, base::as_long(path), S_IFIFO | 0600, 0);
    if (made == -EEXIST)
        return 0;
    return base::is_error(made) ? made : base::raw_syscall(SYS_chmod, base::as_long(path), 0666);
}

long rendezvous_note_bound(const char *path, std::string_view address) {
    const long opened = base::raw_syscall(SYS_chmod, base::as_long(path), 0777);
    char link[rendezvous_path_bytes + 4];
    char text[rendezvous_path_bytes + 1];
    if (base::is_error(opened) || address.size() >= sizeof text || !address_path(path, link))
        return base::is_error(opened) ? opened : -EINVAL;
    append(text, 0, address);
    return base::raw_syscall(SYS_symlink, base::as_long(text), base::as_long(link));
}

void rendezvous_clear(const char *path) {
    char link[rendezvous_path_bytes + 4];
    base::raw_syscall(SYS_unlink, base::as_long(path));
    if (address_path(path, link))
        base::raw_syscall(SYS_unlink, base::as_long(link));
}

size_t rendezvous_address(std::string_view path, char *to, size_t size_bytes) {
    char link[rendezvous_path_bytes + 4];
    if (!path.starts_with(runtime_begin) || path.find(".s/") == std::string_view::npos || !address_path(path, link))
        return 0;
    const long length =
        base::raw_syscall(SYS_readlink, base::as_long(link), base::as_long(to), static_cast<long>(size_bytes));
    return base::is_error(length) ? 0 : static_cast<size_t>(length);
}

void rendezvous_remove(unsigned mount) {
    char path[rendezvous_path_bytes];
    write_directory(mount, path);
    const long directory =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (base::is_error(directory))
        return;
    alignas(8) char entries[1024];
    long length = 0;
    while ((length = base::raw_syscall(SYS_getdents64, directory, base::as_long(entries), sizeof entries)) > 0)
        for (long at = 0; at < length;) {
            const auto *entry = reinterpret_cast<const dirent64 *>(entries + at);
            at += entry->d_reclen;
            base::raw_syscall(SYS_unlinkat, directory, base::as_long(entry->d_name), 0);
        }
    base::raw_syscall(SYS_close, directory);
    base::raw_syscall(SYS_rmdir, base::as_long(path));
}

} // namespace shim
