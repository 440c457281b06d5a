// Two pieces, so that both are of the lengths that XXH3 hashes without a table:
//
//   [0 … 116)  checksum  [120 … 256)
//     └─ seed ─► hash ─ seed ─► hash ─► its low 32 bits
#include "libpmemfile/journal/inode_checksum.h"

#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/space_map.h"

#include <atomic>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pmemfile {
namespace {

constexpr size_t before_bytes = offsetof(Inode, checksum);
constexpr size_t behind_bytes = sizeof(Inode) - before_bytes - sizeof(Inode::checksum);
static_assert(before_bytes <= XXH3_MIDSIZE_MAX && behind_bytes <= XXH3_MIDSIZE_MAX);

} // namespace

uint32_t inode_checksum(const Superblock &superblock, InodeNumber number, const Inode &inode) {
    const auto *bytes = reinterpret_cast<const std::byte *>(&inode);
    const uint64_t seed = superblock.journal_nonce ^ (number * 0x9E3779B97F4A7C15ull);
    const uint64_t before = XXH3_64bits_withSeed(bytes, before_bytes, seed);
    return static_cast<uint32_t>(XXH3_64bits_withSeed(bytes + sizeof(Inode) - behind_bytes, behind_bytes, before));
}

bool is_inode(const Pool &pool, InodeNumber place) {
    const BlockNumber block = place / inodes_per_block;
    const uint64_t group = group_of_block(pool, block);
    if (group >= groups_in_use(pool.superblock()))
        return false;
    const GroupDescriptor &descriptor = group_descriptor(pool, group);
    const uint64_t bit = block - descriptor.first_block;
    const auto *words = pool.at<std::atomic<uint64_t>>((descriptor.first_block + 1) * block_size_bytes);
    // A block of inodes stays one.
    return (words[bit / 64].load(std::memory_order_relaxed) >> bit % 64 & 1) != 0 && pool.inode(place) != nullptr;
}

bool inode_checksum_renew(Pool &pool, InodeNumber number) {
    const Inode &home = *pool.at<Inode>(number * inode_size_bytes);
    const uint32_t right = inode_checksum(pool.superblock(), number, home);
    if (home.checksum == right || is_seeded(SeededFault::inode_checksum_left))
        return false;
    pool.persist.store32(number * inode_size_bytes + offsetof(Inode, checksum), right);
    return true;
}

} // namespace pmemfile
