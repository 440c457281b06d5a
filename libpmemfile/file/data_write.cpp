// The idea: the fences decide, so a write takes the way with the fewest.
//
//   inline   up to 128 B in all: into the inode, by the record        1 fence
//   small    up to 2 KiB: in the record, then copied home             1 fence
//   fresh    larger: non-temporal stores into fresh blocks, fence,
//            then the record that swings the pointers                 2 fences
//   direct   while the file is mapped shared and writable: in place
//
//   fresh:   old  [....|oooo|oooo|....]      ends of the old blocks are copied
//            new       [oonn|nnno]           along with the new bytes
//
// User memory is read once: into the record, into fresh blocks or into scratch.
#include "libpmemfile/file/data.h"

#include "libpmemfile/file/data_share.h"
#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/file/user_cursor.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/space/allocator.h"

#include <bit>
#include <sys/stat.h>

namespace pmemfile {
namespace {

constexpr size_t small_write_max_bytes = 2048;
constexpr uint64_t step_max_blocks = 256; // 1 MiB: its frees fit in a record however scattered
constexpr unsigned step_max_runs = 24;    // at least atomic_write_bytes / 4096 + 1, and far below max_claims
static_assert(step_max_runs > atomic_write_bytes / block_size_bytes + 1);

struct Step {
    Call &call;
    InodeNumber number;
    UserCursor &cursor;
    uint64_t offset; // of the next byte to write
    uint64_t left;   // bytes still to write
};

void extend(Inode &inode, uint64_t end) {
    inode.size_bytes = std::max(inode.size_bytes, end);
}

// Bytes between the old end and `offset` in the old tail block must read as
// zeros; stores through a mapping may have left others there (hazard 21).
void zero_gap(Step &step, const Inode &inode) {
    uint64_t from = inode.size_bytes;
    if (step.offset <= from || from % block_size_bytes == 0 || (inode.flags & inode_inline))
        return;
    uint64_t to = std::min(step.offset, (from / block_size_bytes + 1) * block_size_bytes);
    MappedRun tail = map_lookup(step.call.pool(), inode, from / block_size_bytes, 1);
    if (tail.block != 0)
        step.call.zero(tail.block * block_size_bytes + from % block_size_bytes, to - from);
}

base::Result<size_t> write_inline(Step &step, Inode &inode) {
    std::byte *place =
        step.call.store_in_place(step.number * inode_size_bytes + offsetof(Inode, content) + step.offset, step.left);
    if (place == nullptr)
        return base::error(ENOBUFS);
    if (!step.cursor.copy_out(place, step.left))
        return base::error(EFAULT);
    inode.flags |= inode_inline;
    extend(inode, step.offset + step.left);
    touch(step.call.thread(), inode);
    // Line 0 alone: the content's lines are named by the store above.
    step.call.store(step.number * inode_size_bytes, &inode, cache_line_bytes);
    BASE_TRY(step.call.commit());
    return size_t{step.left};
}

// At most two blocks are touched.
base::Result<size_t> write_small(Step &step, const Inode &home, Inode &inode) {
    Call &call = step.call;
    const bool was_inline = (inode.flags & inode_inline) != 0;
    if (was_inline) {
        std::memset(&inode.content, 0, sizeof(inode.content));
        inode.flags &= static_cast<uint16_t>(~inode_inline);
    } else {
        zero_gap(step, inode);
    }
    uint64_t first = step.offset / block_size_bytes;
    uint64_t last = (step.offset + step.left - 1) / block_size_bytes;
    // Inline content is block 0's: when block 0 is not touched it goes the fresh way (see next_step).
    BlockNumber blocks[2] = {};
    BlockRun fresh[2];
    unsigned fresh_count = 0;
    uint64_t fresh_index = 0;
    for (uint64_t index = first; index <= last; ++index) {
        BlockNumber block = map_lookup(call.pool(), inode, index, 1).block;
        if (block == 0) {
            BASE_TRY_ASSIGN(block, allocate_block(call));
            // The zeros are in the record: a direct store would need a fence of its own before it.
            call.zero(block * block_size_bytes, block_size_bytes);
            if (fresh_count == 0)
                fresh_index = index;
            fresh[fresh_count++] = {block, 1};
        }
        blocks[index - first] = block;
    }
    if (was_inline && home.size_bytes != 0)
        call.store(blocks[0] * block_size_bytes, home.content.bytes,
                   std::min<uint64_t>(home.size_bytes, inline_max_bytes));
    uint64_t at = step.offset, end = step.offset + step.left;
    const void *user = step.cursor.piece();
    while (at < end) {
        uint64_t piece = std::min(end, (at / block_size_bytes + 1) * block_size_bytes) - at;
        std::byte *place = call.store_in_place(
            blocks[at / block_size_bytes - first] * block_size_bytes + at % block_size_bytes, piece);
        if (place == nullptr)
            return base::error(ENOBUFS);
        if (!step.cursor.copy_out(place, piece))
            return base::error(EFAULT);
        if (is_seeded(SeededFault::small_write_in_place)) {
            const PoolOffset target = blocks[at / block_size_bytes - first] * block_size_bytes + at % block_size_bytes;
            call.pool().persist.store(target, place, piece);
            call.pool().persist.flush(target, piece);
        }
        at += piece;
    }
    if (fresh_count != 0)
        BASE_TRY(map_set(call, inode, fresh_index, std::span(fresh, fresh_count)));
    extend(inode, end);
    touch(call.thread(), inode);
    store_changes(call, step.number, inode);
    BASE_TRY(call.commit());
    if (is_seeded(SeededFault::user_memory_read_twice))
        call.pool().persist.store_from_user(blocks[0] * block_size_bytes + step.offset % block_size_bytes, user,
                                            std::min(step.left, block_size_bytes - step.offset % block_size_bytes));
    return size_t{step.left};
}

// Fills `to` with what the file holds in block `index` now.
void read_old_block(const Pool &pool, const Inode &before, uint64_t index, std::byte *to) {
    std::memset(to, 0, block_size_bytes);
    uint64_t begin = index * block_size_bytes;
    if (before.size_bytes <= begin)
        return;
    uint64_t size = std::min(before.size_bytes - begin, block_size_bytes); // beyond the end: zeros
    if (before.flags & inode_inline) {
        std::memcpy(to, before.content.bytes, std::min<uint64_t>(size, inline_max_bytes));
        return;
    }
    BlockNumber block = map_lookup(pool, before, index, 1).block;
    if (block != 0)
        std::memcpy(to, pool.block(block), size);
}

// Fills fresh blocks with [at, end) of the new bytes and the old bytes around. Returns false on a bad address.
bool fill_fresh(Step &step, const Inode &before, std::span<const BlockRun> runs, uint64_t first_index, uint64_t end) {
    Persist &persist = step.call.pool().persist;
    std::byte *scratch = step.call.thread().data;
    uint64_t at = step.offset;
    uint64_t index = first_index;
    for (const BlockRun &run : runs) {
        for (uint32_t i = 0; i < run.count;) {
            PoolOffset target = (run.first + i) * block_size_bytes;
            uint64_t begin = index * block_size_bytes;
            // Whole blocks out of one buffer go straight to the media.
            uint64_t straight = at == begin ? std::min<uint64_t>(end - at, step.cursor.piece_bytes()) : 0;
            straight = std::min<uint64_t>(straight / block_size_bytes, run.count - i);
            if (straight != 0) {
                if (!persist.store_nt_from_user(target, step.cursor.piece(), straight * block_size_bytes))
                    return false;
                step.cursor.advance(straight * block_size_bytes);
                at += straight * block_size_bytes;
                i += static_cast<uint32_t>(straight);
                index += straight;
                continue;
            }
            uint64_t from = std::max(at, begin);
            uint64_t to = std::min(end, begin + block_size_bytes);
            read_old_block(step.call.pool(), before, index, scratch);
            if (from < to && !step.cursor.copy_out(scratch + (from - begin), to - from))
                return false;
            persist.store_nt(target, scratch, block_size_bytes);
            at = std::max(at, to);
            ++i;
            ++index;
        }
    }
    return true;
}

// Into fresh blocks; `limit_blocks` file blocks at most.
base::Result<size_t> write_fresh(Step &step, const Inode &home, Inode &inode, uint64_t limit_blocks, bool mapped) {
    Call &call = step.call;
    uint64_t first = step.offset / block_size_bytes;
    bool was_inline = (inode.flags & inode_inline) != 0;
    if (was_inline) {
        std::memset(&inode.content, 0, sizeof(inode.content));
        inode.flags &= static_cast<uint16_t>(~inode_inline);
    }
    uint64_t wanted =
        std::min({(step.offset + step.left - 1) / block_size_bytes - first + 1, step_max_blocks, limit_blocks});
    BlockRun runs[step_max_runs];
    unsigned run_count = 0;
    uint64_t have = 0;
    while (have < wanted && run_count < step_max_runs) {
        auto run = allocate_run(call, static_cast<uint32_t>(wanted - have));
        if (!run.ok()) {
            // What is promised as one step is written whole or not at all: a part of it, and then another
            // part into the blocks which the first has freed, would be two.
            const bool is_one_step = step.left <= atomic_write_bytes && !mapped;
            if (have == 0 || is_one_step || run.error() != base::error(ENOSPC))
                return run.error();
            break; // as much as there is room for: a short write
        }
        runs[run_count++] = *run;
        have += run->count;
    }
    uint64_t end = std::min(step.offset + step.left, (first + have) * block_size_bytes);
    std::span used(runs, run_count);
    if (!fill_fresh(step, home, used, first, end))
        return base::error(EFAULT);
    BASE_TRY(call.fence_data());
    // With the old tail zeroed directly before, or as a part of the fresh blocks, nothing is left to do.
    if (!was_inline && !mapped && home.size_bytes / block_size_bytes != first)
        zero_gap(step, home);
    BASE_TRY(map_set(call, inode, first, used));
    size_t written = end - step.offset;
    extend(inode, end);
    touch(call.thread(), inode);
    store_changes(call, step.number, inode);
    BASE_TRY(call.commit());
    return written;
}

// The file's bytes may change under us through mappings: never in a record.
base::Result<size_t> write_direct(Step &step, Inode &inode, const MappedRun &run) {
    Call &call = step.call;
    Persist &persist = call.pool().persist;
    uint64_t end = std::min(step.offset + step.left, (run.index + run.count) * block_size_bytes);
    size_t size = std::min<uint64_t>(end - step.offset, sizeof(call.thread().data));
    if (!step.cursor.copy_out(call.thread().data, size))
        return base::error(EFAULT);
    PoolOffset target = run.block * block_size_bytes + (step.offset - run.index * block_size_bytes);
    call.begin_direct_stores();
    persist.store(target, call.thread().data, size);
    if (!is_seeded(SeededFault::mapped_data_not_flushed))
        persist.flush(target, size);
    call.end_direct_stores();
    BASE_TRY(call.fence_data());
    extend(inode, step.offset + size);
    touch(call.thread(), inode);
    store_changes(call, step.number, inode);
    BASE_TRY(call.commit());
    return size;
}

// Would a small write store to a block in place that is not the file's alone? Such go to fresh blocks.
bool meets_shared_block(const Step &step, const Inode &inode) {
    if ((inode.flags & inode_may_share) == 0 || is_seeded(SeededFault::shared_block_stored_to))
        return false;
    const uint64_t last = (step.offset + step.left - 1) / block_size_bytes;
    for (uint64_t index = step.offset / block_size_bytes; index <= last; ++index)
        if (is_block_shared(step.call, step.number, inode, map_lookup(step.call.pool(), inode, index, 1).block))
            return true;
    return false;
}

base::Result<size_t> next_step(Step &step) {
    Call &call = step.call;
    bool mapped = is_mapped_writable(call.thread(), step.number);
    uint64_t end = step.offset + step.left;
    uint64_t first = step.offset / block_size_bytes;
    const Inode *home = nullptr; // stays as it is until a commit
    Inode inode;
    for (;;) {
        home = call.pool().inode(step.number);
        if (home == nullptr)
            return base::error(EUCLEAN);
        inode = *home;
        bool is_inline = (inode.flags & inode_inline) != 0;
        bool empty = inode.size_bytes == 0 && inode.block_count == 0;
        if (!mapped && end <= inline_max_bytes && (is_inline || empty))
            return write_inline(step, inode);
        if (is_inline)
            break; // no tree yet: map_set makes it of any height
        uint64_t last = std::min((end - 1) / block_size_bytes, first + step_max_blocks - 1);
        BASE_TRY_ASSIGN(bool ready, map_prepare(call, inode, last));
        if (ready)
            break;
        store_changes(call, step.number, inode);
        BASE_TRY(call.commit());
    }
    if ((inode.flags & inode_inline) && inode.size_bytes != 0 && first != 0) {
        // Content of block 0 has to move out first; the write itself does not touch that block.
        Inode moved = inode;
        BASE_TRY(move_inline_out(call, step.number, moved));
        store_changes(call, step.number, moved);
        BASE_TRY(call.commit());
        return next_step(step);
    }
    if (mapped) {
        BASE_TRY(zero_gap_directly(call, inode, step.offset));
        MappedRun run = map_lookup(call.pool(), inode, first, step_max_blocks);
        return run.block != 0 ? write_direct(step, inode, run) : write_fresh(step, *home, inode, run.count, true);
    }
    return step.left <= small_write_max_bytes && !meets_shared_block(step, inode)
               ? write_small(step, *home, inode)
               : write_fresh(step, *home, inode, step_max_blocks, false);
}

// Will the write be one step, as RWF_ATOMIC wants it?
base::Status check_whole(Thread &thread, InodeNumber inode, uint64_t offset, uint64_t total, unsigned buffer_count) {
    if (buffer_count != 1 || !std::has_single_bit(total) || total < atomic_write_min_bytes ||
        total > atomic_write_bytes || offset % total != 0)
        return base::error(EINVAL);
    return is_mapped_writable(thread, inode) ? base::Status{base::error(EOPNOTSUPP)} : base::Status{};
}

} // namespace

void drop_set_id(const Thread &thread, Inode &inode) {
    bool may_keep = thread.credentials != nullptr && (thread.credentials->capabilities & capability_fsetid) != 0;
    if (may_keep || !S_ISREG(inode.mode))
        return;
    inode.mode &= ~uint32_t{S_ISUID};
    if (inode.mode & S_IXGRP)
        inode.mode &= ~uint32_t{S_ISGID};
}

void touch(const Thread &thread, Inode &inode) {
    inode.mtime_ns = inode.ctime_ns = coarse_now_ns();
    drop_set_id(thread, inode);
}

base::Result<size_t> data_write_step(Call &call, InodeNumber inode, UserCursor &cursor, uint64_t offset_bytes,
                                     uint64_t left_bytes) {
    Step step{call, inode, cursor, offset_bytes, left_bytes};
    return next_step(step);
}

base::Result<size_t> data_write(Thread &thread, InodeNumber inode, uint64_t *offset_bytes, const UserBuffers &buffers,
                                bool append, uint64_t size_limit_bytes, bool whole, uint32_t generation) {
    uint64_t total = total_bytes(buffers);
    Call call(thread);
    BASE_TRY(call.lock({inode}));
    if (is_other_use(call.pool().inode(inode), generation))
        return base::error(ESTALE);
    BASE_TRY(data_prepare_change(call, inode));
    const Inode *home = call.pool().inode(inode);
    if (home == nullptr)
        return base::error(EUCLEAN);
    if (append && total != 0) // nothing moves no offset
        *offset_bytes = home->size_bytes;
    if (whole)
        BASE_TRY(check_whole(thread, inode, *offset_bytes, total, buffers.count));
    if (total == 0)
        return size_t{0};
    uint64_t limit = std::min(size_limit_bytes, file_max_bytes);
    if (*offset_bytes >= limit || (whole && total > limit - *offset_bytes))
        return base::error(EFBIG);
    total = std::min(total, limit - *offset_bytes);
    UserCursor cursor(buffers);
    uint64_t done = 0;
    while (done < total) {
        Step step{call, inode, cursor, *offset_bytes + done, total - done};
        auto written = next_step(step);
        if (!written.ok())
            return done != 0 ? base::Result<size_t>(done) : written.error();
        done += *written;
    }
    return size_t{done};
}

} // namespace pmemfile
