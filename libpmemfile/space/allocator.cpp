// The idea: a thread asks its own group first, so that threads seldom meet on a
// group's lock, and moves on for good when that group is full. Only when all
// are full are the volatile copies rebuilt (they may hold back blocks), once.
#include "libpmemfile/space/allocator.h"

#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/transaction_gate.h"

#include <bit>

namespace pmemfile {
namespace {

base::Result<BlockRun> claim_anywhere(Thread &thread, uint32_t want, uint32_t least = 1) {
    uint64_t groups = groups_in_use(thread.pool->superblock());
    if (groups == 0)
        return base::error(ENOSPC);
    for (int pass = 0; pass < 2; ++pass) {
        for (uint64_t i = 0; i < groups; ++i) {
            uint64_t group = (thread.preferred_group + i) % groups;
            BASE_TRY_ASSIGN(BlockRun run, space_map_claim_blocks(thread, group, want, least));
            if (run.count != 0) {
                thread.preferred_group = static_cast<uint32_t>(group);
                return run;
            }
        }
        if (pass == 0) {
            transaction_settle_all_dead(thread);
            space_map_reconcile(thread, true);
        }
    }
    return base::error(ENOSPC);
}

PoolOffset orphan_slot_offset(const Pool &pool, uint64_t index) {
    return pool.superblock().orphan_table_block * block_size_bytes + index * sizeof(OrphanSlot);
}

} // namespace

base::Result<BlockNumber> allocate_block(Call &call) {
    BASE_TRY_ASSIGN(BlockRun run, allocate_run(call, 1));
    return run.first;
}

base::Result<BlockRun> allocate_run(Call &call, uint32_t want, uint32_t least) {
    BASE_TRY_ASSIGN(BlockRun run, claim_anywhere(call.thread(), want, least));
    call.take_blocks(run);
    call.pool().persist.map_around(run.first * block_size_bytes, run.count * block_size_bytes);
    return run;
}

base::Result<InodeNumber> allocate_inode(Call &call) {
    Thread &thread = call.thread();
    uint64_t groups = groups_in_use(call.pool().superblock());
    for (uint64_t i = 0; i < groups; ++i) {
        BASE_TRY_ASSIGN(InodeNumber inode, space_map_claim_inode(thread, (thread.preferred_group + i) % groups));
        if (inode != 0) {
            call.take_inode(inode);
            return inode;
        }
        // The thread's own group has room for a new inode block: no need to look at all the others.
        if (i == 0 && call.pool().segment->groups()[thread.preferred_group % groups].free_blocks.load() > 0)
            break;
    }
    auto run = claim_anywhere(thread, 1);
    if (!run.ok()) {
        // No block is left, but another group may still have room in its inode blocks.
        for (uint64_t group = 0; group < groups; ++group) {
            BASE_TRY_ASSIGN(InodeNumber inode, space_map_claim_inode(thread, group));
            if (inode != 0) {
                call.take_inode(inode);
                return inode;
            }
        }
        return run.error();
    }
    // Fresh inodes must read as free. The zeros are in the record, and not stored
    // directly: the record has the only fence of the call.
    call.take_inode_block(run->first);
    call.zero(run->first * block_size_bytes, block_size_bytes);
    InodeNumber inode = run->first * inodes_per_block;
    call.take_inode(inode);
    return inode;
}

void release_blocks(Call &call, BlockRun run) {
    call.free_blocks(run);
}

void release_inode(Call &call, InodeNumber inode) {
    call.free_inode(inode);
}

base::Result<uint32_t> orphan_slot_take(Call &call, InodeNumber inode) {
    Segment &segment = *call.pool().segment;
    // Others' slots are seen in the pool; a transaction's own are claimed until it ends.
    const Pool &pool = call.pool().everybodys();
    uint64_t slots = pool.superblock().orphan_slots;
    for (uint64_t index = 0; index < slots; ++index) {
        const auto *slot = pool.at<std::atomic<InodeNumber>>(orphan_slot_offset(pool, index));
        std::atomic<uint32_t> &claim = segment.orphan_claims()[index];
        uint32_t nobody = 0;
        uint32_t mine = call.thread().slot + 1;
        if (slot->load() != 0 || claim.load() != 0)
            continue;
        // Noted first, so that who settles us need not look at all of them.
        std::atomic<uint64_t> &noted = call.thread().slot_state().orphan_claim;
        noted.store(index + 1, std::memory_order_release);
        const bool is_claimed = claim.compare_exchange_strong(nobody, mine);
        // Between our two looks somebody may have committed an inode in it. Who gives that one back claims the slot
        // over us: then it is his also when he has cleared it.
        if (!is_claimed || slot->load() != 0 || claim.load() != mine) {
            claim.compare_exchange_strong(mine, 0);
            noted.store(0, std::memory_order_release);
            continue;
        }
        if (!is_seeded(SeededFault::orphan_not_noted))
            call.store64(orphan_slot_offset(call.pool(), index), inode);
        return static_cast<uint32_t>(index + 1);
    }
    return base::error(ENOSPC);
}

void orphan_slot_release(Call &call, uint32_t slot_plus_one) {
    // An inode of a damaged pool may name any slot.
    if (is_seeded(SeededFault::orphan_slot_kept) || slot_plus_one == 0 ||
        slot_plus_one > call.pool().superblock().orphan_slots)
        return;
    // No inode's lock guards a slot. The claim keeps others from it until our record is applied for good:
    // were we killed half way, who settles us would store the 0 again, over the next inode in it.
    const uint32_t index = slot_plus_one - 1;
    call.thread().slot_state().orphan_claim.store(slot_plus_one, std::memory_order_release);
    call.pool().segment->orphan_claims()[index].store(call.thread().slot + 1);
    call.store64(orphan_slot_offset(call.pool(), index), 0);
}

} // namespace pmemfile
