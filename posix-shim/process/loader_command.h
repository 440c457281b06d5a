// loader_command: `ld.so [OPTION]... PROGRAM [ARGUMENT]...`, as ldd says it, and programs that bring a loader of their
// own.
//
// The loader opens PROGRAM, and looks along --library-path, before we are there. So it is given the copy (shadow.h) of
// a program in a pool, with the name that was asked for as --argv0, and the directories of copies in front of its
// --library-path.
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

// Is a file of this name a dynamic loader?
bool is_loader_name(std::string_view name);
// What the arguments ask the loader for; `is_there` is false where they name no program by a path, or cannot be read.
void loader_command_read(ThreadContext &context, const char *const *argv, LoaderCommand &command);

} // namespace shim
