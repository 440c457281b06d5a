// The idea: a directory is read in the order of its hashes, so a place in it is
// a number that no insert or remove changes. Each leaf is copied whole under the
// sequence counter, sorted, and handed out; then comes the leaf of the next hash.
#include "libpmemfile/names/directory.h"

#include "libpmemfile/names/leaf.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <dirent.h>
#include <sys/stat.h>

namespace pmemfile {
namespace {

constexpr uint64_t first_position = 3; // 0 to 2 are the beginning, "." and ".."

uint64_t position_of(uint64_t hash) {
    return std::clamp<uint64_t>(hash >> 1, first_position, INT64_MAX - 1);
}

// What one step copies of a directory.
struct LeafCopy {
    InodeNumber parent = 0;
    bool is_empty = false; // no leaf for the hash: none at all
};

const DirectoryLeaf &scratch_leaf(const Thread &thread) {
    return *reinterpret_cast<const DirectoryLeaf *>(thread.block[0]);
}

// Finds the block of the leaf that `hash` leads to; 0: none, or garbage.
BlockNumber find_leaf(const Pool &pool, const Inode &directory, uint64_t hash, bool *is_empty) {
    const uint64_t *pointers = directory.content.slots;
    unsigned width = trie_root_bits;
    for (unsigned before = 0; before + width <= hash_bits; width = trie_node_bits) {
        BlockNumber block = __atomic_load_n(pointers + (hash << before >> (hash_bits - width)), __ATOMIC_RELAXED);
        *is_empty = block == 0 && before == 0;
        if (!pool.block_in_range(block))
            return 0;
        if (pool.at<DirectoryLeaf>(block * block_size_bytes)->magic == leaf_magic)
            return block;
        before += width;
        pointers = pool.at<MapNode>(block * block_size_bytes)->pointers;
    }
    return 0;
}

// Copies the leaf of `hash` to Thread::block[0].
base::Result<LeafCopy> copy_leaf(Thread &thread, InodeNumber number, uint64_t hash) {
    const Pool &pool = *thread.pool;
    LeafCopy copy;
    for (ReadSection section(thread, number); section.next();) {
        const Inode *home = pool.inode(number);
        base::Status status;
        if (home == nullptr || home->link_count == 0) {
            status = base::error(ENOENT);
        } else if (!S_ISDIR(home->mode)) {
            status = base::error(ENOTDIR);
        } else {
            copy.parent = home->parent;
            BlockNumber block = find_leaf(pool, *home, hash, &copy.is_empty);
            if (block != 0)
                std::memcpy(thread.block[0], pool.block(block), block_size_bytes);
            else if (!copy.is_empty)
                status = base::error(EUCLEAN);
        }
        if (!section.valid())
            continue;
        BASE_TRY(status);
        break;
    }
    const DirectoryLeaf &leaf = scratch_leaf(thread);
    if (!copy.is_empty && (leaf.magic != leaf_magic || leaf.depth > hash_bits || leaf.slot_count > max_leaf_slots ||
                           leaf.prefix != hash_prefix(hash, leaf.depth)))
        return base::error(EUCLEAN);
    return copy;
}

// Hands out the copied leaf's entries from position `from` on. False: the buffer is full.
bool emit_leaf(Thread &thread, uint64_t from, DirectoryEmit emit, void *context) {
    const DirectoryLeaf &leaf = scratch_leaf(thread);
    auto *order = reinterpret_cast<uint16_t *>(thread.block[1]);
    unsigned count = 0;
    auto entry_of = [&](unsigned slot) { return live_entry(leaf, leaf.slots[slot]); };
    for (unsigned i = 0; i < leaf.slot_count; ++i) {
        const DirectoryEntry *entry = entry_of(i);
        if (entry != nullptr && position_of(entry->hash) >= from)
            order[count++] = static_cast<uint16_t>(i);
    }
    std::sort(order, order + count, [&](uint16_t a, uint16_t b) { return entry_of(a)->hash < entry_of(b)->hash; });
    for (unsigned i = 0; i < count; ++i) {
        const DirectoryEntry &entry = *entry_of(order[i]);
        const DirectorySlot &slot = leaf.slots[order[i]];
        uint64_t position = position_of(entry.hash);
        bool same_position = i + 1 < count && position_of(entry_of(order[i + 1])->hash) == position;
        if (!emit(context, {entry.name, slot.length}, entry.inode, slot.type, same_position ? position : position + 1,
                  same_position))
            return false;
    }
    return true;
}

} // namespace

base::Status directory_read(Thread &thread, InodeNumber number, uint64_t from, DirectoryEmit emit, void *context) {
    uint64_t hash = from <= first_position ? 0 : from << 1;
    if (from > first_position && from > static_cast<uint64_t>(INT64_MAX) - 1)
        return {};
    for (;;) {
        BASE_TRY_ASSIGN(LeafCopy copy, copy_leaf(thread, number, hash));
        if (from < 1 && !emit(context, ".", number, DT_DIR, 1, false))
            return {};
        if (from < 2 && !emit(context, "..", copy.parent, DT_DIR, 2, false))
            return {};
        from = std::max<uint64_t>(from, 2);
        if (copy.is_empty || !emit_leaf(thread, from, emit, context))
            return {};
        const DirectoryLeaf &leaf = scratch_leaf(thread);
        if (leaf.depth == 0)
            return {};
        hash = leaf.prefix + (uint64_t{1} << (hash_bits - leaf.depth));
        if (hash == 0)
            return {};
    }
}

} // namespace pmemfile
