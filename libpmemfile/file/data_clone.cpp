// The idea: a clone is pointers, and for each a count one higher. One record holds both, so no crash can
// part them.
//
//   source   [s0|s1|..|s3|s4 ]                counts  s0 s1 s3: +1
//   target   [s0|s1|..|s3|c4 ]   one record   c4: a copy, for a part of s4 is beyond the end
//
// So the last block of a file, if only a part of it counts, is never shared, and what zeroes or appends to it need not
// ask. At the end of the target the steps leave its size alone, and flag it as a file whose truncation
// is not done: what they have put behind the end is not seen, and goes after a crash. The last step moves the end.
#include "libpmemfile/file/data_share.h"

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>

namespace pmemfile {
namespace {

constexpr uint64_t step_max_blocks = 256;          // where blocks are replaced: their frees fit in a record
constexpr uint64_t step_max_blocks_in_hole = 4096; // 16 MiB, and 4 KiB of counts
constexpr uint64_t step_max_copied_blocks = 256;
constexpr unsigned step_max_runs = 24;

struct CloneStep {
    Call &call;
    const CloneRange &range;
    bool at_once;
    uint64_t done; // blocks, by earlier steps
    Inode source;  // private copies; in one file only `target` counts
    Inode target;
    BlockRun runs[step_max_runs] = {};
    unsigned run_count = 0;
    uint64_t placed = 0; // blocks of `runs`
    uint64_t copied = 0; // of them fresh
    bool shares = false;

