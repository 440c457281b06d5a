// leaf: one 4 KiB leaf of a directory: which slots live, where a name fits, and
// building a leaf anew. Private to the names floor, but for LeafPlan in a DirectoryRoom.
#pragma once

#include "libpmemfile/journal/call.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <emmintrin.h>
#include <string_view>

namespace pmemfile {

constexpr unsigned hash_bits = 64;
constexpr unsigned max_leaf_slots = (block_size_bytes - sizeof(DirectoryLeaf)) / sizeof(DirectorySlot);
constexpr unsigned no_slot = ~0u;

// The first `bits` bits of `hash`, left-aligned.
constexpr uint64_t hash_prefix(uint64_t hash, unsigned bits) {
    return bits == 0 ? 0 : hash >> (hash_bits - bits) << (hash_bits - bits);
}

// Bytes an entry takes in the heap.
constexpr unsigned entry_bytes(size_t name_length) {
    return static_cast<unsigned>(sizeof(DirectoryEntry) + (name_length + 7) / 8 * 8);
}

// Slots that may be looked at: a damaged or torn leaf may say anything.
inline unsigned slot_limit(const DirectoryLeaf &leaf) {
    unsigned count = __atomic_load_n(&leaf.slot_count, __ATOMIC_RELAXED);
    return count < max_leaf_slots ? count : max_leaf_slots;
}

// Slots are searched four at a time. What lies behind the last one is the block's, too.
struct FourSlots {
    static_assert(max_leaf_slots % 4 == 0);
    explicit FourSlots(const DirectorySlot *slots)
        : first(_mm_loadu_ps(reinterpret_cast<const float *>(slots))),
          last(_mm_loadu_ps(reinterpret_cast<const float *>(slots + 2))) {}
    __m128i tags() const {
        return _mm_castps_si128(_mm_shuffle_ps(first, last, _MM_SHUFFLE(2, 0, 2, 0)));
    }
    // 32 bits each.
    __m128i offsets() const {
        return _mm_and_si128(_mm_castps_si128(_mm_shuffle_ps(first, last, _MM_SHUFFLE(3, 1, 3, 1))),
                             _mm_set1_epi32(0xffff));
    }
    __m128 first, last;
};

// Bit i: 32-bit word i is the same.
inline unsigned equal_words(__m128i one, __m128i other) {
    return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(one, other))));
}

// The first slot of [from, end) with this tag; `end` if none has it. `end` is no more than slot_limit().
inline unsigned find_tag(const DirectoryLeaf &leaf, unsigned from, unsigned end, uint32_t tag) {
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(tag));
    for (unsigned i = from & ~3u; i < end; i += 4) {
        unsigned found = equal_words(FourSlots(leaf.slots + i).tags(), wanted);
        if (i < from)
            found &= ~0u << (from - i);
        if (found != 0)
            return std::min(end, i + static_cast<unsigned>(std::countr_zero(found)));
    }
    return end;
}

// The entry of slot `slot`, or null when it is free or damaged. `slot` is a copy: the leaf may change meanwhile.
inline const DirectoryEntry *live_entry(const DirectoryLeaf &leaf, const DirectorySlot &slot) {
    if (slot.offset < sizeof(DirectoryLeaf) || slot.offset % 8 != 0 || slot.length == 0 ||
        slot.offset + sizeof(DirectoryEntry) + slot.length > block_size_bytes)
        return nullptr;
    return reinterpret_cast<const DirectoryEntry *>(reinterpret_cast<const std::byte *>(&leaf) + slot.offset);
}

// A name on its way into a leaf.
struct NewEntry {
    uint64_t hash = 0;
    std::string_view name;
    InodeNumber inode = 0;
    uint8_t type = 0; // DT_*
};

enum class LeafFit { fits, fragmented, full };

// Where a new entry can go in a leaf.
struct LeafPlan {
    LeafFit fit = LeafFit::full;
    unsigned slot = 0;   // slot to use; equal to slot_count: one more slot
    unsigned offset = 0; // of the entry
};

// Looks for room. Slot `skip` counts as free.
LeafPlan leaf_plan(const DirectoryLeaf &leaf, unsigned skip, size_t name_length);

// True when the entries of the half of `leaf` whose bit `leaf.depth` is `upper` leave room for the name.
bool half_has_room(const DirectoryLeaf &leaf, unsigned skip, bool upper, size_t name_length);

// Adds the changes that put `entry` where `plan` says, into leaf `block`.
void leaf_insert(Call &call, BlockNumber block, unsigned skip, const LeafPlan &plan, const NewEntry &entry);

// A leaf under construction in a block of scratch memory.
class LeafImage {
public:
    LeafImage(std::byte *memory, InodeNumber directory, unsigned depth, uint64_t prefix);
    bool add(const NewEntry &entry);
    // Copies the entries of `leaf` that belong under depth and prefix of this image, but for slot `skip`.
    bool add_from(const DirectoryLeaf &leaf, unsigned skip);
    // Adds the stores of the parts in use to the record.
    void store(Call &call, BlockNumber block) const;

private:
    std::byte *memory_;
    DirectoryLeaf *leaf_;
    unsigned heap_begin_ = block_size_bytes;
};

} // namespace pmemfile
