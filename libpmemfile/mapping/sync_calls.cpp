// msync, madvise, remap_file_pages on addresses that show files of ours.
//
// msync: the stores of the mapping are in the pool's pages already; making them durable is flushing
// their cache lines through the pool's own mapping. The kernel only looks whether all is mapped.
#include "base/raw_syscall.h"
#include "libpmemfile/fs/mapping_calls.h"
#include "libpmemfile/mapping/map_calls.h"
#include "libpmemfile/mapping/mapping_table.h"

#include <algorithm>
#include <sys/mman.h>

#ifndef MADV_SOFT_OFFLINE // not in every libc
#define MADV_SOFT_OFFLINE 101
#endif

namespace pmemfile {

namespace {

struct Range {
    uint64_t begin, end;
};

// False: nothing of ours is in it, or the kernel will find it wrong.
bool range_of(uint64_t address, uint64_t length_bytes, Range *range) {
    *range = {address, address + round_up_to_page(length_bytes)};
    return address % page_bytes == 0 && range->end > address && mapping_may_overlap(address, length_bytes);
}

bool is_covered(const MappingLock &lock, const Range &range) BASE_REQUIRES(mapping_lock) {
    uint64_t at = range.begin;
    for (Mapping *entry = mapping_find(lock, at); entry != nullptr && entry->address <= at && at < range.end;
         entry = mapping_next(lock, entry))
        at = entry->end();
    return at >= range.end;
}

// What of an entry lies in a range, copied so that the table need not stay locked while it is flushed.
struct Part {
    PinnedFile file;
    uint32_t file_index = 0;
    uint64_t offset_bytes = 0, length_bytes = 0, end = 0;
};

bool next_shared_part(uint64_t at, uint64_t end, Part *part) {
    MappingLock lock;
    for (Mapping *entry = mapping_find(lock, at); entry != nullptr && entry->address < end;
         entry = mapping_next(lock, entry)) {
        if (!entry->shared || entry->absent)
            continue;
        uint64_t from = std::max(at, entry->address);
        part->end = std::min(end, entry->end());
        part->offset_bytes = entry->block_at(from) * page_bytes;
        part->length_bytes = part->end - from;
        part->file_index = entry->pin;
        part->file = pinned_file(lock, entry->pin);
        pinned_file_reference(lock, entry->pin); // its blocks stay while they are flushed
        return true;
    }
    return false;
}

long flush(const MappingCaller &caller, const Range &range) {
    long result = 0;
    Part part;
    for (uint64_t at = range.begin; at < range.end && next_shared_part(at, range.end, &part); at = part.end) {
        base::Result<Thread *> thread = caller.thread(part.file.pool_key);
        base::Status done = thread.ok() ? fs_map_sync(**thread, part.file.inode, part.offset_bytes, part.length_bytes)
                                        : base::Status(thread.error());
        if (!done.ok())
            result = -done.error().number();
        MappingLock lock;
        pinned_file_drop(lock, part.file_index);
    }
    mapping_release_ended(caller);
    return result;
}

} // namespace

long mapping_sync(const MappingCaller &caller, uint64_t address, uint64_t length_bytes, int flags) {
    Range range;
    if (!range_of(address, length_bytes, &range))
        return mapping_is_the_kernels;
    bool all_ours = false;
    {
        MappingLock lock;
        if (!mapping_overlaps(lock, range.begin, range.end))
            return mapping_is_the_kernels;
        all_ours = is_covered(lock, range);
    }
    // All of it ours: MS_ASYNC has the kernel check, and not write the pool's file back as a whole.
    bool asks_sync = (flags & MS_SYNC) != 0;
    int checked = all_ours && asks_sync && (flags & MS_ASYNC) == 0 ? (flags & ~MS_SYNC) | MS_ASYNC : flags;
    long result = base::raw_syscall(SYS_msync, static_cast<long>(address), static_cast<long>(length_bytes), checked);
    // ENOMEM: a gap; what is mapped has been written nevertheless.
    if (asks_sync && (result == 0 || result == -ENOMEM)) {
        long flushed = flush(caller, range);
        return flushed != 0 ? flushed : result;
    }
    return result;
}

long mapping_advise(uint64_t address, uint64_t length_bytes, int advice) {
    Range range;
    if (!range_of(address, length_bytes, &range))
        return mapping_is_the_kernels;
    switch (advice) {
    case MADV_REMOVE:
    case MADV_HWPOISON:
    case MADV_SOFT_OFFLINE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
        break;
    default:
        return mapping_is_the_kernels;
    }
    MappingLock lock;
    if (!mapping_overlaps(lock, range.begin, range.end))
        return mapping_is_the_kernels;
    if (advice == MADV_REMOVE)
        return -EOPNOTSUPP; // the kernel would punch the hole into the pool
    if (advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE)
        return -EPERM; // the same page holds other files' bytes for other processes
    if (!mapping_table_reserve(lock, 2))
        return -ENOMEM;
    long result = base::raw_syscall(SYS_madvise, static_cast<long>(address), static_cast<long>(length_bytes), advice);
    if (result == 0)
        mapping_change(lock, range.begin, range.end,
                       [&](Mapping &entry) { entry.not_in_child = advice == MADV_DONTFORK; });
    return result;
}

// The kernel would take the page number as one of the pool.
long mapping_remap_pages(uint64_t address, uint64_t length_bytes) {
    Range range;
    if (!range_of(address, length_bytes, &range))
        return mapping_is_the_kernels;
    MappingLock lock;
    return mapping_overlaps(lock, range.begin, range.end) ? -EINVAL : mapping_is_the_kernels;
}

} // namespace pmemfile
