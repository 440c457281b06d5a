// data_share: blocks that several files have (reflinks): making them, and parting them before a change.
#pragma once

#include "libpmemfile/file/data.h"
#include "libpmemfile/space/share_count.h"

namespace pmemfile {

// True when `block` of the file may not be stored to in place: another file (or another place of this one) has it
// too, or did and a mapping may still show it. The call holds the inode's lock.
bool is_block_shared(Call &call, InodeNumber number, const Inode &inode, BlockNumber block);

// Gives the file copies of those of its blocks [first, end) that are shared, in steps that nobody sees; commits.
// The call holds the inode's lock and has no changes yet. ENOSPC, EUCLEAN.
base::Status data_unshare(Call &call, InodeNumber number, uint64_t first, uint64_t end);

// What every change of a file's data begins with: finishes a truncation that was cut short, and parts the blocks of
// a file that is mapped shared and writable from those of others (then the flag goes). Commits. The call
// holds the inode's lock and has no changes yet. ENOSPC, EUCLEAN.
base::Status data_prepare_change(Call &call, InodeNumber number);

// Makes `count` file blocks of `to` from block `to_index` on lead to those of `from` at `from_index`, in steps,
// each atomic: to the next border of data and hole in `from`, at most 1 MiB (16 MiB over a hole of `to`). Of the last
// one only `last_bytes` (the rest is zeros). Holes stay holes; a block that can have no more owners, one of which a
// part is cloned and those of a file that is mapped shared and writable are copied. Neither file is inline, `to` is not
// mapped, in one file the ranges do not overlap. `at_once`: the range begins at or behind the end of `to`, and the new
// size comes with the last step: a crash or an error leaves the file as it was. Else the file grows with each step. For
// a call that holds both inodes' locks, both prepared. Returns blocks done, fewer only if not `at_once` and space ran
// out. ENOSPC, EFBIG, EUCLEAN.
struct CloneRange {
    InodeNumber from = 0;
    uint64_t from_index = 0;
    InodeNumber to = 0;
    uint64_t to_index = 0;
    uint64_t count = 0;
    uint64_t last_bytes = block_size_bytes;
};
base::Result<uint64_t> clone_blocks(Call &call, const CloneRange &range, bool at_once);

} // namespace pmemfile
