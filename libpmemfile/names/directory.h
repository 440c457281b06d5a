// directory: the names in one directory: hashed leaves under a trie (format.h).
#pragma once

#include "base/result.h"
#include "libpmemfile/journal/call.h"

#include <string_view>

namespace pmemfile {

// A name found in a directory.
struct Dentry {
    InodeNumber inode = 0;
    uint8_t type = 0; // DT_*
    uint64_t hash = 0;
    PoolOffset slot_offset = 0; // of the DirectorySlot in the pool
    PoolOffset entry_offset = 0;
};

// Hash of a name in this pool (XXH3-64 seeded with the journal nonce).
uint64_t name_hash(const Pool &pool, std::string_view name);

// Looks `name` up in `directory` (neither . nor ..). inode 0 when it is not
// there. For readers under a ReadSection of the directory, or with its lock held. EUCLEAN.
base::Result<Dentry> directory_lookup(const Pool &pool, const Inode &directory, std::string_view name);

// Adds the changes that insert a name that is not there. `directory` is a
// private copy of the directory's inode that the caller stores in the same
// record (slots, height, size, block_count, entry_count change in it).
// ENOSPC, ENAMETOOLONG, ENOBUFS.
base::Status directory_insert(Call &call, InodeNumber directory_number, Inode &directory, std::string_view name,
                              InodeNumber inode, uint8_t type);
// Adds the changes that remove `dentry`. Same rule for `directory`.
void directory_remove(Call &call, Inode &directory, const Dentry &dentry);
// Adds the change that lets `dentry` name another inode (rename over it, exchange).
void directory_replace(Call &call, const Dentry &dentry, InodeNumber inode, uint8_t type);

// One step of reading a directory: names in the order of cookies.
struct DirectoryPosition {
    uint64_t cookie = 0; // 0: the beginning; 1: after "."; 2: after ".."; else a hash-ordered position
};
// Calls emit(context, name, inode, type, cookie after it) for entries from `from` on, in
// ascending cookie order, "." and ".." first; emit returns false when its buffer is full
// (that entry is not consumed). Cookies are stable under concurrent insert and remove, at most INT64_MAX.
// Reads consistently leaf by leaf. EUCLEAN.
using DirectoryEmit = bool (*)(void *context, std::string_view name, InodeNumber inode, uint8_t type, uint64_t cookie);
base::Status directory_read(Thread &thread, InodeNumber directory, uint64_t from, DirectoryEmit emit, void *context);

// Visits each block of the directory (leaves and nodes), for freeing and for the checker.
bool directory_visit_blocks(const Pool &pool, const Inode &directory, bool (*visit)(void *, BlockNumber, bool is_leaf),
                            void *context);

} // namespace pmemfile
