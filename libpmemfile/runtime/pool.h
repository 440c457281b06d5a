// pool: one attached pool as one process sees it: the mapping, the superblock,
// the runtime segment, and checked access to what lies in it.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/persist/persist.h"
#include "libpmemfile/runtime/segment.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace pmemfile {

// All members are set by attach (fs/attach.h) and then constant, so any thread
// may use a Pool. One Pool per pool and process; `fork` copies it and the child
// re-registers itself (fs/attach.h).
struct Pool {
    Persist persist;
    int pool_descriptor = -1;     // holds the shared flock; kept open over exec
    int liveness_descriptor = -1; // runtime file, own open description: holds this process's liveness lock
    Segment *segment = nullptr;   // the runtime segment, mapped shared
    PoolOffset superblock_offset = 0;
    BlockNumber first_group_block = 1; // below it are the pool's own tables
    uint32_t process_slot = 0;
    uint64_t incarnation = 0; // of this process's slot
    bool read_only = false;
    bool is_device = false; // a device-dax: no private mappings of it
    // Set: this is the private view of an open transaction (journal/transaction.h), else null.
    class Transaction *transaction = nullptr;
    struct TransactionReads *reads = nullptr; // the same; what it has looked at (transaction_gate.h)
    Pool *shared = nullptr;                   // the same; the pool as everybody sees it
    char segment_path[64] = {};               // of the directory of the runtime file
    // Beside it: a file of the shim's, made when it attaches, removed with the runtime file.
    char token_path[72] = {};

    const Superblock &superblock() const {
        return *at<Superblock>(superblock_offset);
    }

    // Memory of this process alone: an image, or a copy of a pool. It is in no file that could be mapped.
    bool is_private() const {
        return liveness_descriptor < 0;
    }

    // This pool, or the one that this is the view of.
    const Pool &everybodys() const {
        return shared != nullptr ? *shared : *this;
    }

    // Unchecked address of a pool offset.
    template <typename T> const T *at(PoolOffset offset) const {
        return reinterpret_cast<const T *>(persist.base() + offset);
    }
    const std::byte *block(BlockNumber block) const {
        return persist.base() + block * block_size_bytes;
    }
    uint64_t block_limit() const {
        return persist.size_bytes() / block_size_bytes;
    }
    // True when `block` may be followed: a lock-free reader may have loaded
    // garbage (hazard 17), a damaged pool may hold it. Neither outside the pool nor into its
    // tables: what a file stored there would be believed by everybody.
    bool block_in_range(BlockNumber block) const {
        return block - first_group_block < block_limit() - first_group_block;
    }
    // Checked: null when the number does not lead to something that looks like
    // an inode (out of range, or no inode magic there).
    const Inode *inode(InodeNumber number) const {
        if (!block_in_range(number / inodes_per_block))
            return nullptr;
        const Inode *inode = at<Inode>(number * inode_size_bytes);
        return inode->magic == inode_magic ? inode : nullptr;
    }
};

// May those who attach from now on change the pool? False: the medium's error.
inline bool superblock_set_failed(Persist &persist, PoolOffset superblock_offset, bool failed) {
    const PoolOffset place = superblock_offset + offsetof(Superblock, state);
    const uint64_t state = *reinterpret_cast<const uint64_t *>(persist.base() + place);
    persist.store64(place, failed ? state | superblock_state_failed : state & ~superblock_state_failed);
    persist.flush(place, sizeof(uint64_t));
    return persist.fence();
}

// The medium has reported an error, which it does once (hazard 28): from now on nobody changes the pool, those who are
// attached and those who attach later, until fsck has looked at it.
inline void pool_mark_failed(Pool &pool) {
    pool.segment->failed.store(EIO);
    // That may fail too: then only those who are attached know.
    static_cast<void>(superblock_set_failed(pool.persist, pool.superblock_offset, true));
}

} // namespace pmemfile
