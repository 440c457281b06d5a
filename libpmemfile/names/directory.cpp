// The idea: the hash of a name, read from the top, is the way to its leaf.
//
//     inode: 16 slots ──4 bits──► node: 512 ──9 bits──► node … ──► leaf (depth d)
//
// A leaf of depth d hangs on all pointers whose bits begin with its prefix. A
// full leaf splits by the next bit: the names with a 1 go to a new leaf. Both halves are packed
// and travel in the record of the insert.
#include "libpmemfile/names/directory.h"

#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/names/leaf.h"
#include "libpmemfile/space/allocator.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <sys/stat.h>

namespace pmemfile {
namespace {

// Lines of slots that are fetched ahead: about half of a leaf's.
constexpr unsigned leaf_lines_ahead = 6;

uint64_t load_pointer(const uint64_t *address) {
    return __atomic_load_n(address, __ATOMIC_RELAXED) & pointer_block_mask;
}

const DirectoryLeaf &leaf_at(const Pool &pool, BlockNumber block) {
    return *pool.at<DirectoryLeaf>(block * block_size_bytes);
}

bool is_leaf(const Pool &pool, BlockNumber block) {
    return __atomic_load_n(&leaf_at(pool, block).magic, __ATOMIC_RELAXED) == leaf_magic;
}

// What the search looks at next, whichever it is, before it is known (from the magic, on another line).
void prefetch_table_or_leaf(const Pool &pool, BlockNumber block, uint64_t index) {
    const std::byte *begin = pool.block(block);
    __builtin_prefetch(begin + index * sizeof(uint64_t));
    for (unsigned line = 1; line <= leaf_lines_ahead; ++line)
        __builtin_prefetch(begin + line * cache_line_bytes);
}

base::Result<TriePlace> trie_find(const Pool &pool, const Inode &directory, uint64_t hash) {
    TriePlace place;
    const uint64_t *pointers = directory.content.slots;
    unsigned width = trie_root_bits;
    for (unsigned before = 0; before + width <= hash_bits; width = trie_node_bits) {
        place.index = static_cast<unsigned>(hash << before >> (hash_bits - width));
        BlockNumber block = load_pointer(pointers + place.index);
        if (block == 0 && before == 0)
            return place;
        if (!pool.block_in_range(block))
            return base::error(EUCLEAN);
        before += width;
        prefetch_table_or_leaf(pool, block, hash << before >> (hash_bits - trie_node_bits));
        place.bits_after = before;
        if (is_leaf(pool, block)) {
            place.leaf = block;
            return place;
        }
        place.table = block;
        pointers = pool.at<MapNode>(block * block_size_bytes)->pointers;
    }
    return base::error(EUCLEAN);
}

// The same for a writer: what it goes by must fit together, or it would spread damage.
base::Result<TriePlace> trie_find_checked(const Pool &pool, InodeNumber number, const Inode &directory, uint64_t hash) {
    BASE_TRY_ASSIGN(TriePlace place, trie_find(pool, directory, hash));
    if (place.leaf == 0)
        return place;
    const DirectoryLeaf &leaf = leaf_at(pool, place.leaf);
    unsigned bits_before = place.table == 0 ? 0 : place.bits_after - trie_node_bits;
    if (leaf.depth > place.bits_after || leaf.depth < bits_before || leaf.directory != number ||
        leaf.prefix != hash_prefix(hash, leaf.depth) || leaf.slot_count > max_leaf_slots)
        return base::error(EUCLEAN);
    return place;
}

// Index of `dentry`'s slot when it stands in leaf `block`.
unsigned slot_in(const Dentry *dentry, BlockNumber block) {
    if (dentry == nullptr || dentry->slot_offset / block_size_bytes != block)
        return no_slot;
    return static_cast<unsigned>((dentry->slot_offset % block_size_bytes - sizeof(DirectoryLeaf)) /
                                 sizeof(DirectorySlot));
}

// A node begins with the number of a leaf or node, a leaf with its magic: a block whose number reads as the magic (one
// in each 16 TiB) would make its node a leaf. Such a block is given back.
base::Result<BlockNumber> allocate_trie_block(Call &call) {
    BASE_TRY_ASSIGN(const BlockNumber block, allocate_block(call));
    if (static_cast<uint32_t>(block) != leaf_magic)
        return block;
    BASE_TRY_ASSIGN(const BlockNumber other, allocate_block(call));
    release_blocks(call, {block, 1});
    return other;
}

// Adds the new leaf to the trie: everything of a split but the leaves' own bytes.
base::Result<BlockNumber> grow_trie(Call &call, Inode &directory, const TriePlace &place, unsigned depth) {
    if (depth == hash_bits)
        return base::error(ENOSPC);
    BASE_TRY_ASSIGN(BlockNumber fresh, allocate_trie_block(call));
    ++directory.block_count;
    directory.size_bytes += block_size_bytes;
    auto fill = [&](unsigned first, unsigned count, BlockNumber block) {
        if (place.table != 0)
            call.fill_pointers(place.table * block_size_bytes + first * 8, count, block, 0);
        else
            std::fill_n(directory.content.slots + first, count, block);
    };
    if (depth < place.bits_after) {
        unsigned run = 1u << (place.bits_after - depth);
        fill((place.index & ~(run - 1)) + run / 2, run / 2, fresh);
        return fresh;
    }
    if (place.bits_after + trie_node_bits > hash_bits)
        return base::error(ENOSPC); // names that agree in 58 bits of their hash
    BASE_TRY_ASSIGN(BlockNumber node, allocate_trie_block(call));
    ++directory.block_count;
    PoolOffset offset = node * block_size_bytes;
    call.fill_pointers(offset, pointers_per_node / 2, place.leaf, 0);
    call.fill_pointers(offset + block_size_bytes / 2, pointers_per_node / 2, fresh, 0);
    fill(place.index, 1, node);
    return fresh;
}

// Splits the leaf and puts `entry` (if any) into the half it belongs to.
base::Status split(Call &call, InodeNumber number, Inode &directory, const TriePlace &place, unsigned skip,
                   const NewEntry *entry) {
    const DirectoryLeaf &leaf = leaf_at(call.pool(), place.leaf);
    unsigned depth = leaf.depth + 1u;
    BASE_TRY_ASSIGN(BlockNumber fresh, grow_trie(call, directory, place, leaf.depth));
    uint64_t bit = uint64_t{1} << (hash_bits - depth);
    for (bool is_upper : {false, true}) {
        LeafImage half(call.thread().block[0], number, depth, is_upper ? leaf.prefix | bit : leaf.prefix);
        bool fits = half.add_from(leaf, skip);
        if (entry != nullptr && ((entry->hash & bit) != 0) == is_upper)
            fits = fits && half.add(*entry);
        if (!fits)
            return base::error(ENOBUFS); // the caller has not called directory_reserve
        half.store(call, is_upper ? fresh : place.leaf);
    }
    return {};
}

bool visit_table(const Pool &pool, const uint64_t *pointers, unsigned count, unsigned bits_after,
                 bool (*visit)(void *, BlockNumber, bool), void *context) {
    BlockNumber last = 0;
    for (unsigned i = 0; i < count; ++i) {
        BlockNumber block = load_pointer(pointers + i);
        if (block == last || !pool.block_in_range(block))
            continue;
        last = block;
        bool leaf = is_leaf(pool, block);
        if (!visit(context, block, leaf))
            return false;
        if (!leaf && bits_after + trie_node_bits <= hash_bits &&
            !visit_table(pool, pool.at<MapNode>(block * block_size_bytes)->pointers, pointers_per_node,
                         bits_after + trie_node_bits, visit, context))
            return false;
    }
    return true;
}

} // namespace

uint64_t name_hash(const Pool &pool, std::string_view name) {
    return XXH3_64bits_withSeed(name.data(), name.size(), pool.superblock().journal_nonce);
}

base::Result<Dentry> directory_lookup(const Pool &pool, const Inode &directory, std::string_view name) {
    Dentry dentry;
    dentry.hash = name_hash(pool, name);
    BASE_TRY_ASSIGN(TriePlace place, trie_find(pool, directory, dentry.hash));
    if (place.leaf == 0 || name.size() > name_max_bytes)
        return dentry;
    const DirectoryLeaf &leaf = leaf_at(pool, place.leaf);
    auto tag = static_cast<uint32_t>(dentry.hash);
    const unsigned end = slot_limit(leaf);
    for (unsigned i = find_tag(leaf, 0, end, tag); i < end; i = find_tag(leaf, i + 1, end, tag)) {
        const DirectorySlot slot = leaf.slots[i]; // it may have changed since
        if (slot.length != name.size())
            continue;
        const DirectoryEntry *entry = live_entry(leaf, slot);
        if (entry == nullptr || entry->hash != dentry.hash || std::memcmp(entry->name, name.data(), name.size()) != 0)
            continue;
        dentry.inode = entry->inode;
        dentry.type = slot.type;
        dentry.slot_offset = pool.persist.offset_of(&leaf.slots[i]);
        dentry.entry_offset = pool.persist.offset_of(entry);
        break;
    }
    return dentry;
}

base::Result<size_t> directory_name_of(const Pool &pool, const Inode &directory, uint64_t hash, InodeNumber child,
                                       char *name) {
    BASE_TRY_ASSIGN(TriePlace place, trie_find(pool, directory, hash));
    if (place.leaf == 0)
        return size_t{0};
    const DirectoryLeaf &leaf = leaf_at(pool, place.leaf);
    for (unsigned i = 0, end = slot_limit(leaf); i < end; ++i) {
        const DirectorySlot slot = leaf.slots[i];
        const DirectoryEntry *entry = live_entry(leaf, slot);
        if (entry == nullptr || entry->hash != hash || entry->inode != child)
            continue;
        std::memcpy(name, entry->name, slot.length);
        return size_t{slot.length};
    }
    return size_t{0};
}

base::Result<DirectoryRoom> directory_reserve(Call &call, InodeNumber number, std::string_view name,
                                              const Dentry *removed, bool stays) {
    DirectoryRoom room;
    room.hash = name_hash(call.pool(), name);
    for (;; room.has_split = true) {
        const Inode *home = call.pool().inode(number);
        if (home == nullptr)
            return base::error(EUCLEAN);
        BASE_TRY_ASSIGN(room.place, trie_find_checked(call.pool(), number, *home, room.hash));
        const TriePlace &place = room.place;
        if (place.leaf == 0)
            return room;
        const DirectoryLeaf &leaf = leaf_at(call.pool(), place.leaf);
        // After a split of ours `removed` may stand elsewhere; as if it stays is the safe side.
        const unsigned skip = room.has_split ? no_slot : slot_in(removed, place.leaf);
        room.plan = leaf_plan(leaf, skip, name.size());
        const LeafFit fit = room.plan.fit;
        if (fit == LeafFit::fits || (fit == LeafFit::fragmented && !stays))
            return room;
        const bool upper = leaf.depth < hash_bits && (room.hash >> (hash_bits - 1 - leaf.depth) & 1) != 0;
        if (fit == LeafFit::full && leaf.depth == hash_bits)
            return base::error(ENOSPC);
        if (fit == LeafFit::full && !stays && half_has_room(leaf, skip, upper, name.size()))
            return room;
        if (!call.empty()) {
            room.wants_empty_call = true;
            return room;
        }
        if (fit == LeafFit::fragmented) {
            LeafImage image(call.thread().block[0], number, leaf.depth, leaf.prefix);
            if (!image.add_from(leaf, no_slot))
                return base::error(EUCLEAN);
            image.store(call, place.leaf);
            BASE_TRY(call.commit());
            continue;
        }
        Inode copy = *home;
        BASE_TRY(split(call, number, copy, place, no_slot, nullptr));
        store_changes(call, number, copy);
        BASE_TRY(call.commit());
    }
}

base::Status directory_insert(Call &call, InodeNumber number, Inode &directory, const DirectoryRoom &room,
                              std::string_view name, InodeNumber inode, uint8_t type, const Dentry *removed) {
    if (name.size() > name_max_bytes)
        return base::error(ENAMETOOLONG);
    const Pool &pool = call.pool();
    const NewEntry entry{room.hash, name, inode, type};
    const TriePlace &place = room.place;
    ++directory.entry_count;
    if (removed != nullptr)
        --directory.entry_count;
    if (place.leaf == 0) {
        BASE_TRY_ASSIGN(BlockNumber block, allocate_trie_block(call));
        ++directory.block_count;
        directory.size_bytes += block_size_bytes;
        std::fill_n(directory.content.slots, inode_slots, block);
        LeafImage image(call.thread().block[0], number, 0, 0);
        image.add(entry);
        image.store(call, block);
        return {};
    }
    const DirectoryLeaf &leaf = leaf_at(pool, place.leaf);
    unsigned skip = slot_in(removed, place.leaf);
    if (removed != nullptr && skip == no_slot)
        call.store64(removed->slot_offset, 0);
    // A split has moved `removed`, and its caller has looked it up again.
    const LeafPlan plan = room.has_split ? leaf_plan(leaf, skip, name.size()) : room.plan;
    switch (plan.fit) {
    case LeafFit::fits:
        leaf_insert(call, place.leaf, skip, plan, entry);
        return {};
    case LeafFit::fragmented: {
        LeafImage image(call.thread().block[0], number, leaf.depth, leaf.prefix);
        if (!image.add_from(leaf, skip) || !image.add(entry))
            return base::error(EUCLEAN);
        image.store(call, place.leaf);
        return {};
    }
    case LeafFit::full:
        break;
    }
    return split(call, number, directory, place, skip, &entry);
}

void directory_remove(Call &call, Inode &directory, const Dentry &dentry) {
    call.store64(dentry.slot_offset, 0);
    --directory.entry_count;
}

void directory_replace(Call &call, const Dentry &dentry, InodeNumber inode, uint8_t type) {
    call.store64(dentry.entry_offset, inode);
    DirectorySlot slot = *call.pool().at<DirectorySlot>(dentry.slot_offset);
    if (slot.type == type)
        return;
    slot.type = type;
    call.store(dentry.slot_offset, &slot, sizeof(slot));
}

bool directory_visit_blocks(const Pool &pool, const Inode &directory, bool (*visit)(void *, BlockNumber, bool is_leaf),
                            void *context) {
    return visit_table(pool, directory.content.slots, inode_slots, trie_root_bits, visit, context);
}

} // namespace pmemfile
