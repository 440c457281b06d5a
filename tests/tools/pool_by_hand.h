// pool_by_hand: a small filesystem image written byte by byte after docs/format.md,
// without any of the engine's code: a second opinion on the format.
//
//   /file  /file2 (the same inode)  /link → file  /sub/ (empty)  /big (height 1)
//   and one orphan, a file that was removed while it was open
#pragma once

#include "libpmemfile/format/format.h"

#include <cstring>
#include <string_view>
#include <sys/stat.h>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tests {

using namespace pmemfile;

class PoolByHand {
public:
    static constexpr uint64_t superblock_block = 512; // 2 MiB
    static constexpr uint64_t group_table = 513, orphan_table = 514, ring_table = 515, rings = 516;
    static constexpr uint64_t group_first = 532, group_blocks = 256, metadata_blocks = 3;
    static constexpr uint64_t inode_block = group_first + metadata_blocks;
    static constexpr uint64_t root_leaf = inode_block + 1, file_data = inode_block + 2, big_node = inode_block + 4;
    static constexpr uint64_t big_data = inode_block + 5, orphan_data = inode_block + 6;
    static constexpr uint64_t limit = 1024; // blocks in the pool: 4 MiB
    static constexpr uint64_t nonce = 0x1234567890abcdef;
    enum : uint64_t { // inode numbers
        root = inode_block * inodes_per_block,
        file,
        link,
        sub,
        big,
        orphan,
    };

    PoolByHand() : memory_(limit * block_size_bytes / sizeof(uint64_t)) {
        auto &group = at<GroupDescriptor>(group_table * block_size_bytes);
        group = {group_first, group_blocks, metadata_blocks, 0, 0};
        group.checksum = XXH3_64bits_withSeed(&group, offsetof(GroupDescriptor, checksum), 0);
        for (uint64_t b = 0; b < metadata_blocks; ++b)
            mark(group_first + b);

        mark(inode_block);
        at<uint64_t>((group_first + 1) * block_size_bytes + 0) |= 1u << metadata_blocks;
        masks()[metadata_blocks] = 0x3f;

        Inode &top = make_inode(root, S_IFDIR | 0755, 3);
        top.parent = root;
        auto &leaf = at<DirectoryLeaf>(root_leaf * block_size_bytes);
        leaf.magic = leaf_magic;
        leaf.directory = root;
        mark(root_leaf);
        for (uint64_t &slot : top.content.slots)
            slot = root_leaf;
        top.size_bytes = block_size_bytes;
        top.block_count = 1;
        add("file", file, 8);
        add("file2", file, 8);
        add("link", link, 10);
        add("sub", sub, 4);
        add("big", big, 8);

        Inode &plain = make_inode(file, S_IFREG | 0644, 2);
        plain.size_bytes = 8000;
        plain.block_count = 2;
        plain.content.slots[0] = file_data;
        plain.content.slots[1] = file_data + 1;
        mark(file_data);
        mark(file_data + 1);

        Inode &symlink = make_inode(link, S_IFLNK | 0777, 1);
        symlink.flags = inode_inline;
        symlink.size_bytes = 4;
        std::memcpy(symlink.content.bytes, "file", 4);

        Inode &below = make_inode(sub, S_IFDIR | 0755, 2);
        below.parent = root;
        below.name_hash = hash("sub");

        Inode &tall = make_inode(big, S_IFREG | 0644, 1);
        tall.height = 1;
        tall.size_bytes = 100 * block_size_bytes;
        tall.block_count = 2;
        tall.content.slots[0] = big_node;
        at<MapNode>(big_node * block_size_bytes).pointers[99] = big_data;
        mark(big_node);
        mark(big_data);

        Inode &removed = make_inode(orphan, S_IFREG | 0644, 0);
        removed.size_bytes = 10;
        removed.block_count = 1;
        removed.content.slots[0] = orphan_data;
        removed.orphan_slot = 1;
        mark(orphan_data);
        at<OrphanSlot>(orphan_table * block_size_bytes).inode = orphan;

        Superblock &sb = superblock();
        sb.magic = superblock_magic;
        sb.version = format_version;
        sb.block_size_log2 = 12;
        sb.pool_size_bytes = size_bytes();
        sb.journal_nonce = nonce;
        sb.group_count = 1;
        sb.group_table_block = group_table;
        sb.group_table_blocks = 1;
        sb.orphan_table_block = orphan_table;
        sb.orphan_slots = 512;
        sb.ring_table_block = ring_table;
        sb.ring_count = 1;
        sb.ring_first_block = rings;
        sb.ring_size_bytes = 64 * 1024;
        sb.root_inode = root;
        seal();
    }

    std::byte *base() {
        return reinterpret_cast<std::byte *>(memory_.data());
    }
    uint64_t size_bytes() const {
        return memory_.size() * sizeof(uint64_t);
    }
    template <typename T> T &at(PoolOffset offset) {
        return *reinterpret_cast<T *>(base() + offset);
    }
    Superblock &superblock() {
        return at<Superblock>(superblock_block * block_size_bytes);
    }
    void seal() { // the superblock's checksum again
        superblock().checksum =
            XXH3_64bits(base() + superblock_block * block_size_bytes + 16, superblock_checked_bytes - 16);
    }
    Inode &inode(InodeNumber number) {
        return at<Inode>(number * inode_size_bytes);
    }
    uint64_t &block_bits(uint64_t block) {
        return at<uint64_t>(group_first * block_size_bytes + (block - group_first) / 64 * 8);
    }
    uint64_t bit_of(uint64_t block) {
        return uint64_t{1} << (block - group_first) % 64;
    }
    uint16_t *masks() {
        return &at<uint16_t>((group_first + 2) * block_size_bytes);
    }
    DirectorySlot &slot(unsigned index) { // of the root's leaf: file, file2, link, sub, big
        return at<DirectoryLeaf>(root_leaf * block_size_bytes).slots[index];
    }
    DirectoryEntry &entry(unsigned index) {
        return at<DirectoryEntry>(root_leaf * block_size_bytes + slot(index).offset);
    }
    static uint64_t hash(std::string_view name) {
        return XXH3_64bits_withSeed(name.data(), name.size(), nonce);
    }

private:
    void mark(uint64_t block) {
        block_bits(block) |= bit_of(block);
    }
    Inode &make_inode(InodeNumber number, uint32_t mode, uint32_t link_count) {
        Inode &made = inode(number);
        made.magic = inode_magic;
        made.mode = mode;
        made.link_count = link_count;
        made.generation = 1;
        return made;
    }
    void add(std::string_view name, InodeNumber number, uint8_t type) {
        auto &leaf = at<DirectoryLeaf>(root_leaf * block_size_bytes);
        heap_ -= (sizeof(DirectoryEntry) + name.size() + 7) / 8 * 8;
        leaf.slots[leaf.slot_count] = {static_cast<uint32_t>(hash(name)), static_cast<uint16_t>(heap_),
                                       static_cast<uint8_t>(name.size()), type};
        DirectoryEntry &made = entry(leaf.slot_count++);
        made.inode = number;
        made.hash = hash(name);
        std::memcpy(made.name, name.data(), name.size());
        ++inode(root).entry_count;
    }

    std::vector<uint64_t> memory_;
    uint64_t heap_ = block_size_bytes;
};

} // namespace tests
