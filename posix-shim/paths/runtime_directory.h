// runtime_directory: host directories beside a pool's runtime segment, for what only the kernel can do.
//
//   /dev/shm/pmemfile-<pool>.s/   sockets and fifos (paths/rendezvous.h)
//                         /.n/    what is watched by inotify (notify/mirror.h)
//
// Who may open the pool may enter them, nobody else. The last process that leaves the pool removes them.
#pragma once

#include "base/raw_syscall.h"
#include "base/result.h"
#include "libpmemfile/runtime/pool.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string_view>

namespace shim {

// Each append to a NUL-terminated text that has `length` bytes and room; the new length.
size_t append_text(char *to, size_t length, std::string_view text);
size_t append_hex(char *to, size_t length, uint64_t value);

// The path of the pool's directory with that mark (".s") into `to`; its length.
size_t runtime_directory_path(const pmemfile::Pool &pool, std::string_view mark, char *to);
// Makes it if need be. EACCES: there stands a directory of somebody who may not open the pool; errors of mkdir.
base::Status runtime_directory_make(const pmemfile::Pool &pool, const char *path);
// Makes something of the host's for all who may open the pool: under a name of its own first, so that nobody meets it
// before it has its permissions. `make(name)` is 0 or -errno; `remove_flags` are unlinkat's for what it makes. 0, also
// when something stands there already, or -errno. A process that is killed in here leaves the name.
template <typename Make> long runtime_make_whole(const char *path, int remove_flags, Make make) {
    char name[160];
    uint64_t number = 0;
    base::raw_syscall(SYS_getrandom, base::as_long(&number), sizeof number, 0);
    append_hex(name, append_text(name, append_text(name, 0, path), "."), number);
    long made = make(static_cast<const char *>(name));
    if (!base::is_error(made))
        made = base::raw_syscall(SYS_renameat2, AT_FDCWD, base::as_long(name), AT_FDCWD, base::as_long(path),
                                 RENAME_NOREPLACE);
    if (base::is_error(made))
        base::raw_syscall(SYS_unlinkat, AT_FDCWD, base::as_long(name), remove_flags);
    return made == -EEXIST ? 0 : made;
}
// Removes what is in it, and in its directories, and it itself.
void runtime_directory_remove(const char *path);

} // namespace shim
