// Each number is bounded before it is multiplied or added to: a hostile superblock has a
// right checksum, and sums that wrap around would pass for small.
#include "libpmemfile/runtime/layout_check.h"

#include "libpmemfile/runtime/segment.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pmemfile {
namespace {

// True when `count` blocks from `first` on lie in a pool of `limit` blocks.
bool in_pool(uint64_t limit, uint64_t first, uint64_t count) {
    return first != 0 && first < limit && count <= limit - first;
}

constexpr uint32_t block_size_log2 = std::countr_zero(block_size_bytes);

// Blocks that `count` things of `size_bytes` take; count is below 2^32.
uint64_t blocks_for(uint64_t count, uint64_t size_bytes) {
    return (count * size_bytes + block_size_bytes - 1) / block_size_bytes;
}

// A repair of one would damage the other.
bool tables_overlap(const Superblock &sb, BlockNumber superblock_block) {
    const struct {
        uint64_t first, count;
    } tables[] = {
        {superblock_block, 1},
        {sb.group_table_block, sb.group_table_blocks},
        {sb.orphan_table_block, blocks_for(sb.orphan_slots, sizeof(OrphanSlot))},
        {sb.ring_table_block, blocks_for(sb.ring_count, sizeof(RingHeader))},
        {sb.ring_first_block, sb.ring_count * (sb.ring_size_bytes / block_size_bytes)},
    };
    for (const auto &a : tables)
        for (const auto &b : tables)
            if (&a != &b && a.first < b.first + b.count && b.first < a.first + a.count)
                return true;
    return false;
}

// Each root has its own tree: one that stood there twice would own its blocks twice.
bool roots_repeat(const Superblock &sb) {
    bool repeat = false;
    for (unsigned i = 0; i < max_other_roots; ++i) {
        const InodeNumber root = sb.other_roots[i];
        repeat = repeat || root == sb.root_inode;
        for (unsigned j = 0; j < i && root != 0; ++j)
            repeat = repeat || root == sb.other_roots[j];
    }
    return repeat;
}

LayoutProblem damaged(const char *text) {
    return {text, EUCLEAN};
}

} // namespace

LayoutProblem superblock_problem(const Persist &persist, PoolOffset offset) {
    const uint64_t limit = persist.size_bytes() / block_size_bytes;
    if (offset % block_size_bytes != 0 || !in_pool(limit, offset / block_size_bytes, 1))
        return damaged("lies outside the pool");
    const auto &sb = *reinterpret_cast<const Superblock *>(persist.base() + offset);
    if (sb.magic != superblock_magic)
        return damaged("has no magic number: damaged, or mkfs did not finish");
    if (sb.version > format_version)
        return {"is of a format version newer than this program knows", EPROTONOSUPPORT};
    if (sb.version != format_version)
        return damaged("is of a format version this program does not know");
    if (sb.checksum != XXH3_64bits(&sb.version, superblock_checked_bytes - offsetof(Superblock, version)))
        return damaged("has a wrong checksum");
    if ((sb.features.incompatible & ~known_incompatible_features) != 0)
        return {"asks for features this program does not know", EPROTONOSUPPORT};
    if (sb.block_size_log2 != block_size_log2)
        return damaged("has another block size");
    if (sb.pool_size_bytes > persist.size_bytes())
        return damaged("says that the pool is larger than its file: the file was truncated");
    if (sb.group_count == 0 || sb.group_count > limit || !in_pool(limit, sb.group_table_block, sb.group_table_blocks) ||
        blocks_for(sb.group_count, sizeof(GroupDescriptor)) > sb.group_table_blocks)
        return damaged("has a group table outside the pool");
    if (sb.group_table_block != offset / block_size_bytes + 1)
        return damaged("belongs to another place: it is that of a pool which is stored in a file of this one");
    const uint64_t in_use = groups_in_use(sb);
    if (in_use == 0 || ((sb.features.incompatible & feature_growth) != 0 &&
                        sb.groups_in_use != groups_in_use_word(static_cast<uint32_t>(in_use))))
        return damaged("has a damaged number of groups in use");
    if (sb.orphan_slots == 0 || sb.orphan_slots > persist.size_bytes() / sizeof(OrphanSlot) ||
        !in_pool(limit, sb.orphan_table_block, blocks_for(sb.orphan_slots, sizeof(OrphanSlot))))
        return damaged("has an orphan table outside the pool");
    if (sb.ring_count == 0 || sb.ring_count > max_rings ||
        !in_pool(limit, sb.ring_table_block, blocks_for(sb.ring_count, sizeof(RingHeader))))
        return damaged("has a ring table outside the pool");
    if (!std::has_single_bit(sb.ring_size_bytes) || sb.ring_size_bytes < 4 * max_record_bytes ||
        sb.ring_size_bytes > persist.size_bytes() ||
        !in_pool(limit, sb.ring_first_block, sb.ring_count * (sb.ring_size_bytes / block_size_bytes)))
        return damaged("has rings outside the pool");
    if (tables_overlap(sb, offset / block_size_bytes))
        return damaged("has tables that overlap");
    if (roots_repeat(sb))
        return damaged("has two root directories that are one");
    return {};
}

LayoutProblem group_problem(const Persist &persist, const Superblock &sb, uint64_t index, BlockNumber next_free) {
    const auto &group =
        reinterpret_cast<const GroupDescriptor *>(persist.base() + sb.group_table_block * block_size_bytes)[index];
    if (group.checksum != XXH3_64bits_withSeed(&group, offsetof(GroupDescriptor, checksum), index))
        return damaged("descriptor has a wrong checksum");
    const uint64_t metadata = group_metadata_blocks(group.block_count, sb.features);
    if (group.block_count > max_blocks_per_group || group.metadata_blocks != metadata || group.block_count < metadata ||
        group.first_block < next_free ||
        !in_pool(persist.size_bytes() / block_size_bytes, group.first_block, group.block_count))
        return damaged("descriptor does not describe blocks of its own in this pool");
    // Files' blocks are told from the pool's own by one comparison (pool.h): all groups stand behind the tables.
    const uint64_t tables_end = std::max({sb.ring_first_block + sb.ring_count * (sb.ring_size_bytes / block_size_bytes),
                                          sb.group_table_block + sb.group_table_blocks,
                                          sb.ring_table_block + blocks_for(sb.ring_count, sizeof(RingHeader)),
                                          sb.orphan_table_block + blocks_for(sb.orphan_slots, sizeof(OrphanSlot))});
    if (group.first_block < tables_end)
        return damaged("descriptor gives blocks to files that are the pool's own");
    return {};
}

} // namespace pmemfile
