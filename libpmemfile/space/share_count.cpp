// The idea: a run of blocks has a run of counts, one byte each, in its group:
//
//   blocks   │ b0 │ b1 │ b2 │ b3 │
//   counts   │ 0  │ 0  │ 2  │ 1  │     drop:  free b0 b1, store 1 0
//
// so a change of a run is one `store` of its counts, and frees of what had no other owner.
#include "libpmemfile/space/share_count.h"

#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>

namespace pmemfile {

PoolOffset share_count_offset(const Pool &pool, BlockNumber block) {
    if (!has_share_counts(pool))
        return 0;
    const uint64_t group = group_of_block(pool, block);
    if (group == pool.superblock().group_count)
        return 0;
    const GroupDescriptor &descriptor = group_descriptor(pool, group);
    return (descriptor.first_block + share_counts_block(descriptor.block_count)) * block_size_bytes +
           (block - descriptor.first_block);
}

ShareCount share_count(const Pool &pool, BlockNumber block) {
    const PoolOffset offset = share_count_offset(pool, block);
    return offset == 0 ? ShareCount{0} : __atomic_load_n(pool.at<ShareCount>(offset), __ATOMIC_RELAXED);
}

uint32_t shareable_blocks(const Call &call, BlockRun run) {
    const PoolOffset offset = share_count_offset(call.pool(), run.first);
    if (offset == 0)
        return 0;
    ShareCount counts[share_run_max_blocks];
    for (uint32_t done = 0; done < run.count;) {
        const uint32_t piece = std::min(run.count - done, share_run_max_blocks);
        call.load_pending(offset + done, counts, piece);
        for (uint32_t i = 0; i < piece; ++i)
            if (counts[i] >= max_share_count)
                return done + i;
        done += piece;
    }
    return run.count;
}

void share_blocks(Call &call, BlockRun run) {
    const PoolOffset offset = share_count_offset(call.pool(), run.first);
    if (offset == 0 || is_seeded(SeededFault::share_not_counted))
        return;
    ShareCount counts[share_run_max_blocks];
    for (uint32_t done = 0; done < run.count;) {
        const uint32_t piece = std::min(run.count - done, share_run_max_blocks);
        call.load_pending(offset + done, counts, piece);
        for (uint32_t i = 0; i < piece; ++i)
            ++counts[i];
        call.store(offset + done, counts, piece);
        done += piece;
    }
}

void drop_blocks(Call &call, BlockRun run) {
    const PoolOffset offset = share_count_offset(call.pool(), run.first);
    if (offset == 0 || run.count > share_run_max_blocks)
        return release_blocks(call, run); // refused there if it is none of a group's
    ShareCount counts[share_run_max_blocks];
    call.load_pending(offset, counts, run.count);
    if (call.may_change_mapped() && std::any_of(counts, counts + run.count, [](ShareCount count) { return count != 0; }))
        mapping_pin_miss_block(call.thread()); // a mapping of this file may show it when its last owner frees it
    for (uint32_t first = 0, end = 0; first < run.count; first = end) {
        const bool is_shared = counts[first] != 0;
        for (end = first; end < run.count && (counts[end] != 0) == is_shared; ++end)
            if (is_shared)
                --counts[end];
        if (!is_shared) {
            release_blocks(call, {run.first + first, end - first});
        } else if (is_seeded(SeededFault::share_count_dropped_in_place)) {
            call.pool().persist.store(offset + first, counts + first, end - first);
            call.pool().persist.flush(offset + first, end - first);
        } else {
            call.store(offset + first, counts + first, end - first);
        }
    }
}

} // namespace pmemfile
