// The idea: nothing on media says what is free. Room for a name is the gap between the
// slots and the lowest entry, which the slots alone tell. When that is used up, the holes between
// the entries are found anew, from the live slots, in a bitmap of the leaf's 512
// eight-byte units. So removing a name is one 8-byte store, and the slots a split leaves
// behind need no store at all.
//
//     [header][slot slot … ]     gap      [entry]hole[entry][entry]
//     ████████████████████░░░░░░░░░░░░░░░░███████░░░░██████████████
#include "libpmemfile/names/leaf.h"

#include <algorithm>
#include <array>
#include <bit>

namespace pmemfile {
namespace {

constexpr unsigned unit_bytes = 8;
constexpr unsigned unit_count = block_size_bytes / unit_bytes;
constexpr unsigned header_units = sizeof(DirectoryLeaf) / unit_bytes;
static_assert(sizeof(DirectorySlot) == unit_bytes);

using Units = std::array<uint64_t, unit_count / 64>;

void mark(Units &units, unsigned first, unsigned count) {
    const unsigned end = std::min(first + count, unit_count);
    while (first < end) {
        const unsigned bit = first % 64;
        const unsigned here = std::min(64 - bit, end - first);
        units[first / 64] |= ~uint64_t{0} >> (64 - here) << bit;
        first += here;
    }
}

bool is_marked(const Units &units, unsigned i) {
    return units[i / 64] >> (i % 64) & 1;
}

// Keeps the units of `runs` whose `distance`th follower (at most 63 away) is in `runs` too.
void keep_if_followed(Units &runs, unsigned distance) {
    for (unsigned i = 0; i < runs.size(); ++i) {
        const uint64_t next = i + 1 < runs.size() ? runs[i + 1] : 0;
        runs[i] &= distance == 0 ? runs[i] : runs[i] >> distance | next << (64 - distance);
    }
}

// First unit of the highest free run of `count` units (at most 64); 0 if there is none.
unsigned find_free(const Units &units, unsigned count) {
    Units runs; // bit i: a free run of `length` begins at i
    for (unsigned i = 0; i < runs.size(); ++i)
        runs[i] = ~units[i];
    unsigned length = 1;
    for (; length * 2 <= count; length *= 2)
        keep_if_followed(runs, length);
    keep_if_followed(runs, count - length);
    for (unsigned i = static_cast<unsigned>(runs.size()); i-- > 0;)
        if (runs[i] != 0)
            return i * 64 + 63 - static_cast<unsigned>(std::countl_zero(runs[i]));
    return 0;
}

// Room in the gap; only the slots are read. LeafFit::full if there is none.
LeafPlan plan_in_gap(const DirectoryLeaf &leaf, unsigned slots, unsigned skip, unsigned needed_bytes) {
    LeafPlan plan;
    plan.slot = slots;
    unsigned lowest = block_size_bytes;
    __m128i lowest_of_four = _mm_set1_epi32(block_size_bytes);
    unsigned i = 0;
    for (; i + 4 <= slots; i += 4) {
        const __m128i offsets = FourSlots(leaf.slots + i).offsets();
        const __m128i is_free = _mm_cmpeq_epi32(offsets, _mm_setzero_si128());
        const auto free_slots = static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(is_free)));
        if (free_slots != 0 && plan.slot == slots)
            plan.slot = i + static_cast<unsigned>(std::countr_zero(free_slots));
        // The lower one: what is subtracted does not go below 0. A free slot counts as 0xffff.
        const __m128i used = _mm_or_si128(offsets, is_free);
        lowest_of_four = _mm_sub_epi16(lowest_of_four, _mm_subs_epu16(lowest_of_four, used));
    }
    for (; i < slots; ++i) {
        const unsigned offset = leaf.slots[i].offset;
        if (offset != 0)
            lowest = std::min(lowest, offset);
        else if (plan.slot == slots)
            plan.slot = i;
    }
    alignas(16) uint32_t lowest_words[4];
    _mm_store_si128(reinterpret_cast<__m128i *>(lowest_words), lowest_of_four);
    lowest = std::min(lowest, *std::min_element(std::begin(lowest_words), std::end(lowest_words)));
    if (skip < slots)
        plan.slot = skip; // of a name that goes in the same record: one store does both
    const unsigned slots_after = std::max(slots, plan.slot + 1);
    if (slots_after <= max_leaf_slots && lowest % unit_bytes == 0 &&
        sizeof(DirectoryLeaf) + slots_after * sizeof(DirectorySlot) + needed_bytes <= lowest) {
        plan.fit = LeafFit::fits;
        plan.offset = lowest - needed_bytes;
    }
    return plan;
}

PoolOffset slot_offset(BlockNumber block, unsigned slot) {
    return block * block_size_bytes + sizeof(DirectoryLeaf) + slot * sizeof(DirectorySlot);
}

} // namespace

