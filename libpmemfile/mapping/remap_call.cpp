// mremap. The kernel moves one of its areas; a file of ours is shown by several, so it is done here.
//
//   shrink          by the kernel: the end is unmapped, whatever it shows
//   grow in place   the pages behind are free: the file's next blocks are stitched there
//   move            shared: stitched anew at the new place, then the old one is unmapped
//                   private: what the application sees there is copied, for it may have changed it
#include "libpmemfile/mapping/map_calls.h"
#include "libpmemfile/mapping/stitch.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace pmemfile {

namespace {

struct Remap {
    uint64_t old_address, old_length, new_length;
    int flags;
    uint64_t new_address;

    uint64_t old_end() const {
        return old_address + old_length;
    }
    // Of what is there afterwards.
    uint64_t kept_end() const {
        return old_address + std::min(old_length, new_length);
    }
    bool is_fixed() const {
        return (flags & MREMAP_FIXED) != 0;
    }
};

// What is to be kept of the old range as one mapping; EFAULT when it is not one (the kernel says so for several areas).
base::Result<Mapping> old_mapping(const MappingLock &lock, const Remap &remap) BASE_REQUIRES(mapping_lock) {
    Mapping *entry = mapping_find(lock, remap.old_address);
    if (entry == nullptr || entry->address > remap.old_address)
        return base::error(EFAULT);
    Mapping whole = *entry;
    whole.first_block = entry->block_at(remap.old_address);
    whole.address = remap.old_address;
    whole.length_bytes = remap.old_length;
    for (uint64_t at = entry->end(); at < remap.kept_end(); at = entry->end()) {
        entry = mapping_next(lock, entry);
        if (entry == nullptr || entry->address != at || entry->first_block != whole.block_at(at) ||
            entry->pin != whole.pin || entry->protection != whole.protection || entry->shared != whole.shared)
            return base::error(EFAULT);
    }
    return whole;
}

// The part [from, to) of the file's mapping `old`, as if it went on for ever, put at `address`.
Mapping part_at(const Mapping &old, uint64_t from, uint64_t length_bytes, uint64_t address) {
    Mapping part = old;
    part.first_block = old.block_at(from);
    part.address = address;
    part.length_bytes = length_bytes;
    return part;
}

long stitch_part(const MappingLock &lock, Thread &thread, const Mapping &part) BASE_REQUIRES(mapping_lock) {
    if (part.shared) {
        base::Status filled =
            fill_holes_of(thread, pinned_file(lock, part.pin).inode, part.first_block, part.length_bytes / page_bytes);
        if (!filled.ok())
            return -filled.error().number();
    }
    return stitch(lock, thread, part, 0);
}

// Private pages as the application sees them, copied to the reserved new place.
long copy_private(const MappingLock &lock, Thread &thread, const Mapping &old, uint64_t length_bytes,
                  uint64_t new_address) BASE_REQUIRES(mapping_lock) {
    uint64_t end = old.address + length_bytes;
    for (uint64_t at = old.address; at < end;) {
        const Mapping entry = *mapping_find(lock, at);
        uint64_t length = std::min(entry.end(), end) - at;
        Mapping moved = part_at(entry, at, length, new_address + (at - old.address));
        if (entry.absent) {
            if (long result = stitch(lock, thread, moved, 0); result != 0)
                return result;
        } else {
            long mapped = base::raw_syscall(SYS_mmap, static_cast<long>(moved.address), static_cast<long>(length),
                                            PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            if (base::is_error(mapped))
                return mapped;
            if ((entry.protection & PROT_READ) == 0) // it goes away in a moment
                base::raw_syscall(SYS_mprotect, static_cast<long>(at), static_cast<long>(length), PROT_READ);
            std::memcpy(reinterpret_cast<void *>(moved.address), reinterpret_cast<const void *>(at), length);
            base::raw_syscall(SYS_mprotect, static_cast<long>(moved.address), static_cast<long>(length),
                              entry.protection);
            if (moved.not_in_child)
                keep_from_child(moved);
            if (!mapping_table_reserve(lock, 3))
                return -ENOMEM;
            mapping_insert(lock, moved);
        }
        at += length;
    }
    return 0;
}

long grow_in_place(const MappingLock &lock, Thread &thread, const Remap &remap, const Mapping &old)
    BASE_REQUIRES(mapping_lock) {
    uint64_t more = remap.new_length - remap.old_length;
    long reserved = reserve_addresses(remap.old_end(), more, MAP_FIXED_NOREPLACE);
    if (base::is_error(reserved))
        return reserved;
    if (static_cast<uint64_t>(reserved) != remap.old_end()) { // a kernel that does not know the flag
        base::raw_syscall(SYS_munmap, reserved, static_cast<long>(more));
        return -EEXIST;
    }
    long result = stitch_part(lock, thread, part_at(old, remap.old_end(), more, remap.old_end()));
    if (result != 0)
        stitch_undo(lock, remap.old_end(), remap.old_end() + more);
    return result != 0 ? result : static_cast<long>(remap.old_address);
}

long move(const MappingLock &lock, Thread &thread, const Remap &remap, const Mapping &old) BASE_REQUIRES(mapping_lock) {
    long reserved = reserve_addresses(remap.new_address, remap.new_length, remap.is_fixed() ? MAP_FIXED : 0);
    if (base::is_error(reserved))
        return reserved;
    auto target = static_cast<uint64_t>(reserved);
    if (remap.is_fixed())
        mapping_remove(lock, target, target + remap.new_length);
    long result = 0;
    if (old.shared) {
        result = stitch_part(lock, thread, part_at(old, old.address, remap.new_length, target));
    } else {
        uint64_t kept = std::min(remap.old_length, remap.new_length);
        result = copy_private(lock, thread, old, kept, target);
        if (result == 0 && remap.new_length > kept)
            result =
                stitch_part(lock, thread, part_at(old, old.address + kept, remap.new_length - kept, target + kept));
    }
    if (result != 0) {
        stitch_undo(lock, target, target + remap.new_length);
        return result;
    }
    if (remap.old_length != 0) { // 0: a second mapping of the same
        base::raw_syscall(SYS_munmap, static_cast<long>(remap.old_address), static_cast<long>(remap.old_length));
        mapping_remove(lock, remap.old_address, remap.old_end());
    }
    return reserved;
}

long remap_ours(const MappingLock &lock, const MappingCaller &caller, const Remap &remap) BASE_REQUIRES(mapping_lock) {
    if ((remap.flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) != 0 || remap.new_length == 0)
        return -EINVAL; // MREMAP_DONTUNMAP too
    bool may_move = (remap.flags & MREMAP_MAYMOVE) != 0;
    if (remap.is_fixed() &&
        (!may_move || remap.new_address % page_bytes != 0 ||
         (remap.new_address < remap.old_end() && remap.old_address < remap.new_address + remap.new_length)))
        return -EINVAL;
    base::Result<Mapping> old = old_mapping(lock, remap);
    if (!old.ok())
        return -old.error().number();
    if (remap.old_length == 0 && !old->shared)
        return -EINVAL;
    if (remap.old_length == 0 && !may_move)
        return -ENOMEM;
    if (remap.old_length == 0 && remap.is_fixed() && remap.old_address - remap.new_address < remap.new_length) {
        // As with Linux: the new place is made free first, and the old one goes with it.
        if (!mapping_table_reserve(lock, 2))
            return -ENOMEM;
        stitch_undo(lock, remap.new_address, remap.new_address + remap.new_length);
        return -EFAULT;
    }
    base::Result<Thread *> thread = caller.thread(pinned_file(lock, old->pin).pool_key);
    if (!thread.ok())
        return -thread.error().number();
    if (!mapping_table_reserve(lock, 4))
        return -ENOMEM;
    if (!remap.is_fixed() && remap.old_length != 0) {
        long grown = grow_in_place(lock, **thread, remap, *old);
        if (grown != -EEXIST)
            return grown;
        if (!may_move)
            return -ENOMEM;
    }
    pinned_file_reference(lock, old->pin); // MREMAP_FIXED may take its last entry away
    long result = move(lock, **thread, remap, *old);
    pinned_file_drop(lock, old->pin);
    return result;
}

// What is kept is not ours, or stays where it is; but what is behind it, or at its new place, may be ours.
long remap_by_kernel(const MappingLock &lock, const Remap &remap) BASE_REQUIRES(mapping_lock) {
    const bool shows_ours = mapping_overlaps(lock, remap.old_address, remap.old_end());
    const bool replaces_ours =
        remap.is_fixed() && mapping_overlaps(lock, remap.new_address, remap.new_address + remap.new_length);
    if (!shows_ours && !replaces_ours)
        return mapping_is_the_kernels;
    if (!mapping_table_reserve(lock, 4))
        return -ENOMEM;
    long result =
        base::raw_syscall(SYS_mremap, static_cast<long>(remap.old_address), static_cast<long>(remap.old_length),
                          static_cast<long>(remap.new_length), remap.flags, static_cast<long>(remap.new_address));
    if (base::is_error(result))
        return result;
    if (shows_ours && remap.kept_end() < remap.old_end())
        mapping_remove(lock, remap.kept_end(), remap.old_end());
    if (replaces_ours)
        mapping_remove(lock, remap.new_address, remap.new_address + remap.new_length);
    return result;
}

} // namespace

long mapping_remap(const MappingCaller &caller, uint64_t old_address, uint64_t old_length_bytes,
                   uint64_t new_length_bytes, int flags, uint64_t new_address) {
    Remap remap{old_address, round_up_to_page(old_length_bytes), round_up_to_page(new_length_bytes), flags,
                (flags & MREMAP_FIXED) != 0 ? new_address : 0};
    bool sane = remap.old_address % page_bytes == 0 && remap.old_end() >= remap.old_address &&
                remap.new_address + remap.new_length >= remap.new_address;
    if (!sane || (!mapping_may_overlap(remap.old_address, remap.old_length) &&
                  !(remap.is_fixed() && mapping_may_overlap(remap.new_address, remap.new_length))))
        return mapping_is_the_kernels;
    long result;
    {
        MappingLock lock;
        const bool only_ends = (remap.flags & ~MREMAP_MAYMOVE) == 0 && remap.new_length != 0 && remap.old_length != 0 &&
                               remap.new_length <= remap.old_length;
        const uint64_t end = std::max(remap.kept_end(), remap.old_address + page_bytes);
        result = !only_ends && mapping_overlaps(lock, remap.old_address, end) ? remap_ours(lock, caller, remap)
                                                                              : remap_by_kernel(lock, remap);
    }
    mapping_release_ended(caller);
    return result;
}

} // namespace pmemfile
