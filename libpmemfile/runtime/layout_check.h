// layout_check: are the numbers in the superblock and in the group table ones that
// a pool of this size can have? Asked before anything is followed, by attach and by fsck.
#pragma once

#include "libpmemfile/format/format.h"
#include "libpmemfile/persist/persist.h"

namespace pmemfile {

// What is wrong; `text` null when nothing is. It follows the name of the structure in a
// sentence ("superblock " + "has a wrong checksum").
struct LayoutProblem {
    const char *text = nullptr;
    int error_number = 0; // EUCLEAN, or EPROTONOSUPPORT for a newer format
};

// The superblock at `offset`: magic, checksum, version, features, and that each table it names lies in
// the pool. Reads nothing outside the pool whatever `offset` is. Any thread.
LayoutProblem superblock_problem(const Persist &persist, PoolOffset offset);

// Descriptor `index` of the group table of a sound superblock: checksum, size, inside the pool, and
// behind `next_free` (the end of the group before, or 1). Any thread.
LayoutProblem group_problem(const Persist &persist, const Superblock &superblock, uint64_t index,
                            BlockNumber next_free);

} // namespace pmemfile
