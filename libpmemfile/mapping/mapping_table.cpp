// A sorted array; binary search to find, memmove to change.
//
//   entries   [ A: 0..3 ][ A: 3..5, read-only ][ B: 9..12 ]      sorted by address
//                  │              │                  │
//   files     [ inode 7, pin 31, 2 references ][ inode 9, pin 4, 1 reference ]
//
// A program has tens of mappings of files, a database hundreds: a tree would not pay.
#include "libpmemfile/mapping/mapping_table.h"

#include "base/page_array.h"
#include "base/raw_syscall.h"
#include "libpmemfile/fs/mapping_calls.h"

#include <algorithm>
#include <atomic>

namespace pmemfile {

constinit base::SpinLock mapping_lock;

namespace {

constexpr uint32_t no_pin = UINT32_MAX; // fs_map_end knows none of that number

constinit base::Immortal<base::PageArray<Mapping>> entry_store;
constinit base::Immortal<base::PageArray<PinnedFile>> file_store;
base::PageArray<Mapping> &entries BASE_GUARDED_BY(mapping_lock) = entry_store.value;
base::PageArray<PinnedFile> &files BASE_GUARDED_BY(mapping_lock) = file_store.value;
constinit std::atomic<uint32_t> ended_count{0}; // files without references
constinit bool bounds_are_held BASE_GUARDED_BY(mapping_lock) = false;

size_t index_of(uint64_t address) BASE_REQUIRES(mapping_lock) {
    return static_cast<size_t>(
        std::partition_point(entries.begin(), entries.end(), [&](const Mapping &e) { return e.end() <= address; }) -
        entries.begin());
}

void set_bounds() BASE_REQUIRES(mapping_lock) {
    if (bounds_are_held)
        return;
    bool empty = entries.size() == 0;
    mapping_low.store(empty ? UINT64_MAX : entries[0].address, std::memory_order_relaxed);
    mapping_high.store(empty ? 0 : entries[entries.size() - 1].end(), std::memory_order_relaxed);
}

bool continues(const Mapping &a, const Mapping &b) {
    return a.end() == b.address && a.block_at(a.end()) == b.first_block && a.pin == b.pin &&
           a.protection == b.protection && a.shared == b.shared && a.may_write == b.may_write && a.absent == b.absent &&
           a.not_in_child == b.not_in_child;
}

} // namespace

MappingLock::MappingLock() {
    mapping_lock.lock();
}

MappingLock::~MappingLock() {
    mapping_lock.unlock();
}

// Entries put in under it lie within what was taken out: the old bounds hold for them.
BoundsHold::BoundsHold(const MappingLock &) {
    bounds_are_held = true;
}

BoundsHold::~BoundsHold() {
    bounds_are_held = false;
    set_bounds();
}

bool mapping_table_reserve(const MappingLock &, unsigned count) {
    return entries.reserve(entries.size() + count);
}

Mapping *mapping_find(const MappingLock &, uint64_t address) {
    size_t index = index_of(address);
    return index < entries.size() ? &entries[index] : nullptr;
}

Mapping *mapping_next(const MappingLock &, Mapping *entry) {
    return entry + 1 < entries.end() ? entry + 1 : nullptr;
}

bool mapping_overlaps(const MappingLock &lock, uint64_t begin, uint64_t end) {
    const Mapping *entry = mapping_find(lock, begin);
    return entry != nullptr && entry->address < end;
}

void mapping_insert(const MappingLock &lock, const Mapping &entry) {
    entries.insert(index_of(entry.address), entry);
    pinned_file_reference(lock, entry.pin);
    mapping_join(lock, entry.address, entry.end());
    set_bounds();
}

void mapping_split(const MappingLock &lock, uint64_t address) {
    size_t index = index_of(address);
    if (index >= entries.size() || entries[index].address >= address)
        return;
    Mapping above = entries[index];
    above.first_block = above.block_at(address);
    above.length_bytes = above.end() - address;
    above.address = address;
    entries[index].length_bytes = address - entries[index].address;
    entries.insert(index + 1, above);
    pinned_file_reference(lock, above.pin);
}

void mapping_join(const MappingLock &lock, uint64_t begin, uint64_t end) {
    size_t index = index_of(begin == 0 ? 0 : begin - 1);
    while (index + 1 < entries.size() && entries[index].address <= end) {
        if (!continues(entries[index], entries[index + 1])) {
            index++;
            continue;
        }
        entries[index].length_bytes += entries[index + 1].length_bytes;
        pinned_file_drop(lock, entries[index + 1].pin);
        entries.erase(index + 1, 1);
    }
}

void mapping_remove(const MappingLock &lock, uint64_t begin, uint64_t end) {
    mapping_split(lock, begin);
    mapping_split(lock, end);
    size_t first = index_of(begin);
    size_t last = first;
    for (; last < entries.size() && entries[last].address < end; last++)
        pinned_file_drop(lock, entries[last].pin);
    entries.erase(first, last - first);
    set_bounds();
}

base::Result<uint32_t> pinned_file_hold(const MappingLock &, uint64_t pool_key, InodeNumber inode, uint32_t pin,
                                        bool writable_shared, bool *spare) {
    *spare = false;
    size_t free = files.size();
    for (size_t i = 0; i < files.size(); i++) {
        PinnedFile &file = files[i];
        if (file.inode == 0)
            free = std::min(free, i);
        if (file.inode != inode || file.pool_key != pool_key || file.writable_shared != writable_shared)
            continue;
        *spare = true;
        if (file.references++ == 0)
            ended_count.fetch_sub(1);
        return static_cast<uint32_t>(i);
    }
    if (free == files.size()) {
        if (!files.reserve(files.size() + 1))
            return base::error(ENOMEM);
        files.insert(free, {});
    }
    files[free] = {inode, pool_key, pin, no_pin, writable_shared, 1, 0};
    return static_cast<uint32_t>(free);
}

void pinned_file_reference(const MappingLock &, uint32_t index) {
    files[index].references++;
}

void pinned_file_drop(const MappingLock &, uint32_t index) {
    if (--files[index].references == 0)
        ended_count.fetch_add(1);
}

PinnedFile &pinned_file(const MappingLock &, uint32_t index) {
    return files[index];
}

bool mapping_look(uint64_t address, Mapping *entry, PinnedFile *file) {
    const MappingLock lock;
    const Mapping *found = mapping_find(lock, address);
    if (found == nullptr)
        return false;
    *entry = *found;
    *file = files[found->pin];
    return true;
}

bool mapping_of_pool(uint64_t pool_key) {
    MappingLock lock;
    return std::any_of(entries.begin(), entries.end(), [&](const Mapping &entry) BASE_REQUIRES(mapping_lock) {
        return files[entry.pin].pool_key == pool_key;
    });
}

void mapping_drop_pool(const MappingCaller &caller, uint64_t pool_key) {
    {
        MappingLock lock;
        for (size_t i = 0; i < entries.size();) {
            const Mapping entry = entries[i];
            if (files[entry.pin].pool_key != pool_key) {
                i++;
                continue;
            }
            base::raw_syscall(SYS_munmap, static_cast<long>(entry.address), static_cast<long>(entry.length_bytes));
            entries.erase(i, 1);
            pinned_file_drop(lock, entry.pin);
        }
        set_bounds();
    }
    mapping_release_ended(caller);
}

void mapping_release_ended(const MappingCaller &caller) {
    while (ended_count.load() != 0) {
        PinnedFile ended;
        {
            MappingLock lock;
            PinnedFile *found =
                std::find_if(files.begin(), files.end(), [](auto &f) { return f.inode != 0 && f.references == 0; });
            if (found == files.end())
                return;
            ended = *found;
            *found = {};
            ended_count.fetch_sub(1);
        }
        // Without a place in the pool the pin stays until the process ends: too long, never too short.
        base::Result<Thread *> thread = caller.thread(ended.pool_key);
        if (thread.ok())
            fs_map_end(**thread, ended.pin);
    }
}

void mapping_table_before_fork(const MappingCaller &caller, const PoolPlace *places) {
    mapping_lock.lock();
    for (PinnedFile &file : files) {
        file.child_pin = no_pin;
        if (file.inode == 0 || file.references == 0)
            continue;
        base::Result<Thread *> thread = caller.thread(file.pool_key);
        const PoolPlace &place = places[file.pool_key];
        base::Result<uint32_t> pin = base::error(ENOMEM);
        if (thread.ok())
            pin = mapping_pin_copy(**thread, file.pin, place.process_slot, place.incarnation);
        if (pin.ok())
            file.child_pin = *pin;
    }
}

void mapping_table_fork_done() {
    mapping_lock.unlock();
}

void mapping_table_after_fork(const MappingCaller &caller) {
    mapping_lock.unlock(); // the forking thread held it for us; no other thread is left
    {
        MappingLock lock;
        for (size_t i = 0; i < entries.size();) {
            if (!entries[i].not_in_child) {
                i++;
                continue;
            }
            pinned_file_drop(lock, entries[i].pin);
            entries.erase(i, 1);
        }
        set_bounds();
        uint32_t ended = 0;
        for (PinnedFile &file : files) {
            if (file.inode == 0)
                continue;
            if (file.references == 0 && file.child_pin == no_pin) { // a thread of the parent was about to end it
                file = {};
                continue;
            }
            file.pin = file.child_pin;
            ended += file.references == 0 ? 1 : 0; // only the parent has it mapped (MADV_DONTFORK)
            if (file.pin != no_pin)
                continue;
            base::Result<Thread *> thread = caller.thread(file.pool_key);
            if (!thread.ok())
                continue;
            base::Result<uint32_t> pin =
                fs_map_begin(**thread, file.inode, 0, 0, file.writable_shared, file.writable_shared);
            if (pin.ok())
                file.pin = *pin;
        }
        ended_count.store(ended);
    }
    mapping_release_ended(caller);
}

size_t mapping_count(const MappingLock &) {
    return entries.size();
}

} // namespace pmemfile
