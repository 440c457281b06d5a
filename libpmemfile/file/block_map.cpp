// The idea: the map is a page table. All walks are one recursion over "arrays of
// pointers": the inode's 16 slots (a private copy, changed in place) at the top,
// nodes of 512 (changed only by changes in the record) below.
//
//     slots[16] ── height 0 ──► data
//     slots[16] ── height 1 ──► node[512] ──► data
//
// Growing puts the 16 slots into a fresh node whose slot 0 takes their place. A
// fresh node exists only in the record (`zero`, then pointers), so what it held
// before is never read: `Array::known` says what stands in it.
#include "libpmemfile/file/block_map.h"

#include "libpmemfile/space/allocator.h"
#include "libpmemfile/space/share_count.h"

#include <algorithm>
#include <cstring>
#include <sys/stat.h>

namespace pmemfile {
namespace {

constexpr unsigned node_bits = 9;
// Left free in a record by truncation: what its caller and the unwinding of all levels still add.
constexpr size_t truncate_room_bytes = 1024;
constexpr uint32_t free_run_max_blocks = 32768; // one group
// A directory's trie has leaves at any level, at most this many nodes deep; a leaf is known by its magic.
constexpr unsigned max_trie_nodes_deep = (64 - trie_root_bits) / trie_node_bits;

uint64_t span_of(unsigned level) {
    return uint64_t{1} << (node_bits * level);
}

uint64_t load_pointer(const uint64_t *address) {
    return __atomic_load_n(address, __ATOMIC_RELAXED) & pointer_block_mask;
}

// Collects freed blocks into runs, whichever way they grow.
class FreeRuns {
public:
    FreeRuns(Call &call, const Inode &inode)
        : call_(call), may_share_((inode.flags & inode_may_share) != 0),
          max_blocks_(may_share_ ? share_run_max_blocks : free_run_max_blocks) {}
    // Before anything is added.
    base::Status begin() {
        return may_share_ ? call_.lock_share_counts() : base::Status();
    }
    // What must be left in a record before one more block is added, beside the caller's own changes: the run so far
    // and the one that the block may begin.
    size_t room_bytes() const {
        return may_share_ ? 2 * share_run_record_bytes : 0;
    }
    void add(BlockNumber block) {
        if (run_.count != 0 && run_.count < max_blocks_) {
            if (block == run_.first + run_.count) {
                ++run_.count;
                return;
            }
            if (block + 1 == run_.first) {
                --run_.first;
                ++run_.count;
                return;
            }
        }
        finish();
        run_ = {block, 1};
    }
    void finish() {
        if (run_.count != 0 && may_share_)
            drop_blocks(call_, run_);
        else if (run_.count != 0)
            release_blocks(call_, run_);
        run_ = {};
    }

private:
    Call &call_;
    const bool may_share_; // the blocks may have other owners
    const uint32_t max_blocks_;
    BlockRun run_;
};

// One array of pointers that map_set changes.
struct Array {
    uint64_t *slots = nullptr;       // the inode's private copy, or
    BlockNumber node = 0;            // a node
    bool fresh = false;              // the node was made by this record
    const uint64_t *known = nullptr; // a fresh node's first 16 pointers; null: all 0

