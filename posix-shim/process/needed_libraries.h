// needed_libraries: the libraries in pools that a program will want before its first call of ours.
//
// The loader maps what DT_NEEDED names before we are there. So exec looks as the loader will:
// RPATH, LD_LIBRARY_PATH, RUNPATH, each with $ORIGIN; what it finds in a pool gets a copy (shadow.h), and the copies'
// directories go in front of LD_LIBRARY_PATH. Files that are named by a path (PT_INTERP, LD_PRELOAD, DT_NEEDED with a
// slash) are copied too, and named by their copies' paths (copied_elf.h says where). The new image takes all that out
// of its environment again.
#pragma once

#include "posix-shim/process/program.h"

#include <string_view>

namespace shim {

constexpr size_t library_path_bytes = 8192; // of a value that is made, with NUL

// Values of the environment, as the new image shall see them.
struct LoaderPaths {
    std::string_view library_path; // LD_LIBRARY_PATH
    std::string_view preload;      // LD_PRELOAD
};
// Values for the loader, where they must be others.
struct PathChanges {
    bool has_library_path;
    bool has_preload;
    char library_path[library_path_bytes];
    char preload[library_path_bytes];
};

// `inside`: the program's path in its pool, empty for one of the host. What cannot be copied is left out: the loader
// will miss it, and say so. Where the process's root is in a pool the loader could find the host's instead: ENOENT,
// with a line.
base::Status copy_needed_libraries(ThreadContext &context, const Program &program, std::string_view inside,
                                   const LoaderPaths &paths, PathChanges &changes);
// In the new image: `value` of LD_LIBRARY_PATH without the directories of copies, in place. True when nothing is left.
bool library_path_restore(char *value);

} // namespace shim
