// fake_engine: a stand-in for libpmemfile under the shim's tests: it remembers
// the last call and serves a handful of names, so that what the shim does with
// descriptors and paths is seen without a pool.
#pragma once

#include "posix-shim/process/mount.h"

#include <string>

namespace fake {

constexpr pmemfile::InodeNumber root_inode = 1; // directory
constexpr pmemfile::InodeNumber directory_inode = 2;
constexpr pmemfile::InodeNumber file_inode = 3;

// "mkdir 1:a/b" for the last name call; "" if none.
extern std::string last_call;
extern int closed_count;        // fs_close calls
extern std::string escape_text; // what a path that begins with "out" escapes to
extern std::string content;     // of every open file
extern const char *word_path;   // what was named by intercept_set_word_path, and by which hook
extern int word_path_hook;

// One mount at `directory` with a token file at `token_path`.
void mount(const std::string &directory, const std::string &token_path);

} // namespace fake
