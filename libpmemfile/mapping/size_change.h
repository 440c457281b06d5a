// size_change: mappings of files that change their size: pages that come, when they are touched, and pages that go.
#pragma once

#include "libpmemfile/mapping/mapping_table.h"

#include <cstdint>

namespace pmemfile {

// For a handler of SIGBUS that met no call of ours: when `address` lies in a
// mapping of ours and the file has grown over it since, maps what is there now and says true:
// the instruction is to be tried again. False: the fault is the application's. Any thread.
bool mapping_fault(const MappingCaller &caller, uint64_t address);

// After this process has let a file grow: its mappings here show the new pages, as a touch would (mapping_fault).
// For processes without a handler of SIGBUS. Costs one load when nothing is mapped. Any thread.
void mapping_file_grown(const MappingCaller &caller, uint64_t pool_key, InodeNumber inode);

// After this process has cut a file: its mappings here lose the pages behind the end (SIGBUS), as do
// copies that a private mapping had of them. Other processes keep seeing the blocks that were cut off.
// Costs one load when nothing is mapped. Any thread.
void mapping_file_cut(const MappingCaller &caller, uint64_t pool_key, InodeNumber inode);

} // namespace pmemfile
