// data_gather: bringing a file's blocks together before it is mapped. The kernel gives a process so many mappings
// and no more (vm.max_map_count, 65,530), and each run of blocks takes one.
#pragma once

#include "libpmemfile/file/data.h"

namespace pmemfile {

// A range of more pieces than this is gathered. Tests set it lower.
extern constinit unsigned map_pieces_max;

// Do the file's blocks [first, end) lie in more than map_pieces_max pieces? A stretch of holes is one. The call holds
// the inode's lock.
bool is_scattered(const Pool &pool, const Inode &inode, uint64_t first, uint64_t end);

// Copies blocks [first, end) of the file to runs of up to 1 MiB, in steps that nobody sees; holes between them
// become zeros. What is in one piece already stays. Commits. The call holds the inode's lock and has no changes yet,
// and nobody has mapped the file. ENOSPC when there are no runs to be had, EUCLEAN; the file reads the same in any
// case.
base::Status data_gather(Call &call, InodeNumber number, uint64_t first, uint64_t end);

} // namespace pmemfile
