// hole_fill: blocks for the holes of a file, all of them or none.
#pragma once

#include "base/page_array.h"
#include "libpmemfile/file/block_map.h"
#include "libpmemfile/file/inode_change.h"

namespace pmemfile {

// File blocks [first, end).
struct BlockRange {
    uint64_t first = 0;
    uint64_t end = 0;
};

// Fills holes, in steps, and takes them back when room runs out half way. For a call that holds the inode's lock all
// the time and has no changes of its own yet. One thread.
class HoleFill {
public:
    HoleFill(Call &call, InodeNumber inode) : call_(call), number_(inode) {}
    // Puts zeroed blocks into the holes of `range`; inline content has a block afterwards. Each step is
    // atomic and durable. ENOSPC, ENOMEM: the file has what blocks it had before, and so has the pool (nodes of the map
    // and inline content included). EUCLEAN, EIO: what has been filled stays.
    base::Status fill(BlockRange range);
    // What fill() has put in, in ascending order; the ranges do not touch.
    size_t count() const {
        return few_count_ + many_.size();
    }
    const BlockRange &operator[](size_t i) const {
        return i < few_count_ ? few_[i] : many_[i - few_count_];
    }

private:
    base::Status check_room(BlockRange range);
    base::Status fill_steps(BlockRange range);
    base::Status take_back();
    base::Status clear(BlockRange range);
    base::Status put_inline_back();
    bool note(BlockRange range);
    base::Result<Inode> load() const;

    Call &call_;
    const InodeNumber number_;
    bool was_inline_ = false;
    uint8_t former_height_ = 0;
    // A file with many holes is rare: the array's memory is the kernel's.
    BlockRange few_[8];
    size_t few_count_ = 0;
    base::PageArray<BlockRange> many_;
};

} // namespace pmemfile
