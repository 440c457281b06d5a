// A new group:   [block bitmap: 1…1 0……0 1…1][inode-block bitmap: 0……0][inode masks: 0……0][blocks ……
//                                 its metadata     beyond its end
#include "libpmemfile/space/group.h"

#include <algorithm>

namespace pmemfile {

void group_set_bit(Persist &persist, PoolOffset bitmap, uint64_t bit) {
    persist.or64(bitmap + bit / 64 * 8, uint64_t{1} << (bit % 64));
}

void group_write(Persist &persist, const GroupDescriptor &group) {
    const PoolOffset blocks = group.first_block * block_size_bytes;
    persist.zero(blocks, group.metadata_blocks * block_size_bytes);
    for (uint64_t bit = 0; bit < group.metadata_blocks; bit++)
        group_set_bit(persist, blocks, bit);
    for (uint64_t bit = group.block_count; bit < max_blocks_per_group; bit++)
        group_set_bit(persist, blocks, bit);
    persist.flush(blocks, group.metadata_blocks * block_size_bytes);
}

uint64_t group_count_for_size(const GroupDescriptor *groups, uint64_t count, uint64_t size_bytes) {
    const auto *found = std::partition_point(groups, groups + count, [&](const GroupDescriptor &group) {
        return (group.first_block + group.block_count) * block_size_bytes < size_bytes;
    });
    return std::min<uint64_t>(static_cast<uint64_t>(found - groups) + 1, count);
}

} // namespace pmemfile
