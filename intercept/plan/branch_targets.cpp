// branch_targets: one pass over text, data and relocations.
//
//   text         direct branches at any byte, as the processor encodes them, and addresses
//                that code computes (labels)
//   tables       what the distances at each such address lead to
//   data         each aligned word that is an address near a site (function tables,
//                computed gotos, initialisers), relocated yet or not
//   relocations  what they will store, and each exported symbol
#include "intercept/plan/branch_targets.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <span>
#include <sys/mman.h>

namespace intercept {
namespace {

constexpr size_t usual_candidates = 4;  // of a site
constexpr size_t usual_computed = 1024; // addresses in a piece of the text
constexpr size_t usual_entries = 64;    // of the other rows

// A position-independent object can hold addresses only where the loader may
// write. Others, and those whose text is relocated, anywhere.
bool may_hold_pointers(const Object &object, const Segment &segment) {
    if ((segment.protection & PROT_READ) == 0)
        return false;
    return (segment.protection & PROT_WRITE) != 0 || object.base == 0 || has_text_relocations(object);
}

} // namespace

bool BranchTargets::push_entry(uint64_t address, const Neighbourhood &near) {
    return !text_.contains(address) ||
           (entries_.push(address) && (!near.contains(address) || candidates_.push({address, 0})));
}

// A word that is not relocated yet may be any number: near a site it counts, elsewhere the relocation tells.
bool BranchTargets::scan_pointers(const Segment &segment, const Neighbourhood &near) {
    for (uint64_t a = (segment.range.begin + 7) & ~uint64_t{7}; a + 8 <= segment.file_end; a += 8) {
        uint64_t value = *reinterpret_cast<const uint64_t *>(a);
        if (!push_entry(value, near))
            return false;
        if (object_.base != 0 && near.contains(object_.base + value) && !candidates_.push({object_.base + value, 0}))
            return false;
    }
    return true;
}

bool BranchTargets::scan_relocations(int64_t table_tag, int64_t size_tag, const Neighbourhood &near) {
    uint64_t table = dynamic_address(object_, table_tag);
    uint64_t size_bytes = dynamic_value(object_, size_tag);
    SymbolTable symbols = symbol_table(object_);
    if (table == 0 || !object_.readable(table, size_bytes))
        return true;
    auto *entries = reinterpret_cast<const ElfW(Rela) *>(table);
    for (uint64_t i = 0; i < size_bytes / sizeof *entries; i++) {
        uint64_t value = object_.base + static_cast<uint64_t>(entries[i].r_addend);
        uint64_t symbol = ELF64_R_SYM(entries[i].r_info);
        if (symbol != 0 && symbol < symbols.count)
            value += symbols.symbols[symbol].st_value;
        if (!push_entry(value, near))
            return false;
    }
    return true;
}

namespace {

// Where entry `at` of a table of 32-bit distances from `table` leads.
uint64_t entry_target(uint64_t table, uint64_t at) {
    int32_t distance;
    memcpy(&distance, reinterpret_cast<const void *>(at), sizeof distance);
    return table + static_cast<uint64_t>(static_cast<int64_t>(distance));
}

template <typename T> void sort(base::PageArray<T> &row) {
    std::sort(row.begin(), row.end(), [](const T &a, const T &b) { return a.target < b.target; });
}

template <typename T> const T *first_at(const base::PageArray<T> &row, uint64_t address) {
    return std::lower_bound(row.begin(), row.end(), address, [](const T &one, uint64_t a) { return one.target < a; });
}

} // namespace

// By the piece, so that what is noted of each stays small.
bool BranchTargets::collect_addresses(const AddressRange &text, const Neighbourhood &near) {
    constexpr uint64_t piece_bytes = 64 * 1024;
    constexpr uint64_t overlap_bytes = 16; // no instruction is longer
    for (uint64_t at = text.begin; at < text.end; at += piece_bytes) {
        uint64_t end = std::min(text.end, at + piece_bytes + overlap_bytes);
        computed_.resize_down(0);
        if (!architecture_.find_addresses({at, end}, object_.span, computed_))
            return false;
        for (const BranchCandidate &candidate : computed_) {
            if (near.contains(candidate.target) && !candidates_.push(candidate))
                return false;
            if (!read_distances(candidate, near))
                return false;
        }
    }
    return true;
}

// What the text computes the address of may be a row of distances from there. Nobody says who jumps by it, and where
// it ends; but each of its entries leads to code.
bool BranchTargets::read_distances(const BranchCandidate &computed, const Neighbourhood &near) {
    const Segment *segment = object_.segment_of(computed.target);
    if (segment == nullptr || (segment->protection & PROT_READ) == 0)
        return true;
    for (uint64_t at = computed.target; at + sizeof(int32_t) <= segment->file_end; at += sizeof(int32_t)) {
        uint64_t target = entry_target(computed.target, at);
        if (!text_.contains(target))
            return true;
        if (near.contains(target) && !distances_.push({target, at, computed}))
            return false;
    }
    return true;
}

// An exported symbol may be called or jumped to from any other object.
bool BranchTargets::scan_symbols(const Neighbourhood &near) {
    SymbolTable symbols = symbol_table(object_);
    for (uint64_t i = 0; i < symbols.count; i++)
        if (!push_entry(object_.base + symbols.symbols[i].st_value, near))
            return false;
    return true;
}

AddressRange BranchTargets::whole_text() const {
    AddressRange text{UINT64_MAX, 0};
    for (const Segment &segment : std::span(object_.segments, object_.segment_count))
        if ((segment.protection & PROT_EXEC) != 0)
            text = {std::min(text.begin, segment.range.begin), std::max(text.end, segment.range.end)};
    return text;
}

size_t BranchTargets::needed_bytes(size_t sites) const {
    using base::SharedPages;
    constexpr size_t rows = 4; // of those whose size is usual, not known
    return Neighbourhood::needed_bytes(object_.span.size()) +
           SharedPages::round(usual_candidates * sites * sizeof(BranchCandidate)) +
           SharedPages::round(usual_computed * sizeof(BranchCandidate)) +
           rows * SharedPages::round(usual_entries * sizeof(TableEntry)) +
           AddressChains::needed_bytes(whole_text().size(), symbol_table(object_).count) + Sweep::needed_bytes();
}

bool BranchTargets::collect(base::SharedPages &pages, const base::PageArray<uint64_t> &sites) {
    Neighbourhood near;
    text_ = whole_text();
    if (!near.build(pages, object_.span, sites, architecture_.before_bytes_max, architecture_.behind_bytes_max) ||
        !candidates_.reserve_in(pages, usual_candidates * sites.size()) ||
        !computed_.reserve_in(pages, usual_computed) || !distances_.reserve_in(pages, usual_entries) ||
        !ends_.reserve_in(pages, usual_entries) || !short_ones_.reserve_in(pages, usual_entries) ||
        !entries_.prepare(pages, text_, symbol_table(object_).count) || !other_.prepare(pages))
        return false;
    for (unsigned i = 0; i < object_.segment_count; i++) {
        const Segment &segment = object_.segments[i];
        bool text = (segment.protection & PROT_EXEC) != 0 && (segment.protection & PROT_READ) != 0;
        if (text && !architecture_.find_far_branches(file_part(segment), near, candidates_))
            return false;
        if (text && architecture_.find_addresses != nullptr && !collect_addresses(file_part(segment), near))
            return false;
        // Not position independent: addresses have 32 bits, and stand in the code.
        if (object_.base == 0 && architecture_.find_immediates != nullptr && (segment.protection & PROT_READ) != 0 &&
            !architecture_.find_immediates(file_part(segment), near, candidates_))
            return false;
        if (may_hold_pointers(object_, segment) && !scan_pointers(segment, near))
            return false;
    }
    if (!scan_relocations(DT_RELA, DT_RELASZ, near) || !scan_relocations(DT_JMPREL, DT_PLTRELSZ, near) ||
        !scan_symbols(near))
        return false;
    sort(candidates_);
    sort(distances_);
    return true;
}

// A symbol or a pointer leads to the middle of an instruction: whoever has made it knows better where one begins.
bool BranchTargets::has_entry_between(const Sweep &sweep) const {
    return entries_.any(sweep.function.range, [&](uint64_t entry) { return !sweep.starts(entry); });
}

const Sweep *BranchTargets::sweep_at(const Sweep &own, uint64_t address) {
    const Sweep *sweep = &own;
    if (!own.function.range.contains(address)) {
        if (!other_.function.range.contains(address)) {
            Function function;
            if (!find_function(object_, address, function))
                return nullptr;
            other_.decode(architecture_, function);
            other_.consistent = other_.consistent && !has_entry_between(other_);
        }
        sweep = &other_;
    }
    return sweep->consistent ? sweep : nullptr;
}

bool BranchTargets::is_real(const Sweep &own, const BranchCandidate &candidate) {
    if (candidate.source_end == 0)
        return true;
    const Sweep *sweep = sweep_at(own, candidate.source_end - 1);
    if (sweep == nullptr)
        return true;
    long index = sweep->ending_at(candidate.source_end);
    if (index < 0)
        return false;
    const Instruction &source = sweep->instructions[static_cast<size_t>(index)];
    return source.target == candidate.target || source.data_address == candidate.target;
}

// Its address seems to be computed only by chance, or it is code.
bool BranchTargets::is_no_table(const Sweep &own, const BranchCandidate &computed) {
    if (!is_real(own, computed))
        return true;
    const Sweep *sweep = object_.executable(computed.target) ? sweep_at(own, computed.target) : nullptr;
    return sweep != nullptr && sweep->starts(computed.target);
}

// A table has ended where an entry leads to the middle of an instruction. Looked at from the entry back: what
// follows a table shows that soon, and its own large functions need not be decoded.
bool BranchTargets::is_real(const Sweep &own, const TableEntry &entry) {
    const BranchCandidate &computed = entry.computed;
    for (const KnownEnd &known : ends_)
        if (known.computed.target == computed.target && known.computed.source_end == computed.source_end &&
            entry.address >= known.end)
            return false;
    for (uint64_t at = entry.address; at >= computed.target; at -= sizeof(int32_t)) {
        const uint64_t target = entry_target(computed.target, at);
        if (const Sweep *sweep = sweep_at(own, target); sweep != nullptr && !sweep->starts(target)) {
            ends_.push({computed, at}); // without memory it is found out again
            return false;
        }
    }
    if (!is_no_table(own, computed))
        return true;
    ends_.push({computed, computed.target});
    return false;
}

template <typename Wanted> bool BranchTargets::any(const Sweep &own, uint64_t first, uint64_t last, Wanted wanted) {
    for (auto *at = first_at(candidates_, first); at != candidates_.end() && at->target <= last; at++)
        if (wanted(at->target) && is_real(own, *at))
            return true;
    if (architecture_.find_short_branches == nullptr)
        return false;
    // contradict() has asked for all of a site's surroundings, of which reach() wants a part.
    if (!short_range_.contains(first) || last >= short_range_.end) {
        short_ones_.resize_down(0);
        short_range_ = {};
        const Segment *text = object_.segment_of(first);
        if (text == nullptr || !architecture_.find_short_branches(file_part(*text), first, last, short_ones_))
            return true;
        short_range_ = {first, last + 1};
    }
    for (const BranchCandidate &candidate : short_ones_)
        if (candidate.target >= first && candidate.target <= last && wanted(candidate.target) &&
            is_real(own, candidate))
            return true;
    return false;
}

bool BranchTargets::reach(const Sweep &own, uint64_t first, uint64_t last) {
    for (auto *at = first_at(distances_, first); at != distances_.end() && at->target <= last; at++)
        if (is_real(own, *at))
            return true;
    return any(own, first, last, [](uint64_t) { return true; });
}

bool BranchTargets::contradict(const Sweep &own, uint64_t first, uint64_t last) {
    if (has_entry_between(own))
        return true;
    first = first > own.function.range.begin ? first : own.function.range.begin;
    last = last < own.function.range.end ? last : own.function.range.end - 1;
    return any(own, first, last, [&](uint64_t target) { return !own.starts(target); });
}

} // namespace intercept
