// needed_libraries: the libraries in pools that a program will want before its first call of ours.
//
// The loader maps what DT_NEEDED names before we are there. So exec looks as the loader will:
// RPATH, LD_LIBRARY_PATH, RUNPATH, each with $ORIGIN; what it finds in a pool gets a copy (shadow.h), and the copies'
// directories go in front of LD_LIBRARY_PATH. The new image takes them out again.
#pragma once

#include "posix-shim/process/program.h"

#include <string_view>

namespace shim {

constexpr size_t library_path_bytes = 8192; // of the value that is made, with NUL

// `inside`: the program's path in its pool, empty for one of the host. `library_path`: the value of LD_LIBRARY_PATH, as
// the new image shall see it. Writes the value for the loader into `to` of library_path_bytes; false when it
// is the same. What cannot be copied is left out: the loader will miss it, and say so.
bool copy_needed_libraries(ThreadContext &context, const Program &program, std::string_view inside,
                           std::string_view library_path, char *to);
// In the new image: `value` of LD_LIBRARY_PATH without the directories of copies, in place. True when nothing is left.
bool library_path_restore(char *value);

} // namespace shim
