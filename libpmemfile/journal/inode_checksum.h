// inode_checksum: how damage to an inode is noticed, for most of its fields have no second place that would tell.
//
// No call pays for it. A checksum is only right when no live record changes its inode any more: it is made anew with
// the inode's lines before they are written back (a raise of the watermark, recovery), and what a crash leaves behind
// is made right by recovery, which applies every live record again.
#pragma once

#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/pool.h"

#include <cstdint>

namespace pmemfile {

// Of the bytes of `inode` but for the checksum itself; seeded with the pool's nonce and the number, so that an inode
// which stands in another's place is noticed too. Any thread.
uint32_t inode_checksum(const Superblock &superblock, InodeNumber number, const Inode &inode);

// Does the pool have inode checksums?
inline bool has_inode_checksums(const Superblock &superblock) {
    return (superblock.features.incompatible & feature_inode_checksums) != 0;
}

// Is there an inode in this place, or do the bytes belong to something else? True for some that are in use no more.
bool is_inode(const Pool &pool, InodeNumber place);

// Makes the checksum of the inode right if it is not, by a cached store. True: it was not. Others may change the inode
// at the same time: then it comes out wrong, and their record is live. Under the raiser's lock, or alone.
bool inode_checksum_renew(Pool &pool, InodeNumber number);

} // namespace pmemfile
