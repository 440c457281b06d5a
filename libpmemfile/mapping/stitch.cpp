// A file's blocks lie anywhere in the pool; its mapping must show them in order.
//
//   file      | 0 | 1 | 2 | hole | 4 | end of file
//   pool      | 17 18 19 |  |  9 |
//   kernel    mmap(pool, 17, 3 pages) (private: zeros) mmap(pool, 9) mmap(pool, far beyond its end) ...
//
// Pages beyond the file's end show the pool file beyond its own end: a touch is
// SIGBUS, without a descriptor of an empty file that other threads could see. Runs
// that continue each other in the pool become one piece (vm.max_map_count).
#include "libpmemfile/mapping/stitch.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/mapping_calls.h"

#include <algorithm>
#include <cstring>

namespace pmemfile {

using base::Result;
using base::Status;

namespace {

// An offset behind the end of the pool file: far behind that of most, should somebody make it longer, and what every
// filesystem allows (ext4's files have 16 TiB).
uint64_t beyond_the_pool(const Pool &pool) {
    constexpr uint64_t far = uint64_t{1} << 42;
    return std::max(far, round_up_to_page(pool.persist.size_bytes()));
}

enum class Piece : uint8_t { blocks, zeros, absent };

struct Run {
    Piece piece = Piece::absent;
    uint64_t block = 0;
    uint64_t count = 0;
};

// A device-dax can only be mapped shared. A private mapping need not show later writes: a copy will do.
long copy_piece(const Pool &pool, const Mapping &at, const Run &run, int flags) {
    const auto address = static_cast<long>(at.address), length = static_cast<long>(at.length_bytes);
    const long mapped = base::raw_syscall(SYS_mmap, address, length, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
    if (base::is_error(mapped))
        return mapped;
    std::memcpy(reinterpret_cast<void *>(mapped), pool.block(run.block), at.length_bytes);
    const long protected_as = base::raw_syscall(SYS_mprotect, address, length, at.protection);
    return base::is_error(protected_as) ? protected_as : mapped;
}

long map_kind(const Pool &pool, const Mapping &at, const Run &run, int flags) {
    auto address = static_cast<long>(at.address);
    auto length = static_cast<long>(at.length_bytes);
    switch (run.piece) {
    case Piece::blocks:
        if (pool.is_device && !at.shared)
            return copy_piece(pool, at, run, flags);
        return base::raw_syscall(SYS_mmap, address, length, at.protection,
                                 (at.shared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | flags, pool.pool_descriptor,
                                 static_cast<long>(run.block * page_bytes));
    case Piece::zeros:
        return base::raw_syscall(SYS_mmap, address, length, at.protection,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
    case Piece::absent:
        // Shared whatever the application asked for: no memory is promised for it. Not populated.
        return base::raw_syscall(SYS_mmap, address, length, at.protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
                                 pool.pool_descriptor, static_cast<long>(beyond_the_pool(pool)));
    }
    return -EINVAL;
}

// The kernel's mapping of one piece; the address or -errno.
long map_piece(const Pool &pool, const Mapping &at, const Run &run, int flags) {
    const long mapped = map_kind(pool, at, run, flags);
    if (!base::is_error(mapped) && at.not_in_child)
        keep_from_child(at);
    return mapped;
}

Result<Run> next_run(Thread &thread, InodeNumber inode, bool shared, uint64_t index, uint64_t limit, uint64_t blocks) {
    if (index >= blocks)
        return Run{Piece::absent, 0, limit};
    limit = std::min(limit, blocks - index);
    BASE_TRY_ASSIGN(MappedRun found, fs_map_run(thread, inode, index, limit));
    uint64_t count = std::clamp<uint64_t>(found.count, 1, limit);
    if (found.block != 0)
        return Run{Piece::blocks, found.block, count};
    // A shared hole shows nothing rather than zeros that nobody else would see change; but where the pool may only be
    // read nobody here could fill it, and what may be read of the file is not SIGBUS.
    return Run{shared && !thread.pool->read_only ? Piece::absent : Piece::zeros, 0, count};
}

bool run_continues(const Run &a, const Run &b) {
    return a.piece == b.piece && (a.piece != Piece::blocks || a.block + a.count == b.block);
}

} // namespace

long stitch(const MappingLock &lock, Thread &thread, const Mapping &what, int flags) {
    InodeNumber inode = pinned_file(lock, what.pin).inode;
    Result<uint64_t> blocks = file_blocks(thread, inode);
    if (!blocks.ok())
        return -blocks.error().number();
    uint64_t end = what.block_at(what.end());
    Mapping at = what;
    Run gathered;
    for (uint64_t index = what.first_block;;) {
        Run run;
        if (index < end) {
            Result<Run> next = next_run(thread, inode, what.shared, index, end - index, *blocks);
            if (!next.ok())
                return -next.error().number();
            run = *next;
            index += run.count;
            if (gathered.count == 0 || run_continues(gathered, run)) {
                uint64_t count = gathered.count + run.count;
                gathered = gathered.count == 0 ? run : gathered;
                gathered.count = count;
                continue;
            }
        }
        at.length_bytes = gathered.count * page_bytes;
        at.absent = gathered.piece == Piece::absent;
        if (!mapping_table_reserve(lock, 3)) // one, and two for stitch_undo
            return -ENOMEM;
        long mapped = map_piece(*thread.pool, at, gathered, flags);
        if (base::is_error(mapped))
            return mapped;
        mapping_insert(lock, at);
        at.first_block += gathered.count;
        at.address = at.end();
        if (run.count == 0)
            return 0;
        gathered = run;
    }
}

void stitch_undo(const MappingLock &lock, uint64_t begin, uint64_t end) {
    base::raw_syscall(SYS_munmap, static_cast<long>(begin), static_cast<long>(end - begin));
    mapping_remove(lock, begin, end);
}

long stitch_absent(const MappingLock &lock, Thread &thread, const Mapping &what) {
    long mapped = map_piece(*thread.pool, what, Run{}, 0);
    if (base::is_error(mapped))
        return mapped;
    BoundsHold hold(lock);
    mapping_remove(lock, what.address, what.end());
    Mapping absent = what;
    absent.absent = true;
    mapping_insert(lock, absent);
    return 0;
}

void keep_from_child(const Mapping &what) {
    base::raw_syscall(SYS_madvise, static_cast<long>(what.address), static_cast<long>(what.length_bytes),
                      MADV_DONTFORK);
}

long reserve_addresses(uint64_t hint, uint64_t length_bytes, int flags) {
    return base::raw_syscall(
        SYS_mmap, static_cast<long>(hint), static_cast<long>(length_bytes), PROT_NONE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)), -1, 0);
}

Status fill_holes_of(Thread &thread, InodeNumber inode, uint64_t first_block, uint64_t block_count) {
    Result<uint32_t> pin = fs_map_begin(thread, inode, first_block, block_count, true, true);
    if (!pin.ok())
        return pin.error().number() == ENOSPC ? Status{} : pin.error();
    fs_map_end(thread, *pin);
    return {};
}

Result<uint64_t> file_blocks(Thread &thread, InodeNumber inode) {
    BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, inode));
    return round_up_to_page(attributes.size_bytes) / page_bytes;
}

} // namespace pmemfile
