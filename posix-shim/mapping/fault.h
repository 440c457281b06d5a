// fault: mappings of files that change their size: pages that come, when they are touched, and pages that go.
#pragma once

#include "libpmemfile/format/format.h"
#include "posix-shim/process/context.h"

#include <cstdint>

namespace shim {

// For the handler of SIGBUS, outside of any call of the shim: when `address` lies in a
// mapping of ours and the file has grown over it since, maps what is there now and says true:
// the instruction is to be tried again. False: the fault is the application's. Any thread.
bool mapping_fault(ThreadContext &context, uint64_t address);

// After this process has cut a file: its mappings here lose the pages behind the end (SIGBUS), as do
// copies that a private mapping had of them. Other processes keep seeing the blocks that were cut off.
// Costs one load when nothing is mapped. Any thread; weak for tests without mappings.
__attribute__((weak)) void mapping_file_cut(ThreadContext &context, unsigned mount, pmemfile::InodeNumber inode);

} // namespace shim
