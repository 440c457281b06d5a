// The idea: to take a range out of a file, or to put one in, moves every pointer behind it. That does not fit
// in a record, and must be one step. So the whole map is built anew in fresh nodes, which nobody
// sees, and one record puts its top into the inode. What must go (the old nodes, the blocks taken
// out, and those behind the end) hangs on the new map too, behind the end of the file, and the record
// flags the inode as one whose truncation is not done. Its steps free it, now or after a crash.
//
//   collapse   old  [aa|XX|bb]   nodes N1 N2
//              new  [aa|bb]XX N1 N2      ──► truncation ──►  [aa|bb]
//                         ▲ end of file
#include "libpmemfile/file/data.h"

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/space/allocator.h"

#include <algorithm>
#include <fcntl.h>

namespace pmemfile {
namespace {

constexpr unsigned node_bits = 9;
constexpr uint64_t none = UINT64_MAX;

// Takes pointers in ascending order of their place in the file and makes the nodes above them. First it only counts.
class MapBuilder {
public:
    // `height` levels of nodes; `node_count` fresh nodes will be needed, as a first builder has counted.
    explicit MapBuilder(unsigned height) : height_(height) {}
    MapBuilder(Call &call, unsigned height, uint64_t node_count, uint64_t *slots)
        : call_(&call), height_(height), nodes_wanted_(node_count), slots_(slots) {}

    base::Status add(uint64_t index, BlockNumber first, uint64_t count) {
        pointers_ += count;
        for (uint64_t i = index; i < index + count; ++i)
            BASE_TRY(place(i, first + (i - index)));
        return {};
    }
    // Starts the way of the last leaf to the media.
    void finish() {
        if (call_ != nullptr && open_[1] != none)
            call_->pool().persist.store_nt(nodes_[1] * block_size_bytes, leaf(), block_size_bytes);
        open_[1] = none;
    }
    uint64_t node_count() const {
        return node_count_;
    }
    uint64_t pointer_count() const {
        return pointers_;
    }

private:
    uint64_t *leaf() {
        return reinterpret_cast<uint64_t *>(call_->thread().data);
    }
    base::Status place(uint64_t index, BlockNumber block);
    base::Result<BlockNumber> fresh_node();

