// The idea: a block that another file has too is replaced by a copy of it before anybody stores to it in
// place. The file reads the same before and after, so this is a record of its own that no one can see.
//
//   A ──► [b1][b2]      unshare b2 of B      A ──► [b1][b2]
//   B ──► [b1][b2]     ────────────────►     B ──► [b1][c2]
//
// Mappings see blocks, not files. So a file with a shared writable mapping has no block in common
// with any other, and a block that a mapping of another file may still show is not stored to either.
#include "libpmemfile/file/data_share.h"

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>

namespace pmemfile {
namespace {

constexpr uint64_t step_max_blocks = 256; // 1 MiB: its frees fit in a record however scattered

// Blocks [first, end) of the file, all of which must be copied, as far as one record goes.
base::Result<uint64_t> copy_out(Call &call, InodeNumber number, Inode &inode, const MappedRun &run) {
    BASE_TRY_ASSIGN(BlockRun fresh, allocate_run(call, static_cast<uint32_t>(run.count)));
    call.pool().persist.store_nt(fresh.first * block_size_bytes, call.pool().block(run.block),
                                 fresh.count * block_size_bytes);
    BASE_TRY(call.fence_data());
    BASE_TRY(map_set(call, inode, run.index, std::span(&fresh, 1)));
    store_changes(call, number, inode);
    BASE_TRY(call.commit());
    return run.index + fresh.count;
}

} // namespace

bool is_block_shared(Call &call, InodeNumber number, const Inode &inode, BlockNumber block) {
    return (inode.flags & inode_may_share) != 0 && block != 0 &&
           (share_count(call.pool(), block) != 0 || is_other_mapped(call.thread(), number));
}

base::Status data_unshare(Call &call, InodeNumber number, uint64_t first, uint64_t end) {
    while (first < end) {
        const Inode *home = call.pool().inode(number);
        if (home == nullptr)
            return base::error(EUCLEAN);
        if ((home->flags & inode_may_share) == 0)
            return {};
        Inode inode = *home;
        if (first >= map_reach_blocks(std::min<unsigned>(inode.height, max_map_height)))
            return {};
        MappedRun run = map_lookup(call.pool(), inode, first, end - first);
        if (run.block == 0 || !is_block_shared(call, number, inode, run.block)) {
            first += run.block == 0 ? run.count : 1;
            continue;
        }
        uint64_t count = 1;
        const uint64_t limit = std::min(run.count, step_max_blocks);
        while (count < limit && is_block_shared(call, number, inode, run.block + count))
            ++count;
        BASE_TRY_ASSIGN(first, copy_out(call, number, inode, {run.index, run.block, count}));
    }
    return {};
}

base::Status data_prepare_change(Call &call, InodeNumber number) {
    BASE_TRY(data_finish_truncate(call, number));
    const Inode *home = call.pool().inode(number);
    if (home == nullptr)
        return base::error(EUCLEAN);
    if ((home->flags & inode_may_share) == 0 || !is_mapped_writable(call.thread(), number))
        return {};
    BASE_TRY(data_unshare(call, number, 0, UINT64_MAX));
    Inode inode = *home;
    inode.flags &= static_cast<uint16_t>(~inode_may_share);
    store_changes(call, number, inode);
    return call.commit();
}

} // namespace pmemfile
