// The idea: room in a leaf is found anew at each insert, from the live slots
// alone, in a bitmap of the leaf's 512 eight-byte units. Nothing on media says
// what is free, so removing a name is one 8-byte store, and the slots a split
// leaves behind need no store at all.
//
//     [header][slot slot … ]          [entry]  gap  [entry][entry]
//     ████████████████████░░░░░░░░░░░░██████████░░░░████████████████
#include "libpmemfile/names/leaf.h"

#include <array>

namespace pmemfile {
namespace {

constexpr unsigned unit_bytes = 8;
constexpr unsigned unit_count = block_size_bytes / unit_bytes;
constexpr unsigned header_units = sizeof(DirectoryLeaf) / unit_bytes;
static_assert(sizeof(DirectorySlot) == unit_bytes);

using Units = std::array<uint64_t, unit_count / 64>;

void mark(Units &units, unsigned first, unsigned count) {
    for (unsigned i = first; i < first + count && i < unit_count; ++i)
        units[i / 64] |= uint64_t{1} << (i % 64);
}

bool is_marked(const Units &units, unsigned i) {
    return units[i / 64] >> (i % 64) & 1;
}

// First unit of the highest free run of `count` units; 0 if there is none.
unsigned find_free(const Units &units, unsigned count) {
    unsigned run = 0;
    for (unsigned i = unit_count; i-- > header_units;) {
        run = is_marked(units, i) ? 0 : run + 1;
        if (run == count)
            return i;
    }
    return 0;
}

PoolOffset slot_offset(BlockNumber block, unsigned slot) {
    return block * block_size_bytes + sizeof(DirectoryLeaf) + slot * sizeof(DirectorySlot);
}

} // namespace

LeafPlan leaf_plan(const DirectoryLeaf &leaf, unsigned depth, uint64_t prefix, unsigned skip, size_t name_length) {
    LeafPlan plan;
    Units units{};
    unsigned slots = slot_limit(leaf);
    unsigned needed = entry_bytes(name_length) / unit_bytes;
    unsigned live = 0, live_units = 0;
    plan.slot = slots;
    mark(units, 0, header_units + slots);
    for (unsigned i = 0; i < slots; ++i) {
        const DirectorySlot slot = leaf.slots[i];
        if (i == skip || live_entry(leaf, slot, depth, prefix) == nullptr) {
            // The slot of a name that goes in the same record comes first: one store does both.
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
    plan.fit =
        header_units + live + 1 + live_units + needed <= unit_count ? LeafFit::fragmented : LeafFit::full;
    return plan;
}

bool half_has_room(const DirectoryLeaf &leaf, unsigned skip, bool upper, size_t name_length) {
    unsigned depth = leaf.depth + 1u;
    uint64_t prefix = leaf.prefix | (upper ? uint64_t{1} << (hash_bits - depth) : 0);
    size_t used = sizeof(DirectoryLeaf) + sizeof(DirectorySlot) + entry_bytes(name_length);
    for (unsigned i = 0; i < slot_limit(leaf); ++i) {
        const DirectorySlot slot = leaf.slots[i];
        if (i != skip && live_entry(leaf, slot, depth, prefix) != nullptr)
            used += sizeof(DirectorySlot) + entry_bytes(slot.length);
    }
    return used <= block_size_bytes;
}

void leaf_insert(Call &call, BlockNumber block, unsigned depth, unsigned skip, const LeafPlan &plan,
                 const NewEntry &entry) {
    const DirectoryLeaf &leaf = *call.pool().at<DirectoryLeaf>(block * block_size_bytes);
    unsigned slots = slot_limit(leaf);
    PoolOffset entry_begin = block * block_size_bytes + plan.offset;
    unsigned entry_end = plan.offset + entry_bytes(entry.name.size());
    unsigned slots_end = static_cast<unsigned>(sizeof(DirectoryLeaf) + (plan.slot + 1) * sizeof(DirectorySlot));
    for (unsigned i = 0; i < slots; ++i) {
        const DirectorySlot old = leaf.slots[i];
        unsigned old_end = old.offset + entry_bytes(old.length);
        bool overrun = old.offset < entry_end && plan.offset < old_end;
        overrun |= plan.slot == slots && old.offset < slots_end;
        if (i != plan.slot && old.offset != 0 && (i == skip || overrun))
            call.store64(slot_offset(block, i), 0);
    }
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
    DirectoryLeaf header = leaf;
    header.depth = static_cast<uint16_t>(depth);
    header.slot_count = static_cast<uint16_t>(plan.slot == slots ? slots + 1 : slots);
    if (header.depth != leaf.depth || header.slot_count != leaf.slot_count)
        call.store(block * block_size_bytes, &header, offsetof(DirectoryLeaf, prefix));
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

bool LeafImage::add_live(const DirectoryLeaf &leaf, unsigned skip) {
    for (unsigned i = 0; i < slot_limit(leaf); ++i) {
        const DirectorySlot slot = leaf.slots[i];
        const DirectoryEntry *entry = live_entry(leaf, slot, leaf_->depth, leaf_->prefix);
        if (i != skip && entry != nullptr &&
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
