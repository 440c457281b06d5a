// copied_elf: what must be otherwise in the copy (shadow.h) of a program or library than in the file itself, because
// the kernel and the loader look for it before we are there:
//
//   PT_INTERP that lies in a pool               the path of its copy, behind the end of the file
//   DT_NEEDED with a slash that leads to one    the path of its copy, in the zeros between a segment's end and its
//   page's
//   DT_RPATH, when the process's root is in the pool   DT_RUNPATH
//
// Where there are not enough zeros a library's name stays as it is, and the loader says that there is no such file. The
// copies themselves are made at each exec (needed_libraries.h).
#pragma once

#include "posix-shim/process/elf_file.h"

namespace shim {

// Changes the copy behind `descriptor`, which is whole, of `source`. Errors of pwrite; ENOMEM.
base::Status copied_elf_adapt(ThreadContext &context, const ElfSource &source, long descriptor);

} // namespace shim
