// space_map: the volatile copies of the allocation groups' bitmaps.
//
// A set bit means: in use on the media, or claimed by a call under way, or
// freed but held back (quarantined). A claim is entered in the thread's slot
// first, under the group's lock, so that it can be undone when the thread is
// killed. What to claim is the space floor's business (space/allocator.h).
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

#include <bit>

namespace pmemfile {

// A run of blocks.
struct BlockRun {
    BlockNumber first = 0;
    uint32_t count = 0;
};

// The group that holds `block`, or group_count if none does. Metadata blocks
// of a group belong to it.
uint64_t group_of_block(const Pool &pool, BlockNumber block);
// The same whatever the groups' sizes are.
uint64_t group_search(const Pool &pool, BlockNumber block);

inline const GroupDescriptor &group_descriptor(const Pool &pool, uint64_t group) {
    return pool.at<GroupDescriptor>(pool.superblock().group_table_block * block_size_bytes)[group];
}

inline bool group_holds(const GroupDescriptor &group, BlockNumber block) {
    return block - group.first_block < group.block_count; // below it wraps
}

inline uint64_t group_of_block(const Pool &pool, BlockNumber block) {
    // Within one slab all groups but the last are of one size, mostly a power of two.
    const GroupDescriptor *table = &group_descriptor(pool, 0);
    const uint32_t size = table[0].block_count;
    if ((size & (size - 1)) == 0 && size != 0) { // has_single_bit() is a call, where no popcnt may be assumed
        const uint64_t guess = (block - table[0].first_block) >> std::countr_zero(size);
        if (guess < pool.superblock().group_count && group_holds(table[guess], block))
            return guess;
    }
    return group_search(pool, block);
}

// Loads the volatile copies of a group from the media if need be. Group lock held.
void space_map_load(Thread &thread, uint64_t group);

// Claims up to `want` consecutive free blocks in `group`, the longest run found
// near its hint, aligned to `want` rounded to a power of two where a run of
// 512 is asked for. count 0 when the group has no `least` together. ENOBUFS when the thread's claim list is full.
base::Result<BlockRun> space_map_claim_blocks(Thread &thread, uint64_t group, uint32_t want, uint32_t least = 1);
// Claims one inode in an existing inode block of the group; 0 when none has room.
base::Result<InodeNumber> space_map_claim_inode(Thread &thread, uint64_t group);

// Before a record that frees blocks or inodes of `group` is applied: the group's copies are loaded. Were
// they loaded between the home stores and the release, what is freed would be claimable already, and
// the release would take it from whoever has claimed it.
void space_map_expect_release(Thread &thread, uint64_t group);
// The same, where what is freed is held back for mappings of these stripes (quarantine.h). Before the record is applied, too:
// what is clear on the media and not noted here is handed out by who rebuilds the group.
void space_map_hold_back(Thread &thread, uint64_t group, uint64_t held_for);
// After commit and home stores: what is freed becomes claimable, or is held back for `held_for` if that is not 0.
void space_map_release_blocks(Thread &thread, BlockNumber first, uint32_t count, uint64_t held_for = 0);
void space_map_release_inode(Thread &thread, InodeNumber inode);
// After commit and home stores: makes `block` an inode block for claimers.
void space_map_add_inode_block(Thread &thread, BlockNumber block);
void space_map_remove_inode_block(Thread &thread, BlockNumber block);

// True when this thread's present call has claimed something.
bool space_map_has_claims(const Thread &thread);
// The claims of the present call become its transaction's: space_map_undo_claims leaves them until
// space_map_end_hold.
void space_map_hold_claims(Thread &thread);
// Undoes all claims in the slot `slot` (this thread's own after a failed call,
// or a dead thread's, by its settler, after its record was applied), the orphan
// slot's too. Clears the claim list.
void space_map_undo_claims(Thread &thread, uint32_t slot);
// Makes the group whose lock the dead thread in `slot_index` holds fit for others: undoes its last claims there, and
// counts the free blocks. Waits for nobody. The lock may be freed then, before the other claims are undone.
void space_map_mend_held_groups(Thread &thread, uint32_t slot_index);
// The transaction's claims are the present call's again: for space_map_undo_claims, its orphan slots given back.
void space_map_end_hold(Thread &thread);
// Forgets the claim list of this thread, the orphan slots' too: they are
// committed and stored at home.
void space_map_keep_claims(Thread &thread);

// Set once by the journal floor: calls each(context, run) for the blocks that records free which are not
// wholly at home yet. Their bits may be clear on the media already.
extern void (*freed_under_way_hook)(Thread &thread, void *context, void (*each)(void *context, BlockRun run));

// Rebuilds the copies of the groups from which something was held back, or that a killed thread has left unsettled:
// media bits or live claims. Called when a stripe's last pin is gone and, with `all_groups`, when space runs out (a killed
// thread may have left bits set anywhere). Groups that hold something for a live pin stay as they are.
void space_map_reconcile(Thread &thread, bool all_groups = false);

// Free blocks in the pool (loads all groups); counts no further than `enough`.
uint64_t space_map_free_blocks(Thread &thread, uint64_t enough = UINT64_MAX);

} // namespace pmemfile
