// inode_change: bringing a changed private copy of an inode into a record.
#pragma once

#include "libpmemfile/journal/call.h"

#include <cstring>
#include <ctime>

namespace pmemfile {

// Adds stores of what differs in `changed` from the inode at home: of each cache line the words
// from the first to the last that do. The inode's lock is held.
void store_changes(Call &call, InodeNumber number, const Inode &changed);

// Adds the stores of an inode that is new in this record.
void store_new_inode(Call &call, InodeNumber number, const Inode &inode);

// Its set-id bits go, as write(2) says, but for one who may keep them (CAP_FSETID). Not a directory's.
void drop_set_id(const Thread &thread, Inode &inode);
// The file's bytes change: new times, and no set-id bits.
void touch(const Thread &thread, Inode &inode);

// Moves inline content into a fresh block 0, by changes in the record and in
// the private copy `inode`, which the caller stores. ENOSPC, EIO.
base::Status move_inline_out(Call &call, InodeNumber number, Inode &inode);
// The same, in a record of its own; nothing to do if the content is not inline. The call has no changes yet.
base::Status move_inline_and_commit(Call &call, InodeNumber number);

// Zeroes, at once and durably, the old tail block between the end of the file
// and `offset_bytes`: for files under a shared mapping, whose bytes may not be in records.
base::Status zero_gap_directly(Call &call, const Inode &inode, uint64_t offset_bytes);

// Zeroes bytes at home, at once and durably: of a file that is mapped.
base::Status data_zero_directly(Call &call, PoolOffset target, uint64_t size_bytes);
// Moves the end of a file up to `size` and commits; `inode` is a private copy with what else changes. The rest of the
// old tail block is zeroed. ENOSPC (inline content moves out), EIO.
base::Status data_grow(Call &call, InodeNumber number, Inode inode, uint64_t size);
// The block that byte `offset` cuts in two is about to be zeroed on one side: the file gets a copy of its own. ENOSPC.
base::Status data_unshare_cut_block(Call &call, InodeNumber number, uint64_t offset);

// A private copy of the inode at home. EUCLEAN. The inode's lock is held.
inline base::Result<Inode> load_inode(const Call &call, InodeNumber number) {
    const Inode *home = call.pool().inode(number);
    if (home == nullptr)
        return base::error(EUCLEAN);
    return *home;
}

// Is it not the use of the number that is meant (any, if `generation` is 0)? Its lock is held, or it is looked at
// again.
inline bool is_other_use(const Inode *home, uint32_t generation) {
    return generation != 0 && (home == nullptr || home->generation != generation);
}

// Blocks that a file of that size reaches into.
constexpr uint64_t blocks_of(uint64_t size_bytes) {
    return size_bytes / block_size_bytes + (size_bytes % block_size_bytes != 0);
}

// The clock of all time stamps: as the kernel's filesystems, the last tick's time.
inline int64_t coarse_now_ns() {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

} // namespace pmemfile
