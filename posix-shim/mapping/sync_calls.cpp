// msync, madvise, remap_file_pages on addresses that show files of ours.
//
// msync: the stores of the mapping are in the pool's pages already; making them durable is flushing
// their cache lines through the pool's own mapping. The kernel only looks whether all is mapped.
#include "base/raw_syscall.h"
#include "libpmemfile/fs/mapping_calls.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/mapping/mapping_table.h"

#include <algorithm>
#include <sys/mman.h>

#ifndef MADV_SOFT_OFFLINE // not in every libc
#define MADV_SOFT_OFFLINE 101
#endif

namespace shim {

namespace {

struct Range {
    uint64_t begin, end;
};

// False: nothing of ours is in it, or the kernel will find it wrong.
bool range_of(const Request &request, Range *range) {
    auto length = static_cast<uint64_t>(request.args[1]);
    range->begin = static_cast<uint64_t>(request.args[0]);
    range->end = range->begin + round_up_to_page(length);
    return range->begin % page_bytes == 0 && range->end > range->begin && mapping_may_overlap(range->begin, length);
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

long flush(ThreadContext &context, const Range &range) {
    long result = 0;
    Part part;
    for (uint64_t at = range.begin; next_shared_part(at, range.end, &part); at = part.end) {
        base::Result<pmemfile::Thread *> thread = context_thread(context, part.file.mount);
        base::Status done = thread.ok()
                                ? pmemfile::fs_map_sync(**thread, part.file.inode, part.offset_bytes, part.length_bytes)
                                : base::Status(thread.error());
        if (!done.ok())
            result = -done.error().number();
        MappingLock lock;
        pinned_file_drop(lock, part.file_index);
    }
    mapping_release_ended(context);
    return result;
}

} // namespace

long serve_msync(Request &request) {
    Range range;
    auto flags = static_cast<int>(request.args[2]);
    if (!range_of(request, &range))
        return pass_to_kernel;
    bool all_ours = false;
    {
        MappingLock lock;
        if (!mapping_overlaps(lock, range.begin, range.end))
            return pass_to_kernel;
        all_ours = is_covered(lock, range);
    }
    // All of it ours: MS_ASYNC has the kernel check, and not write the pool's file back as a whole.
    bool asks_sync = (flags & MS_SYNC) != 0;
    int checked = all_ours && asks_sync && (flags & MS_ASYNC) == 0 ? (flags & ~MS_SYNC) | MS_ASYNC : flags;
    long result = base::raw_syscall(SYS_msync, request.args[0], request.args[1], checked);
    // ENOMEM: a gap; what is mapped has been written nevertheless.
    if (asks_sync && (result == 0 || result == -ENOMEM)) {
        long flushed = flush(request.context, range);
        return flushed != 0 ? flushed : result;
    }
    return result;
}

long serve_madvise(Request &request) {
    Range range;
    if (!range_of(request, &range))
        return pass_to_kernel;
    auto advice = static_cast<int>(request.args[2]);
    switch (advice) {
    case MADV_REMOVE:
    case MADV_HWPOISON:
    case MADV_SOFT_OFFLINE:
    case MADV_DONTFORK:
    case MADV_DOFORK:
        break;
    default:
        return pass_to_kernel;
    }
    MappingLock lock;
    if (!mapping_overlaps(lock, range.begin, range.end))
        return pass_to_kernel;
    if (advice == MADV_REMOVE)
        return -EOPNOTSUPP; // the kernel would punch the hole into the pool
    if (advice == MADV_HWPOISON || advice == MADV_SOFT_OFFLINE)
        return -EPERM; // the same page holds other files' bytes for other processes
    if (!mapping_table_reserve(lock, 2))
        return -ENOMEM;
    long result = base::raw_syscall(SYS_madvise, request.args[0], request.args[1], request.args[2]);
    if (result == 0)
        mapping_change(lock, range.begin, range.end,
                       [&](Mapping &entry) { entry.not_in_child = advice == MADV_DONTFORK; });
    return result;
}

// The kernel would take the page number as one of the pool.
long serve_remap_file_pages(Request &request) {
    Range range;
    if (!range_of(request, &range))
        return pass_to_kernel;
    MappingLock lock;
    return mapping_overlaps(lock, range.begin, range.end) ? -EINVAL : pass_to_kernel;
}

} // namespace shim
