// The idea: the lock is held from the first step to the last, so that what has been filled is known without a mark in
// the file: it was a hole when a step met it. To take it back, each range is widened by the holes around it, and
// cleared:
//
//   before   [n1: oo..|....]      [  ....  ]            n1 has blocks of before, there is no n2
//   filled   [n1: oooo|oooo]  [n2: oo......]
//   cleared        ◄───────────────────────►            n2 lies in the widened range: it goes too
//
// and the levels that the map has grown by are taken off again. All of that frees blocks and needs none. After a crash
// half way the file keeps blocks of zeros, which nobody can see.
#include "libpmemfile/file/hole_fill.h"

#include "libpmemfile/file/data.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>
#include <cerrno>

namespace pmemfile {
namespace {

constexpr uint64_t step_max_blocks = 256;
constexpr unsigned node_bits = 9;

// Is all of [first, end) a hole?
bool is_hole(const Pool &pool, const Inode &inode, uint64_t first, uint64_t end) {
    while (first < end) {
        const MappedRun run = map_lookup(pool, inode, first, end - first);
        if (run.block != 0)
            return false;
        first += run.count;
    }
    return true;
}

// How many blocks of `range` are missing; counts no further than `enough`.
uint64_t missing_blocks(const Pool &pool, const Inode &inode, BlockRange range, uint64_t enough) {
    uint64_t missing = 0;
    while (range.first < range.end && missing < enough) {
        const MappedRun run = map_lookup(pool, inode, range.first, range.end - range.first);
        missing += run.block == 0 ? run.count : 0;
        range.first += run.count;
    }
    return missing;
}

} // namespace

base::Result<Inode> HoleFill::load() const {
    const Inode *home = call_.pool().inode(number_);
    if (home == nullptr)
        return base::error(EUCLEAN);
    return *home;
}

base::Status HoleFill::fill(BlockRange range) {
    BASE_TRY_ASSIGN(const Inode inode, load());
    was_inline_ = (inode.flags & inode_inline) != 0;
    former_height_ = was_inline_ ? uint8_t{0} : inode.height;
    BASE_TRY(check_room(range));
    base::Status filled = move_inline_and_commit(call_, number_);
    if (filled.ok())
        filled = fill_steps(range);
    if (filled.ok() || (filled.error().number() != ENOSPC && filled.error().number() != ENOMEM))
        return filled;
    call_.discard();                     // of the step that found no room
    static_cast<void>(take_back().ok()); // an error of the media marks the pool as failed
    return filled;
}

// What cannot succeed does not begin. Others may take the room meanwhile, and nodes of the map are not counted.
base::Status HoleFill::check_room(BlockRange range) {
    BASE_TRY_ASSIGN(const Inode inode, load());
    const Pool &pool = call_.pool();
    const uint64_t missing = missing_blocks(pool, inode, range, pool.block_limit());
    if (missing <= step_max_blocks) // one step: not worth a look at all groups
        return {};
    return space_map_free_blocks(call_.thread(), missing) < missing ? base::Status(base::error(ENOSPC))
                                                                    : base::Status();
}

base::Status HoleFill::fill_steps(BlockRange range) {
    while (range.first < range.end) {
        BASE_TRY_ASSIGN(Inode inode, load());
        const MappedRun run = map_lookup(call_.pool(), inode, range.first, range.end - range.first);
        if (run.block != 0) {
            range.first += run.count;
            continue;
        }
        const uint64_t want = std::min(run.count, step_max_blocks);
        BASE_TRY_ASSIGN(bool ready, map_prepare(call_, inode, range.first + want - 1));
        if (ready) {
            BASE_TRY_ASSIGN(BlockRun fresh, allocate_run(call_, static_cast<uint32_t>(want)));
            call_.pool().persist.zero_nt(fresh.first * block_size_bytes, fresh.count * block_size_bytes);
            if (!is_seeded(SeededFault::allocated_zeros_not_fenced))
                BASE_TRY(call_.fence_data());
            BASE_TRY(map_set(call_, inode, range.first, std::span(&fresh, 1)));
            if (!note({range.first, range.first + fresh.count}))
                return base::error(ENOMEM);
            range.first += fresh.count;
        }
        store_changes(call_, number_, inode);
        BASE_TRY(call_.commit());
    }
    return {};
}

// Before the commit: what is noted and was not committed is a hole, and taking that back does nothing.
bool HoleFill::note(BlockRange range) {
    BlockRange *last = count() == 0 ? nullptr : many_.size() != 0 ? &many_[many_.size() - 1] : &few_[few_count_ - 1];
    if (last != nullptr && last->end == range.first) {
        last->end = range.end;
        return true;
    }
    if (few_count_ < std::size(few_)) {
        few_[few_count_++] = range;
        return true;
    }
    return many_.push(range);
}

base::Status HoleFill::take_back() {
    for (size_t i = 0; i < count(); ++i)
        BASE_TRY(clear((*this)[i]));
    for (;;) {
        BASE_TRY_ASSIGN(Inode inode, load());
        if (inode.height <= former_height_)
            break;
        BASE_TRY_ASSIGN(const bool lower, map_lower(call_, inode));
        if (!lower)
            break;
        store_changes(call_, number_, inode);
        BASE_TRY(call_.commit());
    }
    return was_inline_ ? put_inline_back() : base::Status();
}

base::Status HoleFill::clear(BlockRange range) {
    BASE_TRY_ASSIGN(Inode inode, load());
    const Pool &pool = call_.pool();
    uint64_t end = range.end;
    const uint64_t reach = map_reach_blocks(std::min<unsigned>(inode.height, max_map_height));
    while (end < reach) {
        const MappedRun run = map_lookup(pool, inode, end, reach - end);
        if (run.block != 0)
            break;
        end += run.count;
    }
    // Downwards the map cannot be walked: the beginnings of the nodes that the range may lie in are tried.
    uint64_t first = range.first;
    for (unsigned level = 1; level <= inode.height; ++level) {
        const uint64_t begin = range.first >> (node_bits * level) << (node_bits * level);
        if (!is_hole(pool, inode, begin, first))
            break;
        first = begin;
    }
    while (first < end) {
        BASE_TRY_ASSIGN(first, map_clear_step(call_, inode, first, end));
        store_changes(call_, number_, inode);
        if (!call_.empty())
            BASE_TRY(call_.commit());
        BASE_TRY_ASSIGN(inode, load());
    }
    return {};
}

// The content that move_inline_and_commit has put into block 0.
base::Status HoleFill::put_inline_back() {
    BASE_TRY_ASSIGN(Inode inode, load());
    if ((inode.flags & inode_inline) != 0)
        return {};
    const BlockNumber block = map_lookup(call_.pool(), inode, 0, 1).block;
    std::memset(&inode.content, 0, sizeof(inode.content));
    if (block != 0) {
        std::memcpy(inode.content.bytes, call_.pool().block(block),
                    std::min<uint64_t>(inode.size_bytes, inline_max_bytes));
        release_blocks(call_, {block, 1});
        --inode.block_count;
    }
    inode.flags |= inode_inline;
    store_changes(call_, number_, inode);
    return call_.commit();
}

} // namespace pmemfile
