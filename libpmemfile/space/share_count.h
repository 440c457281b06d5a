// share_count: files that have blocks in common. Each block has a count of the pointers that lead to it
// beside the first one (format.h, GroupDescriptor); 0 for all blocks of files that were never cloned.
//
// A block with a count is never stored to: who wants to change it takes a fresh one and drops the old.
// Counts change in records only, under a lock of their own (Call::lock_share_counts), for files with a
// common block have no other in common. Only inodes flagged inode_may_share look at them.
#pragma once

#include "libpmemfile/journal/call.h"

namespace pmemfile {

// Runs that are dropped or shared at a time; a dropped one takes up to this in the record.
constexpr uint32_t share_run_max_blocks = 64;
constexpr size_t share_run_record_bytes = 20 * share_run_max_blocks;

// False for pools made before there were counts: no file of theirs shares.
inline bool has_share_counts(const Pool &pool) {
    return (pool.superblock().features.incompatible & feature_share_counts) != 0;
}

// Where the count of `block` is; 0: it has none (no block of a group, or a pool without counts).
PoolOffset share_count_offset(const Pool &pool, BlockNumber block);

// The count at home. No lock is needed to trust a 0 of a block that a locked inode leads to: it
// stays 0, for only a clone of that inode could raise it.
ShareCount share_count(const Pool &pool, BlockNumber block);

// How many blocks of `run`, from the first on, may have one owner more. The counts are locked.
uint32_t shareable_blocks(const Call &call, BlockRun run);

// Adds to the record: each block of the run has one owner more. shareable_blocks() has said that it may.
// The counts are locked. A full record shows at commit().
void share_blocks(Call &call, BlockRun run);

// Adds to the record: each block of the run, at most share_run_max_blocks, has one owner less; those that had
// one are freed. What the record has changed already counts: a file may lead to a block twice. The counts are locked.
void drop_blocks(Call &call, BlockRun run);

} // namespace pmemfile
