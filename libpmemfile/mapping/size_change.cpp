// A database maps 1 GiB over a file of some pages and then lets it grow by write or
// ftruncate; the kernel shows new pages as they come. Ours are stitched when they are touched:
//
//   entry    [ present ............ ][ absent ........................ ]
//   touch                                     x
//   after    [ present ................................. ][ absent ... ]
//                                                         file's end
//
// When the file is cut, the pages behind its new end become absent again.
#include "libpmemfile/mapping/size_change.h"

#include "libpmemfile/mapping/stitch.h"

#include <algorithm>

namespace pmemfile {

namespace {

// Shows what the file has now of `what`, an absent entry. False when it is still behind the end, or on an error.
bool show_entry(const MappingLock &lock, Thread &thread, Mapping what) BASE_REQUIRES(mapping_lock) {
    const InodeNumber inode = pinned_file(lock, what.pin).inode;
    base::Result<uint64_t> blocks = file_blocks(thread, inode);
    if (!blocks.ok() || what.first_block >= *blocks)
        return false;
    uint64_t count = std::min(what.length_bytes / page_bytes, *blocks - what.first_block);
    if (what.shared && !fill_holes_of(thread, inode, what.first_block, count).ok())
        return false;
    what.length_bytes = count * page_bytes;
    what.absent = false;
    if (!mapping_table_reserve(lock, 4))
        return false;
    BoundsHold hold(lock);
    pinned_file_reference(lock, what.pin);
    mapping_remove(lock, what.address, what.end());
    bool is_there = stitch(lock, thread, what, 0) == 0;
    if (!is_there) {
        mapping_remove(lock, what.address, what.end());
        what.absent = true; // as before, pieces or not
        mapping_insert(lock, what);
    }
    pinned_file_drop(lock, what.pin);
    return is_there;
}

bool show_what_grew(const MappingLock &lock, const MappingCaller &caller, uint64_t address)
    BASE_REQUIRES(mapping_lock) {
    const Mapping *found = mapping_find(lock, address);
    if (found == nullptr || found->address > address)
        return false;
    if (!found->absent) // another thread was faster; or the medium itself fails, and so does this
        return base::raw_syscall(SYS_madvise, static_cast<long>(address & ~(page_bytes - 1)), page_bytes,
                                 MADV_POPULATE_READ) == 0;
    base::Result<Thread *> thread = caller.thread(pinned_file(lock, found->pin).pool_key);
    if (!thread.ok() || !show_entry(lock, **thread, *found))
        return false;
    found = mapping_find(lock, address);
    return found != nullptr && found->address <= address && !found->absent;
}

// Calls change(lock, thread, entry) for each entry of the file, a copy of it.
template <typename Change>
void for_entries_of(const MappingCaller &caller, uint64_t pool_key, InodeNumber inode, Change change) {
    if (!mapping_may_overlap(0, UINT64_MAX))
        return;
    base::Result<Thread *> thread = caller.thread(pool_key);
    if (!thread.ok())
        return;
    MappingLock lock;
    uint64_t at = 0;
    while (const Mapping *entry = mapping_find(lock, at)) {
        at = entry->end();
        const PinnedFile &file = pinned_file(lock, entry->pin);
        if (file.inode == inode && file.pool_key == pool_key)
            change(lock, **thread, Mapping(*entry));
    }
}

} // namespace

bool mapping_fault(const MappingCaller &caller, uint64_t address) {
    MappingLock lock;
    return show_what_grew(lock, caller, address);
}

void mapping_file_grown(const MappingCaller &caller, uint64_t pool_key, InodeNumber inode) {
    for_entries_of(caller, pool_key, inode,
                   [](const MappingLock &lock, Thread &thread, Mapping entry) BASE_REQUIRES(mapping_lock) {
                       if (entry.absent)
                           show_entry(lock, thread, entry); // on failure a touch is SIGBUS
                   });
}

void mapping_file_cut(const MappingCaller &caller, uint64_t pool_key, InodeNumber inode) {
    for_entries_of(caller, pool_key, inode,
                   [&](const MappingLock &lock, Thread &thread, Mapping entry) BASE_REQUIRES(mapping_lock) {
                       base::Result<uint64_t> blocks = file_blocks(thread, inode);
                       if (!blocks.ok() || entry.absent || entry.block_at(entry.end()) <= *blocks ||
                           !mapping_table_reserve(lock, 3))
                           return;
                       Mapping gone = entry;
                       gone.first_block = std::max(entry.first_block, *blocks);
                       gone.address += (gone.first_block - entry.first_block) * page_bytes;
                       gone.length_bytes = entry.end() - gone.address;
                       pinned_file_reference(lock, gone.pin);
                       stitch_absent(lock, thread, gone); // on failure the blocks stay, which are held
                       pinned_file_drop(lock, gone.pin);
                   });
}

} // namespace pmemfile
