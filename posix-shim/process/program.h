// program: the file that an exec names, in a pool or on the host.
#pragma once

#include "libpmemfile/runtime/open_file.h"
#include "posix-shim/calls/handler.h"

#include <string_view>

namespace shim {

constexpr size_t program_head_bytes = 256; // what the kernel looks at (BINPRM_BUF_SIZE)

struct Program {
    // In a pool when `thread` is not null: `holder` keeps the inode until program_release.
    pmemfile::Thread *thread = nullptr;
    unsigned mount = 0;
    pmemfile::InodeNumber inode = 0;
    pmemfile::OpenFileId holder = 0;
    // On the host: what the kernel is given.
    long dirfd = 0;
    const char *path = nullptr;
};

// Finds the program of execveat's arguments (execve: AT_FDCWD, flags 0). A host program
// may not exist: the kernel says so, except that ENOENT and ENOTDIR are found here. A path from
// the application. `inside` (of path_max_bytes) gets its path in the pool without symlinks; empty when it has none
// that is known (a descriptor) or is the host's. EFAULT, ENOENT, EACCES, ELOOP ...
base::Result<Program> program_find(Request &request, long dirfd, const char *user_path, long flags, char *inside);
// The same for a string of ours: an interpreter's path.
base::Result<Program> program_find_interpreter(Request &request, std::string_view path, char *inside);
void program_release(const Program &program);

// First bytes of the program into `head`, zeros behind its end. A program in a pool must be
// executable for the caller: EACCES. A host file that we cannot read gives only zeros.
base::Status program_head(const Program &program, char (&head)[program_head_bytes]);
// Is it one that is linked statically, as far as its head tells?
bool program_is_static(const char (&head)[program_head_bytes]);
// Why a program of the host will not see the pools (it is linked statically, or set-id for `who`: the loader ignores
// LD_PRELOAD then); null when it will, or when that cannot be told.
const char *program_goes_round(const Program &program, const char (&head)[program_head_bytes],
                               const pmemfile::Credentials &who);
// The "#!" line in `head`: interpreter and its one argument (empty: none), cut as the kernel
// does it. False when there is none; ENOEXEC when it names nothing or does not fit.
base::Result<bool> parse_script(const char (&head)[program_head_bytes], std::string_view *interpreter,
                                std::string_view *argument);
// A copy of a program in a pool that the kernel can execute: a memory file, close-on-exec.
base::Result<int> program_copy(ThreadContext &context, const Program &program, const char *name);

} // namespace shim
