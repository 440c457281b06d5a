// The idea: a copy is a write whose buffers are the source's own blocks. Both inodes are
// locked, so that the blocks stay where they are; each step is one of data_write's, as atomic as those.
//
//   source   [..ss|ssss|    |ss..]
//              └──┬───┘└hole┘└┬┘
//   buffers     {  , zeros, }  ──► data_write_step ──► target
//
// Whole blocks that lie alike in both files are not copied but shared (data_clone.cpp), as on file systems of
// Linux that can; and a clone of what cannot be shared is a copy.
//
// The buffers are gathered anew for each step: where source and target are one file, a step may have
// moved blocks that the next one reads.
#include "libpmemfile/file/data_share.h"
#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/file/user_cursor.h"
#include "libpmemfile/runtime/mapping_pin.h"

#include <cstring>

namespace pmemfile {
namespace {

// More than what is promised to be one step has, however scattered it is.
constexpr unsigned max_pieces = 32;
static_assert(max_pieces > atomic_write_bytes / block_size_bytes + 1);

struct Source {
    struct iovec pieces[max_pieces];
    unsigned count = 0;
    uint64_t total_bytes = 0;
    std::byte inline_content[inline_max_bytes]; // the step may move it out of the inode
};

// [offset, offset + size) of the file, or as much of it as the pieces hold.
base::Status gather(const Pool &pool, const Inode &inode, uint64_t offset, uint64_t size, Source &source) {
    if (inode.flags & inode_inline) {
        if (offset + size > inline_max_bytes)
            return base::error(EUCLEAN);
        std::memcpy(source.inline_content, inode.content.bytes, inline_max_bytes);
        source.pieces[source.count++] = {source.inline_content + offset, size};
        source.total_bytes = size;
        return {};
    }
    while (size > 0 && source.count < max_pieces) {
        const uint64_t index = offset / block_size_bytes;
        const uint64_t in_block = offset % block_size_bytes;
        const MappedRun run = map_lookup(pool, inode, index, (in_block + size - 1) / block_size_bytes + 1);
        uint64_t piece = std::min(size, run.count * block_size_bytes - in_block);
        const std::byte *from = zero_block;
        if (run.block == 0)
            piece = std::min(piece, block_size_bytes);
        else
            from = pool.block(run.block) + in_block;
        source.pieces[source.count++] = {const_cast<std::byte *>(from), piece};
        source.total_bytes += piece;
        offset += piece;
        size -= piece;
    }
    return {};
}

// Of both files, what a copy or a clone is about. In bytes.
struct CopyRange {
    InodeNumber from;
    uint64_t from_offset;
    InodeNumber to;
    uint64_t to_offset;
    uint64_t size;
};

// One step of copying bytes.
base::Result<size_t> copy_step(Call &call, const CopyRange &range, uint64_t done, uint64_t size) {
    const Inode *source = call.pool().inode(range.from);
    if (source == nullptr)
        return base::error(EUCLEAN);
    Source step;
    BASE_TRY(gather(call.pool(), *source, range.from_offset + done, size, step));
    UserCursor cursor({step.pieces, step.count});
    return data_write_step(call, range.to, cursor, range.to_offset + done, step.total_bytes);
}

// Could blocks be shared? The target's mappings must see what comes, so its blocks stay.
bool may_share(Call &call, const CopyRange &range) {
    const Inode *source = call.pool().inode(range.from);
    return has_share_counts(call.pool()) && source != nullptr && (source->flags & inode_inline) == 0 &&
           !is_mapped(call.thread(), range.to);
}

// Shares as many whole blocks as there are from `done` on. Returns bytes; 0: none.
base::Result<size_t> share_step(Call &call, const CopyRange &range, uint64_t done) {
    const uint64_t from = range.from_offset + done;
    const uint64_t to = range.to_offset + done;
    const uint64_t count = (range.size - done) / block_size_bytes;
    if (from % block_size_bytes != 0 || to % block_size_bytes != 0 || count == 0)
        return size_t{0};
    BASE_TRY(move_inline_and_commit(call, range.to));
    BASE_TRY_ASSIGN(
        uint64_t blocks,
        clone_blocks(call, {range.from, from / block_size_bytes, range.to, to / block_size_bytes, count}, false));
    return size_t{blocks * block_size_bytes};
}

base::Result<size_t> copy_all(Call &call, const CopyRange &range) {
    const bool shares =
        may_share(call, range) && range.from_offset % block_size_bytes == range.to_offset % block_size_bytes;
    for (uint64_t done = 0; done < range.size;) {
        base::Result<size_t> moved = shares ? share_step(call, range, done) : size_t{0};
        if (moved.ok() && *moved == 0) {
            // Up to where whole blocks begin, if some do.
            const uint64_t to_boundary = block_size_bytes - (range.to_offset + done) % block_size_bytes;
            const uint64_t left = range.size - done;
            moved = copy_step(call, range, done, shares ? std::min(left, to_boundary) : left);
        }
        if (!moved.ok())
            return done != 0 ? base::Result<size_t>(done) : moved;
        done += *moved;
    }
    return size_t{range.size};
}

bool overlap(const CopyRange &range) {
    return range.from == range.to && range.to_offset < range.from_offset + range.size &&
           range.from_offset < range.to_offset + range.size;
}

// What FICLONERANGE(2const) says of the range, in the order of Linux's generic_remap_file_range_prep; fills in what
// it leaves open.
base::Status check_clone(const Inode &source, const Inode &target, CopyRange &range, uint64_t size_limit) {
    if (range.size == 0) {
        if (range.from_offset > source.size_bytes)
            return base::error(EINVAL);
        range.size = source.size_bytes - range.from_offset;
        if (range.size == 0)
            return {};
    }
    uint64_t end = 0;
    if (range.from_offset % block_size_bytes != 0 || range.to_offset % block_size_bytes != 0 ||
        __builtin_add_overflow(range.from_offset, range.size, &end) || end > source.size_bytes ||
        __builtin_add_overflow(range.to_offset, range.size, &end))
        return base::error(EINVAL);
    const uint64_t limit = std::min(size_limit, file_max_bytes);
    if (range.to_offset >= limit)
        return base::error(EFBIG);
    if (end > limit)
        return base::error(EINVAL);
    // Only the end of the source may be no whole block, and only if nothing of the target is behind it.
    const bool is_cut = range.size % block_size_bytes != 0;
    if (is_cut && (range.from_offset + range.size != source.size_bytes || end < target.size_bytes))
        return base::error(EINVAL);
    CopyRange blocks = range;
    blocks.size = (range.size + block_size_bytes - 1) / block_size_bytes * block_size_bytes;
    return overlap(blocks) ? base::error(EINVAL) : base::Status{};
}

// The steps at the end of a file are undone if they do not all succeed.
base::Status clone_at_end(Call &call, const CloneRange &range) {
    const base::Result<uint64_t> done = clone_blocks(call, range, true);
    if (done.ok())
        return {};
    call.unlock();
    BASE_TRY(call.lock({range.to}));
    BASE_TRY(data_finish_truncate(call, range.to));
    return done.error();
}

} // namespace

base::Status data_clone(Thread &thread, InodeNumber from, uint64_t from_offset_bytes, InodeNumber to,
                        uint64_t to_offset_bytes, uint64_t size_bytes, uint64_t size_limit_bytes,
                        uint32_t from_generation, uint32_t to_generation) {
    Call call(thread);
    BASE_TRY(call.lock({from, to}));
    if (is_other_use(call.pool().inode(from), from_generation) || is_other_use(call.pool().inode(to), to_generation))
        return base::error(ESTALE);
    if (!has_share_counts(call.pool()))
        return base::error(EOPNOTSUPP);
    const Inode *source = call.pool().inode(from);
    const Inode *target = call.pool().inode(to);
    if (source == nullptr || target == nullptr)
        return base::error(EUCLEAN);
    CopyRange range{from, from_offset_bytes, to, to_offset_bytes, size_bytes};
    BASE_TRY(check_clone(*source, *target, range, size_limit_bytes));
    if (range.size == 0)
        return {};
    BASE_TRY(data_prepare_change(call, from));
    BASE_TRY(data_prepare_change(call, to));
    if (!may_share(call, range)) {
        BASE_TRY_ASSIGN(size_t copied, copy_all(call, range));
        return copied == range.size ? base::Status{} : base::error(ENOSPC);
    }
    BASE_TRY(move_inline_and_commit(call, to));
    const uint64_t count = (range.size + block_size_bytes - 1) / block_size_bytes;
    const CloneRange blocks{from,  from_offset_bytes / block_size_bytes,       to, to_offset_bytes / block_size_bytes,
                            count, range.size - (count - 1) * block_size_bytes};
    if (to_offset_bytes >= target->size_bytes)
        return clone_at_end(call, blocks);
    BASE_TRY_ASSIGN(uint64_t done, clone_blocks(call, blocks, false));
    return done == count ? base::Status{} : base::error(ENOSPC);
}

base::Result<size_t> data_copy(Thread &thread, InodeNumber from, uint64_t from_offset_bytes, InodeNumber to,
                               uint64_t to_offset_bytes, uint64_t size_bytes, uint64_t size_limit_bytes,
                               uint32_t from_generation, uint32_t to_generation) {
    Call call(thread);
    BASE_TRY(call.lock({from, to}));
    if (is_other_use(call.pool().inode(from), from_generation) || is_other_use(call.pool().inode(to), to_generation))
        return base::error(ESTALE);
    BASE_TRY(data_prepare_change(call, from));
    BASE_TRY(data_prepare_change(call, to));
    const Inode *source = call.pool().inode(from);
    if (source == nullptr || call.pool().inode(to) == nullptr)
        return base::error(EUCLEAN);
    const uint64_t limit = std::min(size_limit_bytes, file_max_bytes);
    if (to_offset_bytes >= limit) // also where there is nothing to copy, as on Linux
        return base::error(EFBIG);
    if (size_bytes == 0 || from_offset_bytes >= source->size_bytes)
        return size_t{0};
    const CopyRange range{from, from_offset_bytes, to, to_offset_bytes,
                          std::min({size_bytes, source->size_bytes - from_offset_bytes, limit - to_offset_bytes})};
    return overlap(range) ? base::Result<size_t>(base::error(EINVAL)) : copy_all(call, range);
}

} // namespace pmemfile