    uint64_t old(const Pool &pool, uint64_t i) const {
        if (slots != nullptr)
            return slots[i] & pointer_block_mask;
        if (fresh)
            return known != nullptr && i < inode_slots ? known[i] & pointer_block_mask : 0;
        return load_pointer(pool.at<MapNode>(node * block_size_bytes)->pointers + i);
    }
    void fill(Call &call, uint64_t i, uint32_t count, BlockNumber first) const {
        if (slots != nullptr)
            for (uint32_t k = 0; k < count; ++k)
                slots[i + k] = first + k;
        else
            call.fill_pointers(node * block_size_bytes + i * 8, count, first, 1);
    }
};

struct SetWalk {
    Call &call;
    Inode &inode;
    FreeRuns &frees;
    std::span<const BlockRun> runs;
    size_t run = 0;        // the run being placed
    uint32_t used = 0;     // blocks of it that are placed
    BlockNumber grown = 0; // node made by growing, and what it holds
    const uint64_t *grown_slots = nullptr;
};

base::Result<BlockNumber> make_node(Call &call, Inode &inode) {
    BASE_TRY_ASSIGN(BlockNumber node, allocate_block(call));
    call.zero(node * block_size_bytes, block_size_bytes);
    ++inode.block_count;
    return node;
}

// Places blocks at positions [first, end) of the blocks that `array` covers.
base::Status set_array(SetWalk &walk, const Array &array, unsigned level, uint64_t first, uint64_t end) {
    const Pool &pool = walk.call.pool();
    if (level == 0) {
        for (uint64_t i = first; i < end;) {
            const BlockRun &run = walk.runs[walk.run];
            auto count = static_cast<uint32_t>(std::min<uint64_t>(end - i, run.count - walk.used));
            for (uint64_t k = i; k < i + count; ++k) {
                uint64_t old = array.old(pool, k);
                if (old == 0)
                    ++walk.inode.block_count;
                else if (!pool.block_in_range(old))
                    return base::error(EUCLEAN);
                else
                    walk.frees.add(old);
            }
            array.fill(walk.call, i, count, run.first + walk.used);
            i += count;
            walk.used += count;
            if (walk.used == run.count) {
                ++walk.run;
                walk.used = 0;
            }
        }
        return {};
    }
    uint64_t span = span_of(level);
    for (uint64_t i = first / span; i * span < end; ++i) {
        Array child;
        child.node = array.old(pool, i);
        if (child.node == 0) {
            BASE_TRY_ASSIGN(child.node, make_node(walk.call, walk.inode));
            child.fresh = true;
            array.fill(walk.call, i, 1, child.node);
        } else if (child.node == walk.grown) {
            child.fresh = true;
            child.known = walk.grown_slots;
        } else if (!pool.block_in_range(child.node)) {
            return base::error(EUCLEAN);
        }
        uint64_t begin = i * span;
        BASE_TRY(
            set_array(walk, child, level - 1, std::max(first, begin) - begin, std::min(end, begin + span) - begin));
    }
    return {};
}

bool no_pointers(const Inode &inode) {
    return std::all_of(std::begin(inode.content.slots), std::end(inode.content.slots),
                       [](uint64_t slot) { return slot == 0; });
}

// One level more; the slots move into a fresh node. Returns the node, 0 if none was needed.
base::Result<BlockNumber> grow(Call &call, Inode &inode) {
    if (inode.height >= max_map_height)
        return base::error(EFBIG);
    ++inode.height;
    if (no_pointers(inode))
        return BlockNumber{0};
    BASE_TRY_ASSIGN(BlockNumber node, make_node(call, inode));
    call.store(node * block_size_bytes, inode.content.slots, sizeof(inode.content.slots));
    std::memset(inode.content.slots, 0, sizeof(inode.content.slots));
    inode.content.slots[0] = node;
    return node;
}

struct TruncateWalk {
    Call &call;
    Inode &inode;
    FreeRuns &frees;
    bool directory = false;
    bool full = false;    // the record is: stop, and unwind
    BlockNumber last = 0; // leaf freed last: a trie points to one leaf several times
};

// Frees all at and beyond position `first` in the subtree; returns the index
// from which on the array's pointers are gone.
base::Result<uint64_t> truncate_array(TruncateWalk &walk, const uint64_t *pointers, uint64_t length, unsigned level,
                                      uint64_t first) {
    const Pool &pool = walk.call.pool();
    uint64_t span = span_of(level);
    uint64_t i = length;
    while (i > 0 && i * span > first) {
        uint64_t pointer = load_pointer(pointers + i - 1);
        if (pointer == 0) {
            --i;
            continue;
        }
        bool repeated = walk.directory && pointer == walk.last;
        // A repeat costs nothing and must go with the pointer that freed the leaf.
        if (!repeated && walk.call.room_bytes() < truncate_room_bytes + walk.frees.room_bytes()) {
            walk.full = true;
            break;
        }
        if (!pool.block_in_range(pointer))
            return base::error(EUCLEAN);
        if (repeated) {
            --i;
            continue;
        }
        bool is_leaf = walk.directory && pool.at<DirectoryLeaf>(pointer * block_size_bytes)->magic == leaf_magic;
        if (level > 0 && !is_leaf) {
            uint64_t begin = (i - 1) * span;
            const uint64_t *node = pool.at<MapNode>(pointer * block_size_bytes)->pointers;
            uint64_t inner_first = first > begin ? first - begin : 0;
            BASE_TRY_ASSIGN(uint64_t kept, truncate_array(walk, node, pointers_per_node, level - 1, inner_first));
            if (kept != 0) {
                if (kept < pointers_per_node)
                    walk.call.zero(pointer * block_size_bytes + kept * 8, (pointers_per_node - kept) * 8);
                break; // either the record is full or `first` lies inside: nothing before it goes
            }
        } else {
            walk.last = pointer;
        }
        // More than hang on it: nodes that lead to each other would be freed for ever.
        if (walk.inode.block_count == 0)
            return base::error(EUCLEAN);
        walk.frees.add(pointer);
        --walk.inode.block_count;
        --i;
    }
    return i;
}

struct ClearWalk {
    Call &call;
    Inode &inode;
    FreeRuns &frees;
    bool full = false;    // the record is: stop, and unwind
    uint64_t stopped = 0; // then: file block that was not done
};

// Takes positions [first, end) out of the subtree of `array`, which begins at file block `base`.
base::Status clear_array(ClearWalk &walk, const Array &array, uint64_t length, unsigned level, uint64_t base,
                         uint64_t first, uint64_t end) {
    const Pool &pool = walk.call.pool();
    const uint64_t span = span_of(level);
    const uint64_t begin = first / span;
    uint64_t i = begin;
    for (; i < length && i * span < end && !walk.full; ++i) {
        const uint64_t pointer = array.old(pool, i);
        if (pointer == 0)
            continue;
        if (walk.call.room_bytes() < truncate_room_bytes + walk.frees.room_bytes()) {
            walk.full = true;
            walk.stopped = base + std::max(first, i * span);
            break;
        }
        if (!pool.block_in_range(pointer) || walk.inode.block_count == 0)
            return base::error(EUCLEAN);
        if (level > 0) {
            Array child;
            child.node = pointer;
            const uint64_t inner_first = std::max(first, i * span) - i * span;
            const uint64_t inner_end = std::min(end, (i + 1) * span) - i * span;
            BASE_TRY(clear_array(walk, child, pointers_per_node, level - 1, base + i * span, inner_first, inner_end));
            if (walk.full || inner_first != 0 || inner_end != span)
                continue; // the node has more
        }
        walk.frees.add(pointer);
        --walk.inode.block_count;
        if (array.slots != nullptr)
            array.slots[i] = 0;
        else if (level > 0)
            walk.call.zero(array.node * block_size_bytes + i * 8, 8);
    }
    // The pointers to data go in one change; those that are 0 already do no harm. A node that goes
    // as a whole may keep them.
    const bool goes = !walk.full && first == 0 && end == pointers_per_node * span;
    if (level == 0 && array.slots == nullptr && i > begin && !goes)
        walk.call.zero(array.node * block_size_bytes + begin * 8, (i - begin) * 8);
    return {};
}

bool visit_array(const Pool &pool, const uint64_t *pointers, uint64_t length, unsigned level, uint64_t first,
                 bool (*visit)(void *, BlockNumber, int64_t), void *context) {
    for (uint64_t i = 0; i < length; ++i) {
        uint64_t pointer = load_pointer(pointers + i);
        if (pointer == 0)
            continue;
        uint64_t index = first + i * span_of(level);
        if (!visit(context, pointer, level == 0 ? static_cast<int64_t>(index) : -1))
            return false;
        if (level > 0 && pool.block_in_range(pointer) &&
            !visit_array(pool, pool.at<MapNode>(pointer * block_size_bytes)->pointers, pointers_per_node, level - 1,
                         index, visit, context))
            return false;
    }
    return true;
}

} // namespace

MappedRun map_lookup(const Pool &pool, const Inode &inode, uint64_t index, uint64_t limit) {
    MappedRun run{index, 0, limit};
    unsigned level = inode.height;
    if ((inode.flags & inode_inline) != 0 || level > max_map_height || index >= map_reach_blocks(level) || limit == 0)
        return run;
    const uint64_t *pointers = inode.content.slots;
    uint64_t length = inode_slots;
    uint64_t i = index >> (node_bits * level);
    for (; level > 0; --level) {
        uint64_t node = load_pointer(pointers + i);
        if (!pool.block_in_range(node)) {
            run.count = std::min(limit, span_of(level) - (index & (span_of(level) - 1)));
            return run;
        }
        pointers = pool.at<MapNode>(node * block_size_bytes)->pointers;
        length = pointers_per_node;
        i = (index >> (node_bits * (level - 1))) & (pointers_per_node - 1);
    }
    uint64_t first = load_pointer(pointers + i);
    bool hole = !pool.block_in_range(first);
    uint64_t count = 1;
    while (i + count < length && count < limit) {
        uint64_t next = load_pointer(pointers + i + count);
        if (hole ? pool.block_in_range(next) : next != first + count || !pool.block_in_range(next))
            break;
        ++count;
    }
    run.block = hole ? 0 : first;
    run.count = count;
    return run;
}

base::Status map_set(Call &call, Inode &inode, uint64_t index, std::span<const BlockRun> runs) {
    uint64_t count = 0;
    for (const BlockRun &run : runs)
        count += run.count;
    if (count == 0)
        return {};
    if (inode.height > max_map_height)
        return base::error(EUCLEAN);
    uint64_t slots[inode_slots];
    FreeRuns frees(call, inode);
    BASE_TRY(frees.begin());
    SetWalk walk{call, inode, frees, runs};
    while (index + count > map_reach_blocks(inode.height)) {
        if (walk.grown != 0)
            return base::error(EFBIG); // the caller has not called map_prepare
        std::memcpy(slots, inode.content.slots, sizeof(slots));
        BASE_TRY_ASSIGN(walk.grown, grow(call, inode));
        walk.grown_slots = slots;
    }
    Array top;
    top.slots = inode.content.slots;
    BASE_TRY(set_array(walk, top, inode.height, index, index + count));
    frees.finish();
    return {};
}

base::Result<bool> map_prepare(Call &call, Inode &inode, uint64_t index) {
    if (inode.height > max_map_height)
        return base::error(EUCLEAN);
    if (index < map_reach_blocks(inode.height) || no_pointers(inode))
        return true;
    if (inode.height + 1u > max_map_height)
        return base::error(EFBIG);
    if (index < map_reach_blocks(inode.height + 1u))
        return true;
    BASE_TRY(grow(call, inode));
    return false;
}

base::Result<bool> map_lower(Call &call, Inode &inode) {
    if (inode.height == 0 || inode.height > max_map_height)
        return false;
    uint64_t *slots = inode.content.slots;
    if (std::any_of(slots + 1, slots + inode_slots, [](uint64_t slot) { return slot != 0; }))
        return false;
    if (const uint64_t node = slots[0] & pointer_block_mask; node != 0) {
        if (!call.pool().block_in_range(node) || inode.block_count == 0)
            return base::error(EUCLEAN);
        const uint64_t *pointers = call.pool().at<MapNode>(node * block_size_bytes)->pointers;
        if (std::any_of(pointers + inode_slots, pointers + pointers_per_node,
                        [](const uint64_t &pointer) { return load_pointer(&pointer) != 0; }))
            return false;
        std::memcpy(slots, pointers, inode_slots * sizeof(uint64_t));
        release_blocks(call, {node, 1});
        --inode.block_count;
    }
    --inode.height;
    return true;
}

base::Result<uint64_t> map_clear_step(Call &call, Inode &inode, uint64_t first, uint64_t end) {
    if (inode.height > max_map_height)
        return base::error(EUCLEAN);
    const uint64_t reached = std::min(end, map_reach_blocks(inode.height));
    if (first >= reached)
        return end;
    FreeRuns frees(call, inode);
    BASE_TRY(frees.begin());
    ClearWalk walk{call, inode, frees};
    Array top;
    top.slots = inode.content.slots;
    BASE_TRY(clear_array(walk, top, inode_slots, inode.height, 0, first, reached));
    frees.finish();
    return walk.full ? walk.stopped : end;
}

base::Result<bool> map_truncate_step(Call &call, Inode &inode, uint64_t first) {
    if ((inode.flags & inode_inline) != 0)
        return true;
    if (inode.height > max_map_height || inode.block_count > map_max_blocks(call.pool(), inode))
        return base::error(EUCLEAN);
    FreeRuns frees(call, inode);
    BASE_TRY(frees.begin());
    TruncateWalk walk{call, inode, frees, S_ISDIR(inode.mode)};
    unsigned level = walk.directory ? max_trie_nodes_deep : inode.height;
    BASE_TRY_ASSIGN(uint64_t kept, truncate_array(walk, inode.content.slots, inode_slots, level, first));
    frees.finish();
    std::memset(inode.content.slots + kept, 0, (inode_slots - kept) * 8);
    if (no_pointers(inode)) {
        inode.height = 0;
        inode.flags &= static_cast<uint16_t>(~inode_may_share);
    }
    return !walk.full;
}

bool map_visit(const Pool &pool, const Inode &inode, bool (*visit)(void *, BlockNumber, int64_t), void *context) {
    if ((inode.flags & inode_inline) != 0 || inode.height > max_map_height)
        return true;
    return visit_array(pool, inode.content.slots, inode_slots, inode.height, 0, visit, context);
}

} // namespace pmemfile
