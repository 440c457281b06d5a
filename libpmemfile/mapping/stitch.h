// stitch: puts a file's blocks at addresses: one kernel mapping of the pool file for
// each run of blocks.
#pragma once

#include "base/raw_syscall.h"
#include "libpmemfile/mapping/mapping_table.h"

#include <sys/mman.h>

namespace pmemfile {

// The mmap flags that an application's mapping hands on to each of its pieces.
constexpr int piece_flags = MAP_POPULATE | MAP_LOCKED | MAP_NONBLOCK | MAP_NORESERVE;

// Maps blocks of the file over [what.address, what.end()), which the caller has reserved, and
// enters them in the table. Pages beyond the file's end, and holes that could not be
// filled, become entries with `absent`. `what.pin` is held by the caller. `flags`: of piece_flags.
// 0, or -errno: then the range is in an undefined state, and the caller unmaps it (stitch_undo).
long stitch(const MappingLock &lock, Thread &thread, const Mapping &what, int flags) BASE_REQUIRES(mapping_lock);

// Takes [begin, end) from the kernel and from the table. Two reserved entries (stitch leaves them).
void stitch_undo(const MappingLock &lock, uint64_t begin, uint64_t end) BASE_REQUIRES(mapping_lock);

// Puts nothing where `what` is (all of an entry or a part): a touch is SIGBUS from now on, until the file has
// grown over it. Three reserved entries; the caller holds `what.pin`. 0 or -errno.
long stitch_absent(const MappingLock &lock, Thread &thread, const Mapping &what) BASE_REQUIRES(mapping_lock);

// MADV_DONTFORK for the kernel's mapping of `what`, which is new.
void keep_from_child(const Mapping &what);

// Reserves addresses, without access. `flags`: MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_32BIT count. Address or -errno.
long reserve_addresses(uint64_t hint, uint64_t length_bytes, int flags);

// Fills the holes that a shared mapping of these blocks would show, so that stores have a place to go.
// No space left is no error: the pages stay absent and a touch is SIGBUS, as on a full tmpfs.
base::Status fill_holes_of(Thread &thread, InodeNumber inode, uint64_t first_block, uint64_t block_count);

// Blocks that the file has, by its size.
base::Result<uint64_t> file_blocks(Thread &thread, InodeNumber inode);

} // namespace pmemfile
