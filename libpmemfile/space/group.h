// group: the blocks at an allocation group's start, as a new group has them.
#pragma once

#include "libpmemfile/format/format.h"
#include "libpmemfile/persist/persist.h"

namespace pmemfile {

// Sets a bit of a bitmap that nobody else changes.
void group_set_bit(Persist &persist, PoolOffset bitmap, uint64_t bit);
// Writes the bitmaps of a group that is empty, and that nobody uses yet: its metadata and what lies beyond its end
// are in use. Flushed, not fenced.
void group_write(Persist &persist, const GroupDescriptor &group);
// How many groups of a table of `count` it takes for the pool to be of `size_bytes`: whole groups, at least 1.
uint64_t group_count_for_size(const GroupDescriptor *groups, uint64_t count, uint64_t size_bytes);

} // namespace pmemfile
