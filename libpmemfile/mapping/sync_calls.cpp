// msync, madvise, remap_file_pages on addresses that show files of ours.
//
// msync: the stores of the mapping are in the pool's pages already; making them durable is flushing
// their cache lines through the pool's own mapping. The kernel only looks whether all is mapped.
#include "base/raw_syscall.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/mapping_calls.h"
#include "libpmemfile/mapping/map_calls.h"
#include "libpmemfile/mapping/mapping_table.h"
#include "libpmemfile/mapping/size_change.h"
#include "libpmemfile/mapping/stitch.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/mman.h>
#include <utility>

#ifndef MADV_SOFT_OFFLINE // not in every libc
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
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
long remove_part(const MappingCaller &caller, const Part &part) {
    if (!part.may_be_stored_to)
        return -EACCES;
    const base::Result<Thread *> thread = caller.thread(part.file.pool_key);
    const base::Status done = thread.ok()
                                  ? data_allocate(**thread, part.file.inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                  part.offset_bytes, part.length_bytes)
                                  : base::Status(thread.error());
    return done.ok() ? 0 : -done.error().number();
}

// `ours(part)` for each part that shows a file of ours, in order; what is between them is the kernel's. A gap does not
// end it.
template <typename Ours> long advise_parts(const MappingCaller &caller, const Range &range, int advice, Ours ours) {
    long result = 0;
    long gap = 0;
    Part part;
    for (uint64_t at = range.begin; result == 0 && at < range.end;) {
        const bool is_there = next_part(at, range.end, Which::all, &part);
        const uint64_t begin = is_there ? part.end - part.length_bytes : range.end;
        if (begin > at)
            result = base::raw_syscall(SYS_madvise, static_cast<long>(at), static_cast<long>(begin - at), advice);
        if (result == -ENOMEM)
            gap = std::exchange(result, 0);
        at = is_there ? part.end : range.end;
        if (!is_there)
            break;
        if (result == 0)
            result = ours(part);
        MappingLock lock;
        pinned_file_drop(lock, part.file_index);
    }
    mapping_release_ended(caller);
    return result != 0 ? result : gap;
}

// The kernel touches the pages for the program, and does not ask us as a fault of its own would.
void show_what_grew_in(const MappingCaller &caller, const Range &range) {
    Mapping entry;
    PinnedFile file;
    for (uint64_t at = range.begin; at < range.end && mapping_look(at, &entry, &file) && entry.address < range.end;
         at = entry.end())
        if (entry.absent)
            mapping_fault(caller, std::max(at, entry.address));
}

// MADV_DONTNEED has taken away what was stored to private pages. The file's are to be seen again, as they are now: the
// kernel may have none of the file's there (a move has copied them), or blocks that it had once.
long show_anew(const MappingLock &lock, const MappingCaller &caller, const Range &range) BASE_REQUIRES(mapping_lock) {
    for (uint64_t at = range.begin; at < range.end;) {
        const Mapping *entry = mapping_find(lock, at);
        if (entry == nullptr || entry->address >= range.end)
            break;
        Mapping part = *entry;
        at = part.end();
        if (part.shared || part.absent)
            continue;
        part.address = std::max(range.begin, entry->address);
        part.first_block = entry->block_at(part.address);
        part.length_bytes = std::min(range.end, entry->end()) - part.address;
        const base::Result<Thread *> thread = caller.thread(pinned_file(lock, part.pin).pool_key);
        if (!thread.ok())
            return -thread.error().number();
        if (!mapping_table_reserve(lock, 4))
            return -ENOMEM;
        const BoundsHold hold(lock);
        pinned_file_reference(lock, part.pin);
        mapping_remove(lock, part.address, part.end());
        const long shown = stitch(lock, **thread, part, 0);
        if (shown != 0)
            stitch_undo(lock, part.address, part.end());
        pinned_file_drop(lock, part.pin);
        if (shown != 0)
            return shown;
    }
    return 0;
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
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
        show_what_grew_in(caller, range);
        return mapping_is_the_kernels;
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
    case MADV_REMOVE:
    case MADV_FREE:
    case MADV_HWPOISON:
    case MADV_SOFT_OFFLINE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
        break;
    default:
        return mapping_is_the_kernels;
    }
    {
        MappingLock lock;
        if (!mapping_overlaps(lock, range.begin, range.end))
            return mapping_is_the_kernels;
    }
    if (advice == MADV_REMOVE)
        return advise_parts(caller, range, advice, [&](const Part &part) { return remove_part(caller, part); });
    if (advice == MADV_FREE) // of memory that no file has; what is absent of ours is such to the kernel
        return advise_parts(caller, range, advice, [](const Part &) { return long{-EINVAL}; });
    MappingLock lock;
    if (advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE)
        return -EPERM; // the same page holds other files' bytes for other processes
    if (!mapping_table_reserve(lock, 2))
        return -ENOMEM;
    long result = base::raw_syscall(SYS_madvise, static_cast<long>(address), static_cast<long>(length_bytes), advice);
    if (result != 0 && result != -ENOMEM)
        return result;
    // ENOMEM: a gap; what is mapped has changed nevertheless.
    if (advice == MADV_DONTNEED || advice == MADV_DONTNEED_LOCKED) {
        const long shown = show_anew(lock, caller, range);
        return shown != 0 ? shown : result;
    }
    mapping_change(lock, range.begin, range.end, [&](Mapping &entry) { entry.not_in_child = advice == MADV_DONTFORK; });
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
