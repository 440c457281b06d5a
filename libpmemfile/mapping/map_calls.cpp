// mmap, munmap, mprotect: on a file of ours, and on addresses that show one.
//
//   mmap   check ─► pin the file ─► reserve the addresses ─► stitch ─► entries
//                                        │ MAP_FIXED: what was there leaves the table
//   other mmap with MAP_FIXED, munmap ─► the kernel, then the table, under one lock: between
//          the two another thread's mmap could get the same addresses
//
// The order of checks is that of the kernel's do_mmap.
#include "libpmemfile/mapping/map_calls.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/mapping_calls.h"
#include "libpmemfile/fs/open_inode.h"
#include "libpmemfile/mapping/stitch.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/mman.h>

namespace pmemfile {

using base::error;
using base::Result;
using base::Status;
namespace {

constexpr int map_type_mask = 0x0f;

// Flags that MAP_SHARED_VALIDATE knows; the kernel's LEGACY_MAP_MASK. MAP_SYNC is not served: the pool's
// own mapping has it where the medium needs it, the application's durability is msync.
constexpr int validated_flags = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |
                                MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |
                                MAP_HUGETLB | MAP_32BIT | 0x4000000 /* MAP_UNINITIALIZED */ |
                                0x200000 /* MAP_ABOVE4G */;

bool is_shared(const MapArguments &map) {
    return (map.flags & map_type_mask) != MAP_PRIVATE;
}

bool is_fixed(const MapArguments &map) {
    return (map.flags & MAP_FIXED) != 0 && (map.flags & MAP_FIXED_NOREPLACE) == 0;
}

// MAP_FIXED_NOREPLACE where something is? (That it still is not is seen by map_pinned.)
bool is_taken(const MapArguments &map, uint64_t length_bytes) {
    if ((map.flags & MAP_FIXED_NOREPLACE) == 0)
        return false;
    const long free = reserve_addresses(map.address, length_bytes, map.flags);
    if (!base::is_error(free))
        base::raw_syscall(SYS_munmap, free, static_cast<long>(length_bytes));
    return free == -EEXIST;
}

Status check(const MapArguments &map, int open_flags, uint32_t mode) {
    if ((map.flags & MAP_HUGETLB) != 0 || map.length_bytes == 0)
        return error(EINVAL);
    uint64_t length = round_up_to_page(map.length_bytes);
    if (length == 0)
        return error(ENOMEM);
    if (map.offset_bytes > INT64_MAX || length > INT64_MAX - map.offset_bytes)
        return error(length >> 47 != 0 ? ENOMEM : EOVERFLOW);
    if (is_taken(map, length))
        return error(EEXIST);
    int access = open_flags & O_ACCMODE;
    switch (map.flags & map_type_mask) {
    case MAP_SHARED_VALIDATE:
        if ((map.flags & ~validated_flags) != 0)
            return error(EOPNOTSUPP);
        [[fallthrough]];
    case MAP_SHARED:
        if ((map.protection & PROT_WRITE) != 0 && access != O_RDWR && access != O_WRONLY)
            return error(EACCES);
        break;
    case MAP_PRIVATE:
        break;
    default:
        return error(EINVAL);
    }
    if (access != O_RDONLY && access != O_RDWR)
        return error(EACCES);
    if ((mode & 0170000) != 0100000)
        return error(ENODEV);
    return (map.flags & MAP_GROWSDOWN) != 0 ? error(EINVAL) : Status{};
}

// Pins the file and makes its blocks exist as far as the mapping needs them.
Result<uint32_t> begin(Thread &thread, InodeHandle inode, const MapArguments &map) {
    uint64_t first = map.offset_bytes / page_bytes;
    uint64_t count = round_up_to_page(map.length_bytes) / page_bytes;
    if (!is_shared(map))
        return fs_map_begin(thread, inode.number, first, count, false, false, inode.generation);
    // Also when it is only read: writers must store in place, or it would go on showing old blocks;
    // and mprotect may come.
    Result<uint32_t> pin = fs_map_begin(thread, inode.number, first, count, true, true, inode.generation);
    if (!pin.ok() && pin.error().number() == ENOSPC) // a touch of a hole will be SIGBUS, as on a full tmpfs
        pin = fs_map_begin(thread, inode.number, first, 0, true, true, inode.generation);
    return pin;
}

long map_pinned(const MappingLock &lock, Thread &thread, const MapArguments &map, uint32_t file, bool may_write)
    BASE_REQUIRES(mapping_lock) {
    uint64_t length = round_up_to_page(map.length_bytes);
    if (!mapping_table_reserve(lock, 3))
        return -ENOMEM;
    long address = reserve_addresses(map.address, length, map.flags);
    if (base::is_error(address))
        return address;
    Mapping what;
    what.address = static_cast<uint64_t>(address);
    what.length_bytes = length;
    what.first_block = map.offset_bytes / page_bytes;
    what.pin = file;
    what.protection = map.protection;
    what.shared = is_shared(map);
    what.may_write = may_write;
    if (is_fixed(map))
        mapping_remove(lock, what.address, what.end());
    if (long stitched = stitch(lock, thread, what, map.flags & piece_flags); stitched != 0) {
        stitch_undo(lock, what.address, what.end());
        return stitched;
    }
    return address;
}

long map_ours(const FileToMap &what, const MapArguments &map) {
    Thread &thread = what.thread;
    Result<OpenFile *> file = open_file_get(thread, what.id);
    if (!file.ok())
        return -file.error().number();
    auto open_flags = static_cast<int>((*file)->flags.load());
    if ((open_flags & O_PATH) != 0)
        return -EBADF;
    const InodeNumber parent = (*file)->parent.load();
    const Result<InodeHandle> inode = open_inode(thread, **file, what.id);
    if (!inode.ok())
        return -inode.error().number();
    const Result<Attributes> attributes = of_open(fs_attributes(thread, *inode));
    if (!attributes.ok())
        return -attributes.error().number();
    if (Status checked = check(map, open_flags, attributes->mode); !checked.ok())
        return -checked.error().number();
    const Result<uint32_t> pin = of_open(begin(thread, *inode, map));
    if (!pin.ok())
        return -pin.error().number();
    long result = 0;
    bool spare = false;
    {
        MappingLock lock;
        Result<uint32_t> held = pinned_file_hold(lock, what.pool_key, inode->number, *pin, is_shared(map), &spare);
        if (held.ok()) {
            pinned_file(lock, *held).parent = parent;
            bool may_write = !is_shared(map) || (open_flags & O_ACCMODE) == O_RDWR;
            result = map_pinned(lock, thread, map, *held, may_write);
            pinned_file_drop(lock, *held);
        } else {
            result = -held.error().number();
            spare = true;
        }
    }
    if (spare)
        fs_map_end(thread, *pin);
    return result;
}

// A mapping of something else: only what it replaces can be ours.
long map_other(const MapArguments &map) {
    if (!is_fixed(map) || !mapping_may_overlap(map.address, map.length_bytes))
        return mapping_is_the_kernels;
    MappingLock lock;
    uint64_t end = map.address + round_up_to_page(map.length_bytes);
    if (end < map.address || !mapping_overlaps(lock, map.address, end))
        return mapping_is_the_kernels;
    if (!mapping_table_reserve(lock, 2))
        return -ENOMEM;
    long result = base::raw_syscall(SYS_mmap, static_cast<long>(map.address), static_cast<long>(map.length_bytes),
                                    map.protection, map.flags, map.descriptor, static_cast<long>(map.offset_bytes));
    if (!base::is_error(result))
        mapping_remove(lock, map.address, end);
    return result;
}

} // namespace

long mapping_map(const MappingCaller &caller, const MapArguments &map, const FileToMap *file) {
    if (map.offset_bytes % page_bytes != 0)
        return -EINVAL;
    long result = file != nullptr ? map_ours(*file, map) : map_other(map);
    mapping_release_ended(caller);
    return result;
}

long mapping_unmap(const MappingCaller &caller, uint64_t begin, uint64_t length_bytes) {
    uint64_t end = begin + round_up_to_page(length_bytes);
    if (begin % page_bytes != 0 || end <= begin || !mapping_may_overlap(begin, length_bytes))
        return mapping_is_the_kernels;
    long result;
    {
        MappingLock lock;
        if (!mapping_overlaps(lock, begin, end))
            return mapping_is_the_kernels;
        if (!mapping_table_reserve(lock, 2))
            return -ENOMEM;
        result = base::raw_syscall(SYS_munmap, static_cast<long>(begin), static_cast<long>(length_bytes));
        if (result == 0)
            mapping_remove(lock, begin, end);
    }
    mapping_release_ended(caller);
    return result;
}

// Piece by piece, as the kernel does it: what comes before a gap, or before a file that may not be written to, has
// changed. (The kernel's mapping is of the pool, which is open for writing: that the file's descriptor was not, only we
// know.)
long mapping_protect(uint64_t begin, uint64_t length_bytes, int protection, int key) {
    const uint64_t end = begin + round_up_to_page(length_bytes);
    if (begin % page_bytes != 0 || end <= begin || !mapping_may_overlap(begin, length_bytes))
        return mapping_is_the_kernels;
    MappingLock lock;
    if (!mapping_overlaps(lock, begin, end))
        return mapping_is_the_kernels;
    for (uint64_t at = begin, piece_end = 0; at < end; at = piece_end) {
        const Mapping *entry = mapping_find(lock, at);
        const bool is_ours = entry != nullptr && entry->address <= at;
        piece_end = entry == nullptr ? end : std::min(end, is_ours ? entry->end() : entry->address);
        if (is_ours && (protection & PROT_WRITE) != 0 && !entry->may_write)
            return -EACCES;
        if (!mapping_table_reserve(lock, 2))
            return -ENOMEM;
        const auto address = static_cast<long>(at), length = static_cast<long>(piece_end - at);
        const long result = key == no_key ? base::raw_syscall(SYS_mprotect, address, length, protection)
                                          : base::raw_syscall(SYS_pkey_mprotect, address, length, protection, key);
        if (result != 0)
            return result;
        if (is_ours)
            mapping_change(lock, at, piece_end, [&](Mapping &changed) { changed.protection = protection & 7; });
    }
    return 0;
}

} // namespace pmemfile