LeafPlan leaf_plan(const DirectoryLeaf &leaf, unsigned skip, size_t name_length) {
    unsigned slots = slot_limit(leaf);
    LeafPlan plan = plan_in_gap(leaf, slots, skip, entry_bytes(name_length));
    if (plan.fit == LeafFit::fits)
        return plan;
    Units units{};
    unsigned needed = entry_bytes(name_length) / unit_bytes;
    unsigned live = 0, live_units = 0;
    plan.slot = slots;
    mark(units, 0, header_units + slots);
    for (unsigned i = 0; i < slots; ++i) {
        const DirectorySlot slot = leaf.slots[i];
        if (i == skip || live_entry(leaf, slot) == nullptr) {
            if (plan.slot == slots || i == skip)
                plan.slot = i;
            continue;
        }
        unsigned entry_units = entry_bytes(slot.length) / unit_bytes;
        mark(units, slot.offset / unit_bytes, entry_units);
        ++live;
        live_units += entry_units;
    }
    bool slot_fits = plan.slot < slots || (slots < max_leaf_slots && !is_marked(units, header_units + slots));
    if (slot_fits) {
        mark(units, header_units + plan.slot, 1);
        plan.offset = find_free(units, needed) * unit_bytes;
        if (plan.offset != 0) {
            plan.fit = LeafFit::fits;
            return plan;
        }
    }
    plan.fit = header_units + live + 1 + live_units + needed <= unit_count ? LeafFit::fragmented : LeafFit::full;
    return plan;
}

bool half_has_room(const DirectoryLeaf &leaf, unsigned skip, bool upper, size_t name_length) {
    size_t used = sizeof(DirectoryLeaf) + sizeof(DirectorySlot) + entry_bytes(name_length);
    for (unsigned i = 0; i < slot_limit(leaf); ++i) {
        const DirectorySlot slot = leaf.slots[i];
        const DirectoryEntry *entry = live_entry(leaf, slot);
        if (i != skip && entry != nullptr && (entry->hash >> (hash_bits - 1 - leaf.depth) & 1) == (upper ? 1 : 0))
            used += sizeof(DirectorySlot) + entry_bytes(slot.length);
    }
    return used <= block_size_bytes;
}

void leaf_insert(Call &call, BlockNumber block, unsigned skip, const LeafPlan &plan, const NewEntry &entry) {
    const DirectoryLeaf &leaf = *call.pool().at<DirectoryLeaf>(block * block_size_bytes);
    unsigned slots = slot_limit(leaf);
    if (skip < slots && skip != plan.slot)
        call.store64(slot_offset(block, skip), 0);
    PoolOffset entry_begin = block * block_size_bytes + plan.offset;
    std::byte *place = call.store_in_place(entry_begin, entry_bytes(entry.name.size()));
    if (place == nullptr)
        return; // commit() says so
    std::memset(place + entry_bytes(entry.name.size()) - 8, 0, 8);
    std::memcpy(place, &entry.inode, 8);
    std::memcpy(place + 8, &entry.hash, 8);
    std::memcpy(place + sizeof(DirectoryEntry), entry.name.data(), entry.name.size());
    DirectorySlot slot{static_cast<uint32_t>(entry.hash), static_cast<uint16_t>(plan.offset),
                       static_cast<uint8_t>(entry.name.size()), entry.type};
    call.store(slot_offset(block, plan.slot), &slot, sizeof(slot));
    if (plan.slot == slots) {
        DirectoryLeaf header = leaf;
        header.slot_count = static_cast<uint16_t>(slots + 1);
        call.store(block * block_size_bytes, &header, offsetof(DirectoryLeaf, prefix));
    }
}

LeafImage::LeafImage(std::byte *memory, InodeNumber directory, unsigned depth, uint64_t prefix)
    : memory_(memory), leaf_(reinterpret_cast<DirectoryLeaf *>(memory)) {
    std::memset(memory, 0, sizeof(DirectoryLeaf));
    leaf_->magic = leaf_magic;
    leaf_->depth = static_cast<uint16_t>(depth);
    leaf_->prefix = prefix;
    leaf_->directory = directory;
}

bool LeafImage::add(const NewEntry &entry) {
    unsigned size = entry_bytes(entry.name.size());
    unsigned slots_end =
        static_cast<unsigned>(sizeof(DirectoryLeaf) + (leaf_->slot_count + 1u) * sizeof(DirectorySlot));
    if (slots_end + size > heap_begin_)
        return false;
    heap_begin_ -= size;
    std::byte *place = memory_ + heap_begin_;
    std::memset(place + size - 8, 0, 8);
    std::memcpy(place, &entry.inode, 8);
    std::memcpy(place + 8, &entry.hash, 8);
    std::memcpy(place + sizeof(DirectoryEntry), entry.name.data(), entry.name.size());
    leaf_->slots[leaf_->slot_count++] = {static_cast<uint32_t>(entry.hash), static_cast<uint16_t>(heap_begin_),
                                         static_cast<uint8_t>(entry.name.size()), entry.type};
    return true;
}

bool LeafImage::add_from(const DirectoryLeaf &leaf, unsigned skip) {
    for (unsigned i = 0; i < slot_limit(leaf); ++i) {
        const DirectorySlot slot = leaf.slots[i];
        const DirectoryEntry *entry = live_entry(leaf, slot);
        if (i != skip && entry != nullptr && hash_prefix(entry->hash, leaf_->depth) == leaf_->prefix &&
            !add({entry->hash, std::string_view(entry->name, slot.length), entry->inode, slot.type}))
            return false;
    }
    return true;
}

void LeafImage::store(Call &call, BlockNumber block) const {
    PoolOffset offset = block * block_size_bytes;
    call.store(offset, memory_, sizeof(DirectoryLeaf) + leaf_->slot_count * sizeof(DirectorySlot));
    if (heap_begin_ < block_size_bytes)
        call.store(offset + heap_begin_, memory_ + heap_begin_, block_size_bytes - heap_begin_);
}

} // namespace pmemfile
