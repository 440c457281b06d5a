#include "posix-shim/paths/rendezvous.h"

#include "base/raw_syscall.h"
#include "posix-shim/paths/runtime_directory.h"

#include <cerrno>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;

namespace {

constexpr std::string_view directory_mark = ".s";
constexpr std::string_view address_mark = ".a";
constexpr std::string_view runtime_begin = "/dev/shm/pmemfile-";

// "<path>.a"; false when `path` is none of ours or too long.
bool address_path(std::string_view path, char (&to)[rendezvous_path_bytes + 4]) {
    if (path.size() + 4 > sizeof to)
        return false;
    append_text(to, append_text(to, 0, path), address_mark);
    return true;
}

// Cuts a hexadecimal number off; false: there is none.
bool take_hex(std::string_view &text, uint64_t *value) {
    size_t digits = 0;
    for (*value = 0; digits < text.size() && digits < 16; digits++) {
        const size_t digit = std::string_view("0123456789abcdef").find(text[digits]);
        if (digit == std::string_view::npos)
            break;
        *value = *value << 4 | digit;
    }
    text.remove_prefix(digits);
    return digits > 0;
}

} // namespace

bool rendezvous_inode(std::string_view path, unsigned *mount, pmemfile::InodeHandle *inode) {
    for (unsigned i = 0; i < mount_count; i++) {
        char directory[rendezvous_path_bytes];
        std::string_view rest = path;
        const size_t length = runtime_directory_path(mounts[i].pool, directory_mark, directory);
        if (!rest.starts_with({directory, length}))
            continue;
        rest.remove_prefix(length);
        uint64_t number = 0;
        uint64_t generation = 0;
        if (!rest.starts_with('/'))
            continue;
        rest.remove_prefix(1);
        if (!take_hex(rest, &number) || !rest.starts_with('-'))
            return false;
        rest.remove_prefix(1);
        if (!take_hex(rest, &generation) || (!rest.empty() && rest != " (deleted)"))
            return false;
        *mount = i;
        *inode = pmemfile::InodeHandle{number, static_cast<uint32_t>(generation)};
        return true;
    }
    return false;
}

Result<size_t> rendezvous_path(unsigned mount, const pmemfile::Attributes &inode, char (&to)[rendezvous_path_bytes]) {
    static_assert(sizeof(pmemfile::Pool::segment_path) + directory_mark.size() + 1 + 16 + 1 + 8 + 1 <=
                  rendezvous_path_bytes);
    const pmemfile::Pool &pool = mounts[mount].pool;
    size_t length = runtime_directory_path(pool, directory_mark, to);
    BASE_TRY(runtime_directory_make(pool, to));
    length = append_hex(to, append_text(to, length, "/"), inode.inode);
    return append_hex(to, append_text(to, length, "-"), inode.generation);
}

long rendezvous_make_fifo(const char *path) {
    struct stat status;
    if (!base::is_error(base::raw_syscall(SYS_lstat, base::as_long(path), base::as_long(&status))))
        return 0;
    return runtime_make_whole(path, 0, [](const char *name) {
        const long made = base::raw_syscall(SYS_mknod, base::as_long(name), S_IFIFO | 0600, 0);
        return base::is_error(made) ? made : base::raw_syscall(SYS_chmod, base::as_long(name), 0666);
    });
}

long rendezvous_note_bound(const char *path, std::string_view address) {
    const long opened = base::raw_syscall(SYS_chmod, base::as_long(path), 0777);
    char link[rendezvous_path_bytes + 4];
    char text[rendezvous_path_bytes + 1];
    if (base::is_error(opened) || address.size() >= sizeof text || !address_path(path, link))
        return base::is_error(opened) ? opened : -EINVAL;
    append_text(text, 0, address);
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
    runtime_directory_path(mounts[mount].pool, directory_mark, path);
    runtime_directory_remove(path);
}

} // namespace shim
