// fallocate: blocks for holes, holes for blocks, zeros for bytes.
//
//            ▼ from                    ▼ to
//              [oooo|oooo|....|oooo|oooo]
//   PUNCH_HOLE [oo00|    |    |    |0ooo]    ends: zeroed by the record; between: freed
//   ZERO_RANGE [oo00|0000|0000|0000|0ooo]    holes are filled first (all or none), then bytes are zeroed where they are
//   mode 0     [oooo|oooo|0000|oooo|oooo]
//
// So what needs room comes before what changes a byte: a call that says ENOSPC has changed none.
#include "libpmemfile/file/allocate_mode.h"
#include "libpmemfile/file/data.h"

#include "libpmemfile/file/data_share.h"
#include "libpmemfile/file/hole_fill.h"
#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/runtime/mapping_pin.h"

#include <algorithm>
#include <fcntl.h>

namespace pmemfile {
namespace {

// What one record zeroes at home: as much as one step of a write.
constexpr uint64_t zero_step_bytes = uint64_t{1} << 20;
constexpr size_t zero_room_bytes = 512; // in the record, for the inode's changes

// Zeroes the part of block `index` that lies in [from, to), by the record.
void zero_in_block(Call &call, const Inode &inode, uint64_t index, uint64_t from, uint64_t to) {
    const uint64_t begin = std::max(from, index * block_size_bytes);
    const uint64_t end = std::min(to, (index + 1) * block_size_bytes);
    const BlockNumber block = map_lookup(call.pool(), inode, index, 1).block;
    if (block != 0 && begin < end)
        call.zero(block * block_size_bytes + begin % block_size_bytes, end - begin);
}

// Zeroes all that has blocks in [from, to), at once and durably: for files under a shared mapping.
base::Status zero_blocks_directly(Call &call, const Inode &inode, uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to;) {
        const uint64_t index = at / block_size_bytes;
        const MappedRun run = map_lookup(call.pool(), inode, index, blocks_of(to) - index);
        const uint64_t end = std::min(to, (index + run.count) * block_size_bytes);
        if (run.block != 0)
            BASE_TRY(data_zero_directly(call, run.block * block_size_bytes + at % block_size_bytes, end - at));
        at = end;
    }
    return {};
}

// The same by records, each atomic.
base::Status zero_by_records(Call &call, InodeNumber number, uint64_t from, uint64_t to) {
    uint64_t zeroed_bytes = 0;
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    touch(call.thread(), inode);
    for (uint64_t at = from; at < to;) {
        const uint64_t index = at / block_size_bytes;
        const MappedRun run = map_lookup(call.pool(), inode, index, blocks_of(to) - index);
        uint64_t end = std::min(to, (index + run.count) * block_size_bytes);
        if (run.block != 0) {
            end = std::min(end, at + zero_step_bytes - zeroed_bytes);
            call.zero(run.block * block_size_bytes + at % block_size_bytes, end - at);
            zeroed_bytes += end - at;
        }
        at = end;
        if (at < to && zeroed_bytes < zero_step_bytes && call.room_bytes() >= zero_room_bytes)
            continue;
        store_changes(call, number, inode);
        if (!call.empty())
            BASE_TRY(call.commit());
        zeroed_bytes = 0;
    }
    return {};
}

// Bytes [from, to) read as zeros; whole blocks among them become holes. The call holds the lock.
base::Status make_hole(Call &call, InodeNumber number, uint64_t from, uint64_t to) {
    BASE_TRY(data_unshare_cut_block(call, number, from));
    BASE_TRY(data_unshare_cut_block(call, number, to));
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    touch(call.thread(), inode);
    if (inode.flags & inode_inline) {
        if (from < inline_max_bytes)
            std::memset(inode.content.bytes + from, 0, std::min<uint64_t>(to, inline_max_bytes) - from);
        store_changes(call, number, inode);
        return call.commit();
    }
    if (is_mapped_writable(call.thread(), number)) {
        store_changes(call, number, inode);
        BASE_TRY(call.commit());
        return zero_blocks_directly(call, inode, from, to);
    }
    // Only private mappings: writes go on in records, and one that is applied again must not undo the zeros. A mapping
    // of a file that shares blocks need not see the change.
    if (is_mapped(call.thread(), number) && (inode.flags & inode_may_share) == 0)
        return zero_by_records(call, number, from, to);
    uint64_t first = blocks_of(from);
    const uint64_t end = to / block_size_bytes;
    if (from % block_size_bytes != 0)
        zero_in_block(call, inode, from / block_size_bytes, from, to);
    if (to % block_size_bytes != 0 && (end >= first || from % block_size_bytes == 0))
        zero_in_block(call, inode, end, from, to);
    for (;;) {
        if (first < end) {
            BASE_TRY_ASSIGN(first, map_clear_step(call, inode, first, end));
        }
        store_changes(call, number, inode);
        BASE_TRY(call.commit());
        if (first >= end)
            return {};
        BASE_TRY_ASSIGN(inode, load_inode(call, number));
    }
}

// Bytes [from, to) of a file without holes there, but for what `filled` has put in, which is zeros already.
base::Status zero_range(Call &call, InodeNumber number, const HoleFill &filled, uint64_t from, uint64_t to) {
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    const bool directly = is_mapped_writable(call.thread(), number);
    if (directly) {
        touch(call.thread(), inode);
        store_changes(call, number, inode);
        BASE_TRY(call.commit());
    }
    for (size_t i = 0; from < to; ++i) {
        const uint64_t end = i < filled.count() ? std::min(to, filled[i].first * block_size_bytes) : to;
        if (from < end)
            BASE_TRY(directly ? zero_blocks_directly(call, inode, from, end)
                              : zero_by_records(call, number, from, end));
        from = i < filled.count() ? std::max(end, filled[i].end * block_size_bytes) : to;
    }
    return {};
}

// COLLAPSE_RANGE and INSERT_RANGE, with the errors of ext4.
base::Status shift_range(Thread &thread, InodeNumber number, int mode, uint64_t offset, uint64_t length,
                         uint32_t generation) {
    const bool is_collapse = mode == FALLOC_FL_COLLAPSE_RANGE;
    if (length == 0 || offset % block_size_bytes != 0 || length % block_size_bytes != 0)
        return base::error(EINVAL);
    Call call(thread);
    BASE_TRY(call.lock({number}));
    if (is_other_use(call.pool().inode(number), generation))
        return base::error(ESTALE);
    BASE_TRY(data_prepare_change(call, number));
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    if (!is_collapse && (length > file_max_bytes || inode.size_bytes > file_max_bytes - length))
        return base::error(EFBIG);
    if (offset >= inode.size_bytes || (is_collapse && length >= inode.size_bytes - offset))
        return base::error(EINVAL);
    BASE_TRY(move_inline_and_commit(call, number));
    return data_shift_range(call, number, is_collapse, offset, length);
}

} // namespace

