// msync, madvise, remap_file_pages on addresses that show files of ours.
//
// msync: the stores of the mapping are in the pool's pages already; making them durable is flushing
// their cache lines through the pool's own mapping. The kernel only looks whether all is mapped.
#include "base/raw_syscall.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/mapping_calls.h"
#include "libpmemfile/mapping/map_calls.h"
#include "libpmemfile/mapping/mapping_table.h"

#include <algorithm>
#include <fcntl.h>
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
    bool may_be_stored_to = false; // it is shared, and the file was open for writing
};

enum class Which : uint8_t { all, shared_and_there };

bool next_part(uint64_t at, uint64_t end, Which which, Part *part) {
    MappingLock lock;
    for (Mapping *entry = mapping_find(lock, at); entry != nullptr && entry->address < end;
         entry = mapping_next(lock, entry)) {
        if (which == Which::shared_and_there && (!entry->shared || entry->absent))
            continue;
        uint64_t from = std::max(at, entry->address);
        part->end = std::min(end, entry->end());
        part->offset_bytes = entry->block_at(from) * page_bytes;
        part->length_bytes = part->end - from;
        part->file_index = entry->pin;
        part->may_be_stored_to = entry->shared && entry->may_write;
        part->file = pinned_file(lock, entry->pin);
        pinned_file_reference(lock, entry->pin); // its blocks stay while they are flushed
        return true;
    }
    return false;
}

long flush(const MappingCaller &caller, const Range &range) {
    long result = 0;
    Part part;
    for (uint64_t at = range.begin; at < range.end && next_part(at, range.end, Which::shared_and_there, &part);
         at = part.end) {
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

// MADV_REMOVE: a hole in the file (not in the pool's, which the kernel would make). All mappings of the file see zeros.
long remove_pages(const MappingCaller &caller, const Range &range) {
    long result = 0;
    Part part;
    for (uint64_t at = range.begin; result == 0 && at < range.end && next_part(at, range.end, Which::all, &part);
         at = part.end) {
        if (part.may_be_stored_to) {
            base::Result<Thread *> thread = caller.thread(part.file.pool_key);
            const base::Status done =
                thread.ok() ? data_allocate(**thread, part.file.inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                            part.offset_bytes, part.length_bytes)
                            : base::Status(thread.error());
            result = done.ok() ? 0 : -done.error().number();
        } else {
            result = -EACCES;
        }
        MappingLock lock;
        pinned_file_drop(lock, part.file_index);
    }
    mapping_release_ended(caller);
    return result;
}

// What Linux says of a range that is not all of files: a gap, or memory that no file has.
long is_not_all_ours(const Range &range) {
    const long checked = base::raw_syscall(SYS_msync, static_cast<long>(range.begin),
                                           static_cast<long>(range.end - range.begin), MS_ASYNC);
    return checked == -ENOMEM ? -ENOMEM : -EINVAL;
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

long mapping_advise(const MappingCaller &caller, uint64_t address, uint64_t length_bytes, int advice) {
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
    if (advice == MADV_REMOVE) {
        bool all_ours = false;
        {
            MappingLock lock;
            if (!mapping_overlaps(lock, range.begin, range.end))
                return mapping_is_the_kernels;
            all_ours = is_covered(lock, range);
        }
        const long removed = remove_pages(caller, range);
        return removed == 0 && !all_ours ? is_not_all_ours(range) : removed;
    }
    MappingLock lock;
    if (!mapping_overlaps(lock, range.begin, range.end))
        return mapping_is_the_kernels;
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
