// loader_command: `ld.so [OPTION]... PROGRAM [ARGUMENT]...`, as ldd says it, and programs that bring a loader of their
// own; and one of Valgrind's tools, whose command looks the same.
//
// The loader opens PROGRAM, and looks along --library-path, before we are there. So it is given the copy (shadow.h) of
// a program in a pool, with the name that was asked for as --argv0, and the directories of copies in front of its
// --library-path. (A tool of Valgrind's only gets the copy.)
#pragma once

#include "posix-shim/process/program.h"

#include <string_view>

namespace shim {

struct LoaderCommand {
    bool is_there = false;
    size_t program_at = 0;      // in argv
    size_t library_path_at = 0; // the value of --library-path in argv; 0: there is none
    bool has_name = false;      // --argv0 is there
    bool is_copied = false;     // PROGRAM lies in a pool, and its copy at `copy`
    Program program;            // not to be released
    char name[pmemfile::path_max_bytes];
    char library_path[pmemfile::path_max_bytes];
    char inside[pmemfile::path_max_bytes]; // its path in its pool
    char copy[pmemfile::path_max_bytes];
};

enum class Loader : uint8_t { none, dynamic, valgrind };
// What a program of this path is.
Loader loader_of(std::string_view path);
// What the arguments ask `loader` for; `is_there` is false where they name no program by a path, or cannot be read.
void loader_command_read(ThreadContext &context, const char *const *argv, Loader loader, LoaderCommand &command);

} // namespace shim