    Call *call_ = nullptr; // null: counts
    unsigned height_;
    uint64_t nodes_wanted_ = 0;
    uint64_t *slots_ = nullptr;
    uint64_t node_count_ = 0;
    uint64_t pointers_ = 0;
    BlockRun run_; // of fresh nodes that are left
    // Of each level, the node that is being filled: its number in the level, and its block.
    uint64_t open_[max_map_height + 1] = {none, none, none, none, none, none};
    BlockNumber nodes_[max_map_height + 1] = {};
};

base::Result<BlockNumber> MapBuilder::fresh_node() {
    if (run_.count == 0) {
        const uint64_t wanted = std::min<uint64_t>(nodes_wanted_ - node_count_, max_blocks_per_group);
        base::Result<BlockRun> run = allocate_run(*call_, static_cast<uint32_t>(wanted));
        if (!run.ok()) // more pieces than a call can claim: free space is in crumbs
            return run.error() == base::error(ENOBUFS) ? base::error(ENOSPC) : run.error();
        run_ = *run;
    }
    --run_.count;
    return run_.first++;
}

base::Status MapBuilder::place(uint64_t index, BlockNumber block) {
    if (height_ == 0) {
        if (slots_ != nullptr)
            slots_[index] = block;
        return {};
    }
    if (index >> node_bits != open_[1]) {
        finish();
        for (unsigned level = height_; level > 0; --level) {
            const uint64_t number = index >> (node_bits * level);
            if (number == open_[level])
                continue;
            if (call_ != nullptr) {
                Persist &persist = call_->pool().persist;
                BASE_TRY_ASSIGN(nodes_[level], fresh_node());
                if (level > 1) {
                    persist.zero(nodes_[level] * block_size_bytes, block_size_bytes);
                    persist.flush(nodes_[level] * block_size_bytes, block_size_bytes);
                } else {
                    std::memset(leaf(), 0, block_size_bytes);
                }
                const PoolOffset in_parent =
                    nodes_[std::min(level + 1, height_)] * block_size_bytes + number % pointers_per_node * 8;
                if (level == height_) {
                    slots_[number] = nodes_[level];
                } else {
                    persist.store(in_parent, &nodes_[level], sizeof(BlockNumber));
                    persist.flush(in_parent, 8);
                }
            }
            ++node_count_;
            open_[level] = number;
        }
    }
    if (call_ != nullptr)
        leaf()[index % pointers_per_node] = block;
    return {};
}

// Where the old file's blocks stand in the new one: [0, head) as they are, [tail, end) `new_tail` and what follows,
// and from `new_end` on what is to be freed.
struct Plan {
    uint64_t head;
    uint64_t tail;
    uint64_t end;
    uint64_t new_tail;
    uint64_t new_end;
};

// The runs of old blocks [from, to), put to `target` as they stand, or (`is_dense`) one behind the other. Returns
// where the next one goes.
base::Result<uint64_t> move_runs(MapBuilder &builder, const Pool &pool, const Inode &inode, uint64_t from, uint64_t to,
                                 uint64_t target, bool is_dense) {
    while (from < to) {
        const MappedRun run = map_lookup(pool, inode, from, to - from);
        if (run.block != 0) {
            // More than hang on it: the pool is damaged.
            if (run.count > inode.block_count || builder.pointer_count() > inode.block_count - run.count)
                return base::error(EUCLEAN);
            BASE_TRY(builder.add(target, run.block, run.count));
        }
        if (run.block != 0 || !is_dense)
            target += run.count;
        from += run.count;
    }
    return target;
}

// The nodes of the old map, as blocks from `target` on.
struct NodeMove {
    MapBuilder &builder;
    uint64_t target;
    uint64_t left;
    base::Status status;
};

bool move_node(void *context, BlockNumber block, int64_t index) {
    NodeMove &move = *static_cast<NodeMove *>(context);
    if (move.left-- == 0) {
        move.status = base::error(EUCLEAN);
        return false;
    }
    if (index >= 0)
        return true;
    move.status = move.builder.add(move.target++, block, 1);
    return move.status.ok();
}

base::Status lay_out(MapBuilder &builder, const Pool &pool, const Inode &inode, const Plan &plan) {
    BASE_TRY(move_runs(builder, pool, inode, 0, plan.head, 0, false));
    BASE_TRY(move_runs(builder, pool, inode, plan.tail, plan.end, plan.new_tail, false));
    BASE_TRY_ASSIGN(uint64_t next, move_runs(builder, pool, inode, plan.head, plan.tail, plan.new_end, true));
    BASE_TRY_ASSIGN(next, move_runs(builder, pool, inode, plan.end, map_reach_blocks(inode.height), next, true));
    NodeMove nodes{builder, next, inode.block_count, {}};
    map_visit(pool, inode, move_node, &nodes);
    BASE_TRY(nodes.status);
    builder.finish();
    return builder.pointer_count() == inode.block_count ? base::Status{} : base::Status{base::error(EUCLEAN)};
}

Plan plan_of(const Inode &inode, bool is_collapse, uint64_t offset, uint64_t length) {
    const uint64_t first = offset / block_size_bytes;
    const uint64_t count = length / block_size_bytes;
    const uint64_t end = blocks_of(inode.size_bytes);
    if (is_collapse)
        return {first, first + count, end, first, end - count};
    return {first, first, end, first + count, end + count};
}

} // namespace

base::Status data_shift_range(Call &call, InodeNumber number, bool is_collapse, uint64_t offset_bytes,
                              uint64_t length_bytes) {
    const Inode *home = call.pool().inode(number);
    if (home == nullptr)
        return base::error(EUCLEAN);
    if (is_mapped(call.thread(), number))
        return base::error(EBUSY);
    Inode inode = *home;
    if (inode.height > max_map_height || inode.block_count > map_max_blocks(call.pool(), inode))
        return base::error(EUCLEAN);
    const Plan plan = plan_of(inode, is_collapse, offset_bytes, length_bytes);
    inode.height = 0;
    while (map_reach_blocks(inode.height) < plan.new_end + home->block_count)
        if (++inode.height > max_map_height)
            return base::error(EFBIG);

    MapBuilder counter(inode.height);
    BASE_TRY(lay_out(counter, call.pool(), *home, plan));
    std::memset(&inode.content, 0, sizeof(inode.content));
    MapBuilder builder(call, inode.height, counter.node_count(), inode.content.slots);
    BASE_TRY(lay_out(builder, call.pool(), *home, plan));
    BASE_TRY(call.fence_data());

    inode.block_count += builder.node_count();
    inode.size_bytes = is_collapse ? inode.size_bytes - length_bytes : inode.size_bytes + length_bytes;
    touch(call.thread(), inode);
    inode.flags |= inode_truncating;
    if (inode.orphan_slot == 0) {
        BASE_TRY_ASSIGN(inode.orphan_slot, orphan_slot_take(call, number));
    }
    store_changes(call, number, inode);
    BASE_TRY(call.commit());
    return data_finish_truncate(call, number);
}

} // namespace pmemfile
