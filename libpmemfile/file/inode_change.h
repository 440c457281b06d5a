// inode_change: bringing a changed private copy of an inode into a record.
#pragma once

#include "libpmemfile/journal/call.h"

#include <cstring>
#include <ctime>

namespace pmemfile {

// Adds stores of those cache lines of `changed` that differ from the inode at
// home. The inode's lock is held.
inline void store_changed_lines(Call &call, InodeNumber number, const Inode &changed) {
    const auto *home = call.pool().at<std::byte>(number * inode_size_bytes);
    const auto *copy = reinterpret_cast<const std::byte *>(&changed);
    for (size_t line = 0; line < inode_size_bytes; line += cache_line_bytes)
        if (std::memcmp(home + line, copy + line, cache_line_bytes) != 0)
            call.store(number * inode_size_bytes + line, copy + line, cache_line_bytes);
}

// The file's bytes change: new times, and no set-id bits, as write(2) says.
void touch(const Thread &thread, Inode &inode);

// Moves inline content into a fresh block 0, by changes in the record and in
// the private copy `inode`, which the caller stores. ENOSPC.
base::Status move_inline_out(Call &call, Inode &inode);
// The same, in a record of its own; nothing to do if the content is not inline. The call has no changes yet.
base::Status move_inline_and_commit(Call &call, InodeNumber number);

// Zeroes, at once and durably, the old tail block between the end of the file
// and `offset_bytes`: for files under a shared mapping, whose bytes may not be in records.
base::Status zero_gap_directly(Call &call, const Inode &inode, uint64_t offset_bytes);

// The clock of all time stamps: as the kernel's filesystems, the last tick's time.
inline int64_t coarse_now_ns() {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

} // namespace pmemfile
