// atlas: which structure stands where in a sample image.
#pragma once

#include "libpmemfile/format/format.h"
#include "tests/hostile/image.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace hostile {

// Which structure a block belongs to; empty: file data, or nothing.
class Atlas {
public:
    Atlas(const std::byte *base, pmemfile::PoolOffset superblock)
        : base_(base), sb_(*reinterpret_cast<const pmemfile::Superblock *>(base + superblock)),
          superblock_block_(superblock / pmemfile::block_size_bytes) {}

    std::string structure_of(pmemfile::BlockNumber block) const {
        if (block < superblock_block_)
            return "libpmemobj's part";
        if (block == superblock_block_)
            return "superblock";
        if (in(block, sb_.group_table_block, sb_.group_table_blocks))
            return "group table";
        if (in(block, sb_.orphan_table_block,
               sb_.orphan_slots * sizeof(pmemfile::OrphanSlot) / pmemfile::block_size_bytes))
            return "orphan table";
        if (in(block, sb_.ring_table_block, 1))
            return "ring table";
        if (in(block, sb_.ring_first_block, sb_.ring_count * sb_.ring_size_bytes / pmemfile::block_size_bytes))
            return "rings";
        const auto *groups = reinterpret_cast<const pmemfile::GroupDescriptor *>(
            base_ + sb_.group_table_block * pmemfile::block_size_bytes);
        for (uint64_t i = 0; i < sb_.group_count; ++i) {
            if (!in(block, groups[i].first_block, groups[i].block_count))
                continue;
            const uint64_t index = block - groups[i].first_block;
            if (index < groups[i].metadata_blocks)
                return index == 0 ? "block bitmap" : index == 1 ? "inode-block bitmap" : "inode masks";
            const auto *bytes = reinterpret_cast<const unsigned char *>(base_ + block * pmemfile::block_size_bytes);
            if (std::count(bytes, bytes + pmemfile::block_size_bytes, data_byte) > 500)
                return {};
            uint32_t first_word;
            std::memcpy(&first_word, bytes, sizeof(first_word));
            if (first_word == pmemfile::leaf_magic)
                return "leaf";
            if (reinterpret_cast<const pmemfile::XattrHeader *>(bytes)->magic == pmemfile::xattr_magic)
                return "extended attributes";
            for (uint64_t i = 0; i < pmemfile::inodes_per_block; ++i)
                if (reinterpret_cast<const pmemfile::Inode *>(bytes + i * pmemfile::inode_size_bytes)->magic ==
                    pmemfile::inode_magic)
                    return "inodes";
            return "nodes and symlinks";
        }
        return {};
    }
    // Bytes that nothing reads when they are zero and their surroundings too.
    bool is_unused(uint64_t offset) const {
        const std::byte *line = base_ + offset / pmemfile::cache_line_bytes * pmemfile::cache_line_bytes;
        return std::all_of(line, line + pmemfile::cache_line_bytes,
                           [](std::byte byte) { return byte == std::byte{0}; });
    }

private:
    static bool in(uint64_t block, uint64_t first, uint64_t count) {
        return block >= first && block - first < count;
    }
    const std::byte *base_;
    const pmemfile::Superblock &sb_;
    pmemfile::BlockNumber superblock_block_;
};

} // namespace hostile
