// block_map: which block holds which 4 KiB of a file: a page table under the
// 16 slots of the inode (format.h, Inode).
#pragma once

#include "base/result.h"
#include "libpmemfile/journal/call.h"

#include <span>

namespace pmemfile {

// A run of blocks of the file: `count` file blocks from `index` on lie at
// consecutive pool blocks from `block` on; block 0: a hole.
struct MappedRun {
    uint64_t index = 0;
    BlockNumber block = 0;
    uint64_t count = 0;
};

// The run that begins at file block `index`, at most `limit` blocks long. For
// readers under a ReadSection or a lock: never follows a pointer out of range
// (such a one reads as a hole and valid() will fail).
MappedRun map_lookup(const Pool &pool, const Inode &inode, uint64_t index, uint64_t limit);

// How many file blocks a map with `height` levels of nodes reaches.
constexpr uint64_t map_reach_blocks(unsigned height) {
    return inode_slots * (uint64_t{1} << (9 * height));
}

// More blocks cannot hang on the map of a sound file: one that shares may lead to a block several times.
inline uint64_t map_max_blocks(const Pool &pool, const Inode &inode) {
    const uint64_t most_owners = (inode.flags & inode_may_share) != 0 ? uint64_t{max_share_count} + 1 : 1;
    return pool.block_limit() * most_owners;
}

// Builds the changes that a call makes to one file's map. Works on `inode`, a
// private copy of the inode that the caller stores in the same record.
// Sets the pointers of the file blocks from `index` on to the blocks of `runs`, one run
// behind the other. The tree must be tall enough but for one level (map_prepare). Replaced
// blocks are freed in the same record (dropped, if another file has them too: space/share_count.h). The caller owns the
// runs' allocation. At most one map_set per record: fresh nodes cannot be read back. Errors: ENOSPC, ENOBUFS (claims
// full), EFBIG, EUCLEAN. A full record shows at commit().
base::Status map_set(Call &call, Inode &inode, uint64_t index, std::span<const BlockRun> runs);

// Makes the tree so tall that one map_set can reach file block `index`: grows it by
// one level and returns false when more than one is missing: the caller then stores `inode`,
// commits, and asks again. Content is not changed by it.
base::Result<bool> map_prepare(Call &call, Inode &inode, uint64_t index);

// Frees blocks at and beyond file block `first` from the end downwards, as many
// as fit in one record; updates `inode`. Returns true when none is left. Also for a
// directory's trie, where neighbouring pointers may lead to one leaf. EUCLEAN.
base::Result<bool> map_truncate_step(Call &call, Inode &inode, uint64_t first);

// Makes a hole of file blocks [first, end), from the front, as much as fits in one record: their blocks
// are freed, and nodes all of whose blocks were in the range. Updates `inode`. Returns where it
// stopped: `end` when nothing is left. EUCLEAN.
base::Result<uint64_t> map_clear_step(Call &call, Inode &inode, uint64_t first, uint64_t end);

// Takes off the level that map_prepare or map_set put on, if nothing lies beyond what the one below reaches: the top
// node's first pointers go back into the inode. Updates `inode`; the caller stores it. Returns false, and changes
// nothing, where that cannot be. EUCLEAN.
base::Result<bool> map_lower(Call &call, Inode &inode);

// Calls `visit` for each block that hangs on the map (data and nodes), for the
// checker: visit(context, block, file_index or -1 for a node). A false stops.
bool map_visit(const Pool &pool, const Inode &inode, bool (*visit)(void *, BlockNumber, int64_t), void *context);

} // namespace pmemfile
