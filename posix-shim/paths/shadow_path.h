// shadow_path: the host's paths of copies of a pool's programs and libraries (process/shadow.h makes
// them), and the way back into the pool.
//
//   /dev/shm/pmemfile-<pool>.run-<uid>/bin/tool   stands for   <mount>/bin/tool
#pragma once

#include "libpmemfile/format/format.h"
#include "libpmemfile/fs/walk.h"
#include "libpmemfile/runtime/pool.h"
#include "posix-shim/process/working_directory.h"

#include <string_view>

namespace shim {

constexpr std::string_view shadow_mark = ".run-"; // behind the path of the runtime file

// Cuts off what copies of that pool's programs begin with. False: `path` is none.
bool shadow_take_pool(std::string_view &path, const pmemfile::Pool &pool);
// The path inside the pool that `path` stands for ("" for its root, else with its slash), and its mount; -1: none.
int shadow_mount_of(std::string_view path, std::string_view *inside);
// Copies for processes whose root is in the pool have names for that root, and lie apart:
//
//   /dev/shm/pmemfile-<pool>.run-<uid>/.root-<inode>/bin/tool   stands for   /bin/tool   below it
//
// The mark of such a root, with its slash, into `to`; the length.
constexpr size_t root_mark_bytes = 32;
size_t shadow_root_mark(pmemfile::InodeNumber root, char (&to)[root_mark_bytes]);
// Is what a path stands for (shadow_mount_of) below such a mark?
bool is_shadow_of_root(std::string_view inside);
// Cuts the mark of `root` off. False: there is another one or none.
bool shadow_take_root(std::string_view &inside, const WorkingDirectory &root);

// Is it a path of any pool's copies, mounted here or not?
bool is_shadow_path(std::string_view path);

// The program that this process executes, when it is such a copy. Set before the hooks start.
struct ShadowedProgram {
    int mount = -1;
    size_t length = 0;
    char inside[4096] = {}; // without its first slash
};
extern constinit ShadowedProgram shadowed_program;

} // namespace shim