    const Inode &from() const {
        return range.from == range.to ? target : source;
    }
    bool is_cut(uint64_t position) const { // the range's last block, of which only a part is cloned
        return position + 1 == range.count && range.last_bytes != block_size_bytes;
    }
};

// How many blocks from the step's first on, up to `limit`, are a hole of the target.
uint64_t hole_blocks(const CloneStep &step, uint64_t limit) {
    uint64_t count = 0;
    while (count < limit) {
        const MappedRun run =
            map_lookup(step.call.pool(), step.target, step.range.to_index + step.done + count, limit - count);
        if (run.block != 0)
            break;
        count += run.count;
    }
    return count;
}

// Copies of the source's `count` blocks from `block` on; fewer if no such run is free.
base::Status copy_run(CloneStep &step, BlockNumber block, uint64_t count) {
    Call &call = step.call;
    BASE_TRY_ASSIGN(BlockRun fresh, allocate_run(call, static_cast<uint32_t>(count)));
    Persist &persist = call.pool().persist;
    uint64_t whole = fresh.count;
    if (step.is_cut(step.done + step.placed + whole - 1)) {
        --whole;
        std::byte *scratch = call.thread().data;
        std::memset(scratch, 0, block_size_bytes);
        std::memcpy(scratch, call.pool().block(block + whole), step.range.last_bytes);
        persist.store_nt((fresh.first + whole) * block_size_bytes, scratch, block_size_bytes);
    }
    if (whole != 0)
        persist.store_nt(fresh.first * block_size_bytes, call.pool().block(block), whole * block_size_bytes);
    step.runs[step.run_count++] = fresh;
    step.placed += fresh.count;
    step.copied += fresh.count;
    return {};
}

// Gathers the runs that one map_set puts into the target, up to `limit` blocks, to the next hole of the source.
base::Status gather_runs(CloneStep &step, uint64_t limit) {
    Call &call = step.call;
    const bool must_copy = is_mapped_writable(call.thread(), step.range.from);
    while (step.placed < limit && step.run_count < step_max_runs) {
        const uint64_t position = step.done + step.placed;
        const MappedRun run =
            map_lookup(call.pool(), step.from(), step.range.from_index + position, limit - step.placed);
        if (run.block == 0)
            break;
        const uint64_t whole = run.count - (step.is_cut(position + run.count - 1) ? 1 : 0);
        const uint32_t shared = must_copy ? 0 : shareable_blocks(call, {run.block, static_cast<uint32_t>(whole)});
        if (shared != 0) {
            const BlockRun blocks{run.block, shared};
            share_blocks(call, blocks);
            step.runs[step.run_count++] = blocks;
            step.placed += shared;
            step.shares = true;
            continue;
        }
        if (step.copied == step_max_copied_blocks)
            break;
        // Those behind may be shareable again; only of a mapped file it is known that none is.
        const uint64_t count = must_copy ? std::min(run.count, step_max_copied_blocks - step.copied) : 1;
        BASE_TRY(copy_run(step, run.block, count));
    }
    return {};
}

// Sizes, times and flags; the record's end.
base::Status finish_step(CloneStep &step, uint64_t blocks) {
    Call &call = step.call;
    const CloneRange &range = step.range;
    const uint64_t done = step.done + blocks;
    const bool is_last = done == range.count;
    Inode &target = step.target;
    const uint64_t end =
        (range.to_index + done) * block_size_bytes - (is_last ? block_size_bytes - range.last_bytes : 0);
    if ((!step.at_once || is_last) && end > target.size_bytes) {
        // Stores through a mapping may have left bytes behind the old end. Looked up in the inode at home:
        // what the copy points to may be a node that is filled only by this record.
        const uint64_t tail = target.size_bytes / block_size_bytes;
        const uint64_t in_tail = target.size_bytes % block_size_bytes;
        const BlockNumber block = in_tail != 0 && tail < range.to_index
                                      ? map_lookup(call.pool(), *call.pool().inode(range.to), tail, 1).block
                                      : 0;
        if (block != 0)
            call.zero(block * block_size_bytes + in_tail, block_size_bytes - in_tail);
        target.size_bytes = end;
    }
    if (step.at_once && !is_last) {
        target.flags |= inode_truncating;
        if (target.orphan_slot == 0) {
            BASE_TRY_ASSIGN(target.orphan_slot, orphan_slot_take(call, range.to));
        }
    } else if (step.at_once && (target.flags & inode_truncating) != 0) {
        target.flags &= static_cast<uint16_t>(~inode_truncating);
        if (target.link_count != 0) { // without a name it stays an orphan
            orphan_slot_release(call, target.orphan_slot);
            target.orphan_slot = 0;
        }
    }
    if (!step.at_once || is_last)
        touch(call.thread(), target);
    if (step.shares) {
        target.flags |= inode_may_share;
        step.source.flags |= inode_may_share;
        if (range.from != range.to)
            store_changes(call, range.from, step.source);
    }
    store_changes(call, range.to, target);
    return call.commit();
}

// Returns the blocks it has done; 0 when it has only made the map taller.
base::Result<uint64_t> next_step(Call &call, const CloneRange &range, bool at_once, uint64_t done) {
    const Inode *source = call.pool().inode(range.from);
    const Inode *target = call.pool().inode(range.to);
    if (source == nullptr || target == nullptr)
        return base::error(EUCLEAN);
    CloneStep step{call, range, at_once, done, *source, *target};
    const uint64_t left = range.count - done;
    const uint64_t first = range.to_index + done;
    const uint64_t reach = std::min(left, step_max_blocks_in_hole);
    BASE_TRY_ASSIGN(bool ready, map_prepare(call, step.target, first + reach - 1));
    if (!ready) {
        store_changes(call, range.to, step.target);
        BASE_TRY(call.commit());
        return uint64_t{0};
    }
    const MappedRun run = map_lookup(call.pool(), step.from(), range.from_index + done, left);
    if (run.block == 0) {
        BASE_TRY_ASSIGN(uint64_t stopped, map_clear_step(call, step.target, first, first + run.count));
        BASE_TRY(finish_step(step, stopped - first));
        return stopped - first;
    }
    const uint64_t hole = hole_blocks(step, reach);
    BASE_TRY(gather_runs(step, hole >= std::min(left, step_max_blocks) ? hole : std::min(left, step_max_blocks)));
    if (step.copied != 0)
        BASE_TRY(call.fence_data());
    BASE_TRY(map_set(call, step.target, first, std::span(step.runs, step.run_count)));
    BASE_TRY(finish_step(step, step.placed));
    return step.placed;
}

} // namespace

base::Result<uint64_t> clone_blocks(Call &call, const CloneRange &range, bool at_once) {
    BASE_TRY(call.lock_share_counts());
    uint64_t done = 0;
    while (done < range.count) {
        base::Result<uint64_t> step = next_step(call, range, at_once, done);
        if (!step.ok())
            return done != 0 && !at_once ? base::Result<uint64_t>(done) : step;
        done += *step;
    }
    return done;
}

} // namespace pmemfile
