// open_file: open file descriptions, shared by all processes of a pool.
//
// POSIX calls them "open file descriptions": what dup, fork and descriptor
// passing share, with the offset and the status flags. A process refers to one
// by an OpenFileId: index and nonce, so that a stale or forged id is noticed
// (hazard 11). The id fits the position of a token descriptor (62 bits).
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// index (16 bits) | nonce (44 bits) << 16; 0 is "none".
using OpenFileId = uint64_t;
constexpr OpenFileId open_file_id(uint64_t index, uint64_t nonce) {
    return index | nonce << 16;
}

// Makes a description for `inode` (of `generation`), referenced by this process.
// The stripe of `inode` must be held (Call) so that unlink sees it. ENFILE when the table is full.
base::Result<OpenFileId> open_file_create(Thread &thread, InodeNumber inode, uint32_t generation, uint32_t flags);

// The description behind an id; EBADF when it has ended or never was. Another thread may end it at any time: what is
// read of it is that of `id` only if it is still found afterwards.
base::Result<OpenFile *> open_file_get(const Thread &thread, OpenFileId id);

// This process refers to the description from now on (idempotent). EBADF.
base::Status open_file_reference(Thread &thread, OpenFileId id);

// This process refers to it no more. When that was the last reference the
// description ends; returns its inode number then (the caller must look
// whether the inode has lost its last name too: fs/orphan.h), else 0.
InodeNumber open_file_unreference(Thread &thread, OpenFileId id);

// A descriptor of it goes into a socket (SCM_RIGHTS). Until it has come out the description lives whoever refers to it:
// the sender may have ended. What never comes out holds it until the last process leaves (hazard 12). EBADF.
base::Status open_file_send(Thread &thread, OpenFileId id);
// It has come out, and who has it refers to the description now; or it did not go. As open_file_unreference.
InodeNumber open_file_land(Thread &thread, OpenFileId id);
// The last process leaves, and nothing can come out any more: ends what only descriptors in flight held.
void open_file_drop_in_flight(Thread &thread, void (*ended)(Thread &, InodeNumber));

// Copies all of process slot `from`'s references to process slot `to` (fork).
void open_file_inherit(Thread &thread, uint32_t from, uint32_t to);

// True when a description or a mapping pin of any process refers to `inode`. Its stripe is held.
bool inode_is_open(Thread &thread, InodeNumber inode);

// Drops every reference of a dead process slot; calls `ended(inode)` for each
// description that ended so.
void open_file_drop_process(Thread &thread, uint32_t process_slot, void (*ended)(Thread &, InodeNumber));

} // namespace pmemfile
