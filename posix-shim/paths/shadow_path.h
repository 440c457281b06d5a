// shadow_path: the host's paths of copies of a pool's programs and libraries (process/shadow.h makes
// them), and the way back into the pool.
//
//   /dev/shm/pmemfile-<pool>.run-<uid>/bin/tool   stands for   <mount>/bin/tool
#pragma once

#include "libpmemfile/format/format.h"
#include "libpmemfile/fs/walk.h"

#include <string_view>

namespace shim {

constexpr std::string_view shadow_mark = ".run-"; // behind the path of the runtime file

// The path inside the pool that `path` stands for ("" for its root, else with its slash), and its mount; -1: none.
int shadow_mount_of(std::string_view path, std::string_view *inside);
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
