// mapping_table: where files of ours are mapped in this process.
//
// One entry for each stretch of addresses that shows consecutive blocks of one
// file with one protection; sorted by address, never overlapping. What the
// application unmaps, protects or maps over splits entries, as the kernel splits
// its own areas. Entries of one file share a pin (libpmemfile/runtime/mapping_pin.h),
// which holds the file's blocks while any of them lives.
//
// Lock: MappingLock; functions that take one as an argument need it held. It is
// the outermost lock: the engine may be called under it, never the other way round.
#pragma once

#include "base/spin_lock.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/mapping/bounds.h"
#include "libpmemfile/runtime/thread.h"

#include <cstdint>

namespace pmemfile {

constexpr uint64_t page_bytes = block_size_bytes;

constexpr uint64_t round_up_to_page(uint64_t bytes) {
    return (bytes + page_bytes - 1) & ~(page_bytes - 1);
}

// Who calls. A pool has a key of the caller's choice, by which files of different pools are told apart.
struct MappingCaller {
    void *context;
    base::Result<Thread *> (*place)(void *context, uint64_t pool_key);

    // The calling thread's place in the pool of that key.
    base::Result<Thread *> thread(uint64_t pool_key) const {
        return place(context, pool_key);
    }
};

struct Mapping {
    uint64_t address = 0;      // multiple of page_bytes
    uint64_t length_bytes = 0; // the same, not 0
    uint64_t first_block = 0;  // of the file, at `address`
    uint32_t pin = 0;          // which pin of the table keeps the blocks
    int protection = 0;        // PROT_*
    bool shared = false;
    bool may_write = false; // the descriptor allowed stores (shared), or they are private
    bool absent = false;    // nothing of the file is here yet: a touch is SIGBUS, unless the file has grown (fault.h)
    bool not_in_child = false; // MADV_DONTFORK