base::Status data_allocate(Thread &thread, InodeNumber number, int mode, uint64_t offset_bytes, uint64_t length_bytes,
                           uint32_t generation) {
    const bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
    const int kind = mode & ~FALLOC_FL_KEEP_SIZE;
    BASE_TRY(allocate_mode_check(mode));
    if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) != 0)
        return shift_range(thread, number, mode, offset_bytes, length_bytes, generation);
    if (length_bytes == 0)
        return base::error(EINVAL);
    if (offset_bytes > file_max_bytes || length_bytes > file_max_bytes - offset_bytes)
        return base::error(EFBIG);
    const uint64_t end = offset_bytes + length_bytes;
    const BlockRange range{offset_bytes / block_size_bytes, blocks_of(end)};
    Call call(thread);
    BASE_TRY(call.lock({number}));
    if (is_other_use(call.pool().inode(number), generation))
        return base::error(ESTALE);
    BASE_TRY(data_prepare_change(call, number));
    if (kind == FALLOC_FL_PUNCH_HOLE)
        return make_hole(call, number, offset_bytes, end);
    // Blocks that other files have too are not zeroed in place; the copies read the same.
    if (kind != 0)
        BASE_TRY(data_unshare(call, number, range.first, range.end));
    HoleFill filled(call, number);
    BASE_TRY(filled.fill(range));
    if (kind == FALLOC_FL_ZERO_RANGE)
        BASE_TRY(zero_range(call, number, filled, offset_bytes, end));
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    inode.ctime_ns = coarse_now_ns();
    if (kind == FALLOC_FL_ZERO_RANGE)
        inode.mtime_ns = inode.ctime_ns;
    drop_set_id(thread, inode);
    if (!keeps_size && end > inode.size_bytes)
        return data_grow(call, number, inode, end);
    store_changes(call, number, inode);
    return call.empty() ? base::Status{} : call.commit();
}

base::Status data_materialise(Thread &thread, InodeNumber number, uint64_t first_block, uint64_t block_count) {
    Call call(thread);
    BASE_TRY(call.lock({number}));
    BASE_TRY(data_prepare_change(call, number));
    BASE_TRY_ASSIGN(Inode inode, load_inode(call, number));
    const uint64_t file_blocks = blocks_of(inode.size_bytes);
    HoleFill filled(call, number);
    if (first_block >= file_blocks) // the inline content moves out all the same
        return filled.fill({0, 0});
    return filled.fill({first_block, first_block + std::min(block_count, file_blocks - first_block)});
}

} // namespace pmemfile
