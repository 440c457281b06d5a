// directory: the names in one directory: hashed leaves under a trie (format.h).
#pragma once

#include "base/result.h"
#include "libpmemfile/journal/call.h"
#include "libpmemfile/names/leaf.h"

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

// The name (name_max_bytes of room in `name`) that `child` has in `directory` under `hash`; returns its
// length, 0 when there is none. For readers as above. EUCLEAN.
base::Result<size_t> directory_name_of(const Pool &pool, const Inode &directory, uint64_t hash, InodeNumber child,
                                       char *name);

// Where the trie leads for a hash.
struct TriePlace {
    BlockNumber leaf = 0;    // 0: the directory has none yet
    BlockNumber table = 0;   // the node that points to it, or 0: the inode's slots
    unsigned index = 0;      // of the pointer in the table
    unsigned bits_after = 0; // bits of the hash that are used up behind the table
};

// Where a name will stand.
struct DirectoryRoom {
    uint64_t hash = 0;
    TriePlace place;
    LeafPlan plan;
    bool has_split = false; // dentries looked up before are void
    // The leaf must be split before, and the call has changes that are not to be committed with that: nothing was done.
    bool wants_empty_call = false;
};

// Makes sure that directory_insert of `name` splits at most once: where all names of a full leaf fall
// into one half, it splits the leaf before, in records of its own, which nobody can see (if the call has no changes
// yet, see DirectoryRoom). The call holds the directory's lock. What it returns holds until the call commits.
// `removed`: as directory_insert. `stays`: the insert will leave the entries that are there where they are, so
// that one of them can be changed in the same record; the leaf is packed or split before as needed. ENOSPC, EUCLEAN.
base::Result<DirectoryRoom> directory_reserve(Call &call, InodeNumber directory_number, std::string_view name,
                                              const Dentry *removed = nullptr, bool stays = false);

// Adds the changes that insert a name that is not there, into the room that directory_reserve found. `directory`
// is a private copy of the directory's inode that the caller stores in the same
// record (slots, size, block_count, entry_count change in it). `removed`: an entry of the same
// directory that goes in the same record (rename); directory_remove is not called for it then.
// ENOSPC, ENAMETOOLONG, ENOBUFS, EUCLEAN.
base::Status directory_insert(Call &call, InodeNumber directory_number, Inode &directory, const DirectoryRoom &room,
                              std::string_view name, InodeNumber inode, uint8_t type, const Dentry *removed = nullptr);
// Adds the changes that remove `dentry`. Same rule for `directory`.
void directory_remove(Call &call, Inode &directory, const Dentry &dentry);
// Adds the change that lets `dentry` name another inode (rename over it, exchange).
void directory_replace(Call &call, const Dentry &dentry, InodeNumber inode, uint8_t type);

// Cookies: 0 is the beginning, 1 after ".", 2 after "..", else where in hash order to go on:
// entries whose position max(3, hash / 2) is at least the cookie are still to come.
//
// Calls emit(context, name, inode, type, cookie after it, same_position) for entries from `from` on, in
// ascending order, "." and ".." first; emit returns false when its buffer is full
// (that entry is not consumed). Cookies are stable under concurrent insert and remove, at most INT64_MAX.
// Two names may have the same position (their hashes agree in 63 bits). `same_position` says that
// the next entry has it too: if emit refuses that one, it must also give this one back, else a reader
// that goes on at the cookie would get this one twice or miss the other. Names of one position
// stand in one leaf, so they never take more than about 4 KiB of a buffer.
// Reads consistently leaf by leaf. ENOENT (the directory was removed), ENOTDIR, EUCLEAN.
using DirectoryEmit = bool (*)(void *context, std::string_view name, InodeNumber inode, uint8_t type, uint64_t cookie,
                               bool same_position);
base::Status directory_read(Thread &thread, InodeNumber directory, uint64_t from, DirectoryEmit emit, void *context);

// Visits each block of the directory (leaves and nodes) once. A `visit` that returns false stops.
bool directory_visit_blocks(const Pool &pool, const Inode &directory, bool (*visit)(void *, BlockNumber, bool is_leaf),
                            void *context);

} // namespace pmemfile
