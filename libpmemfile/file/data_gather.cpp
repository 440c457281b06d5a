// As when blocks part from those of a clone (data_share.cpp): a copy takes the place of a block, and the file reads the
// same before and after.
//
//   file   | 0 | 1 | 2 | 3 |          file   | 0 | 1 | 2 | 3 |
//   pool    17   4   -  99     ──►    pool    30  31  32  33
#include "libpmemfile/file/data_gather.h"

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>

namespace pmemfile {

constinit unsigned map_pieces_max = 4096;

namespace {

constexpr uint64_t step_max_blocks = 256; // 1 MiB: its frees fit in a record however scattered
constexpr uint64_t step_min_blocks = 16;  // shorter runs gather nothing

// File blocks from `first` on to the fresh ones.
void copy_blocks(Pool &pool, const Inode &inode, uint64_t first, const BlockRun &fresh) {
    for (uint64_t done = 0; done < fresh.count;) {
        const MappedRun run = map_lookup(pool, inode, first + done, fresh.count - done);
        const uint64_t count = std::clamp<uint64_t>(run.count, 1, fresh.count - done);
        const PoolOffset target = (fresh.first + done) * block_size_bytes;
        if (run.block == 0)
            pool.persist.zero_nt(target, count * block_size_bytes);
        else
            pool.persist.store_nt(target, pool.block(run.block), count * block_size_bytes);
        done += count;
    }
}

} // namespace

bool is_scattered(const Pool &pool, const Inode &inode, uint64_t first, uint64_t end) {
    unsigned pieces = 0;
    BlockNumber next = UINT64_MAX; // the block that would continue the piece; 0: a hole
    while (first < end && pieces <= map_pieces_max) {
        const MappedRun run = map_lookup(pool, inode, first, end - first);
        const uint64_t count = std::max<uint64_t>(run.count, 1);
        pieces += run.block != next;
        next = run.block == 0 ? 0 : run.block + count;
        first += count;
    }
    return pieces > map_pieces_max;
}

base::Status data_gather(Call &call, InodeNumber number, uint64_t first, uint64_t end) {
    BASE_TRY(data_finish_truncate(call, number));
    while (first < end) {
        const Inode *home = call.pool().inode(number);
        if (home == nullptr)
            return base::error(EUCLEAN);
        Inode inode = *home;
        end = std::min(end, map_reach_blocks(std::min<unsigned>(inode.height, max_map_height)));
        if (first >= end)
            return {};
        const uint64_t wanted = std::min(step_max_blocks, end - first);
        const MappedRun run = map_lookup(call.pool(), inode, first, end - first);
        if (run.count >= wanted) {
            first += run.count;
            continue;
        }
        BASE_TRY_ASSIGN(const BlockRun fresh, allocate_run(call, static_cast<uint32_t>(wanted),
                                                           static_cast<uint32_t>(std::min(wanted, step_min_blocks))));
        copy_blocks(call.pool(), inode, first, fresh);
        BASE_TRY(call.fence_data());
        BASE_TRY(map_set(call, inode, first, std::span(&fresh, 1)));
        store_changes(call, number, inode);
        BASE_TRY(call.commit());
        first += fresh.count;
    }
    return {};
}

} // namespace pmemfile
