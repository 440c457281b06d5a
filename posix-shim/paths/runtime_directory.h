// runtime_directory: host directories beside a pool's runtime segment, for what only the kernel can do.
//
//   /dev/shm/pmemfile-<pool>.s/   sockets and fifos (paths/rendezvous.h)
//                         /.n/    what is watched by inotify (notify/mirror.h)
//
// Who may open the pool may enter them, nobody else. The last process that leaves the pool removes them.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/pool.h"

#include <string_view>

namespace shim {

// Each append to a NUL-terminated text that has `length` bytes and room; the new length.
size_t append_text(char *to, size_t length, std::string_view text);
size_t append_hex(char *to, size_t length, uint64_t value);

// The path of the pool's directory with that mark (".s") into `to`; its length.
size_t runtime_directory_path(const pmemfile::Pool &pool, std::string_view mark, char *to);
// Makes it if need be. EACCES: there stands a directory of somebody who may not open the pool; errors of mkdir.
base::Status runtime_directory_make(const pmemfile::Pool &pool, const char *path);
// Removes what is in it, and in its directories, and it itself.
void runtime_directory_remove(const char *path);

} // namespace shim