    uint64_t end() const {
        return address + length_bytes;
    }
    uint64_t block_at(uint64_t where) const {
        return first_block + (where - address) / page_bytes;
    }
};

// The file that entries show.
struct PinnedFile {
    InodeNumber inode = 0; // 0: the slot is free
    uint64_t pool_key = 0;
    uint32_t pin = 0;       // the engine's
    uint32_t child_pin = 0; // of a fork that is under way
    bool writable_shared = false;
    uint64_t references = 0; // entries, and calls under way. 0: to be released
    InodeNumber parent = 0;  // the directory that it was opened in when it was mapped
};

extern base::SpinLock mapping_lock; // taken by MappingLock alone

// Holds the table's lock. Waits without sleeping in the kernel for long; not recursive.
class BASE_SCOPED_CAPABILITY MappingLock {
public:
    MappingLock() BASE_ACQUIRE(mapping_lock);
    ~MappingLock() BASE_RELEASE();
    MappingLock(const MappingLock &) = delete;
    MappingLock &operator=(const MappingLock &) = delete;
};

// While it lives the bounds do not shrink: for taking entries out and putting others in their place,
// when other threads may be using the addresses.
class BoundsHold {
public:
    explicit BoundsHold(const MappingLock &lock) BASE_REQUIRES(mapping_lock);
    ~BoundsHold() BASE_REQUIRES(mapping_lock);
    BoundsHold(const BoundsHold &) = delete;
    BoundsHold &operator=(const BoundsHold &) = delete;
};

// Makes sure that as many splits and inserts cannot fail. False: ENOMEM.
bool mapping_table_reserve(const MappingLock &lock, unsigned entries) BASE_REQUIRES(mapping_lock);

// The first entry that ends above `address` (the table's end: null). Valid until the table changes.
Mapping *mapping_find(const MappingLock &lock, uint64_t address) BASE_REQUIRES(mapping_lock);
// The entry behind `entry`, or null.
Mapping *mapping_next(const MappingLock &lock, Mapping *entry) BASE_REQUIRES(mapping_lock);
// Does any entry touch [begin, end)?
bool mapping_overlaps(const MappingLock &lock, uint64_t begin, uint64_t end) BASE_REQUIRES(mapping_lock);
// Adds an entry where none is; takes a reference of its pin. Joins it with neighbours it continues.
// One reserved entry.
void mapping_insert(const MappingLock &lock, const Mapping &entry) BASE_REQUIRES(mapping_lock);
// Takes [begin, end) out of all entries. Two reserved entries. Pins that end so are released by
// mapping_release_ended.
void mapping_remove(const MappingLock &lock, uint64_t begin, uint64_t end) BASE_REQUIRES(mapping_lock);
// Calls `change(entry)` for all entries of [begin, end), which are split at the edges. Two reserved entries.
template <typename Change>
void mapping_change(const MappingLock &lock, uint64_t begin, uint64_t end, Change change) BASE_REQUIRES(mapping_lock);

// A pin for a file; `pin` is the engine's, fresh from fs_map_begin. When the table has one like it,
// that one is used and `*spare` tells the caller to end its own. Gives a reference, which the
// caller drops with pinned_file_drop. ENOMEM.
base::Result<uint32_t> pinned_file_hold(const MappingLock &lock, uint64_t pool_key, InodeNumber inode, uint32_t pin,
                                        bool writable_shared, bool *spare) BASE_REQUIRES(mapping_lock);
// One more reference of it, and one less.
void pinned_file_reference(const MappingLock &lock, uint32_t index) BASE_REQUIRES(mapping_lock);
void pinned_file_drop(const MappingLock &lock, uint32_t index) BASE_REQUIRES(mapping_lock);
PinnedFile &pinned_file(const MappingLock &lock, uint32_t index) BASE_REQUIRES(mapping_lock);

// Does an entry show a file of the pool of that key? Takes the lock itself.
bool mapping_of_pool(uint64_t pool_key);
// Unmaps all files of the pool, and ends their pins. Takes the lock itself.
void mapping_drop_pool(const MappingCaller &caller, uint64_t pool_key);

// Ends pins without references. Takes the lock itself; call it when it is not held.
void mapping_release_ended(const MappingCaller &caller);

// Around a fork: no other thread may be changing the table while it is copied, and the child, which is
// another process to the pool, has its pins from its first moment on. `_before` takes the
// lock and pins for the child (`places`: its places, by pool key); `_done` gives the lock back (parent, or the
// fork failed: pool_place_cancel ends the pins). In the child mapping_table_after_fork, when it has
// adopted its places.
void mapping_table_before_fork(const MappingCaller &caller, const PoolPlace *places) BASE_ACQUIRE(mapping_lock);
void mapping_table_fork_done() BASE_RELEASE(mapping_lock);
void mapping_table_after_fork(const MappingCaller &caller) BASE_RELEASE(mapping_lock);

// The first entry that ends above `address`, and its file, as they are at this moment; false: there is none. Takes the
// lock itself.
bool mapping_look(uint64_t address, Mapping *entry, PinnedFile *file);

// Number of entries, for tests.
size_t mapping_count(const MappingLock &lock) BASE_REQUIRES(mapping_lock);

void mapping_split(const MappingLock &lock, uint64_t address) BASE_REQUIRES(mapping_lock);
void mapping_join(const MappingLock &lock, uint64_t begin, uint64_t end) BASE_REQUIRES(mapping_lock);

template <typename Change>
void mapping_change(const MappingLock &lock, uint64_t begin, uint64_t end, Change change) BASE_REQUIRES(mapping_lock) {
    mapping_split(lock, begin);
    mapping_split(lock, end);
    for (Mapping *entry = mapping_find(lock, begin); entry != nullptr && entry->address < end;
         entry = mapping_next(lock, entry))
        change(*entry);
    mapping_join(lock, begin, end);
}

} // namespace pmemfile
