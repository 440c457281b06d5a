// allocator: which blocks and inodes a call gets.
//
// Each thread keeps to its own allocation group and moves on when it is full.
// What is claimed here is undone by ~Call unless the call commits it with
// Call::take_blocks / take_inode, which these functions add to the record.
#pragma once

#include "base/result.h"
#include "libpmemfile/journal/call.h"

#include <span>

namespace pmemfile {

// No blocks are kept back: what gives space back (unlink, rmdir, truncate, rename over a file) needs
// none, only room in the journal and at most a slot of the orphan table (tests/model/full_pool_test.cpp).

// Claims one block and adds take_blocks to the call. ENOSPC.
base::Result<BlockNumber> allocate_block(Call &call);
// Claims up to `want` blocks in one run (fewer when no such run is free, but not fewer than `least`), and adds
// take_blocks. ENOSPC; ENOBUFS when the call has claimed too many runs (commit first).
base::Result<BlockRun> allocate_run(Call &call, uint32_t want, uint32_t least = 1);
// Claims an inode (making a new inode block if needed: zeroed non-temporally)
// and adds the changes. Its bytes are not initialised. ENOSPC.
base::Result<InodeNumber> allocate_inode(Call &call);
// Adds the freeing of blocks / of an inode to the call.
void release_blocks(Call &call, BlockRun run);
void release_inode(Call &call, InodeNumber inode);

// Claims a slot in the orphan table and adds "slot := inode" to the call;
// returns slot index + 1 for Inode::orphan_slot. ENOSPC when the table is full.
// A call takes or releases at most one slot (a thread's list of claims has room for one).
base::Result<uint32_t> orphan_slot_take(Call &call, InodeNumber inode);
void orphan_slot_release(Call &call, uint32_t slot_plus_one);

} // namespace pmemfile
