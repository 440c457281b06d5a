// branch_targets: one pass over text, data and relocations.
//
//   text         direct branches at any byte, as the processor encodes them
//   data         each aligned word that is an address near a site (function tables,
//                computed gotos, initialisers), relocated yet or not
//   relocations  what they will store, and each exported symbol
#include "intercept/plan/branch_targets.h"

#include <algorithm>
#include <elf.h>
#include <sys/mman.h>

namespace intercept {
namespace {

// A position-independent object can hold addresses only where the loader may
// write. Others, and those whose text is relocated, anywhere.
bool may_hold_pointers(const Object &object, const Segment &segment) {
    if ((segment.protection & PROT_READ) == 0)
        return false;
    return (segment.protection & PROT_WRITE) != 0 || object.base == 0 || has_text_relocations(object);
}

bool scan_pointers(const Object &object, const Segment &segment, const Neighbourhood &near,
                   base::PageArray<BranchCandidate> &out) {
    for (uint64_t a = (segment.range.begin + 7) & ~uint64_t{7}; a + 8 <= segment.file_end; a += 8) {
        uint64_t value = *reinterpret_cast<const uint64_t *>(a);
        if (near.contains(value) && !out.push({value, 0}))
            return false;
        if (object.base != 0 && near.contains(object.base + value) && !out.push({object.base + value, 0}))
            return false;
    }
    return true;
}

bool scan_relocations(const Object &object, int64_t table_tag, int64_t size_tag, const Neighbourhood &near,
                      base::PageArray<BranchCandidate> &out) {
    uint64_t table = dynamic_address(object, table_tag);
    uint64_t size_bytes = dynamic_value(object, size_tag);
    SymbolTable symbols = symbol_table(object);
    if (table == 0 || !object.readable(table, size_bytes))
        return true;
    auto *entries = reinterpret_cast<const ElfW(Rela) *>(table);
    for (uint64_t i = 0; i < size_bytes / sizeof *entries; i++) {
        uint64_t value = object.base + static_cast<uint64_t>(entries[i].r_addend);
        uint64_t symbol = ELF64_R_SYM(entries[i].r_info);
        if (symbol != 0 && symbol < symbols.count)
            value += symbols.symbols[symbol].st_value;
        if (near.contains(value) && !out.push({value, 0}))
            return false;
    }
    return true;
}

// An exported symbol may be called or jumped to from any other object.
bool scan_symbols(const Object &object, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    SymbolTable symbols = symbol_table(object);
    for (uint64_t i = 0; i < symbols.count; i++) {
        uint64_t value = object.base + symbols.symbols[i].st_value;
        if (near.contains(value) && !out.push({value, 0}))
            return false;
    }
    return true;
}

} // namespace

bool BranchTargets::collect(const base::PageArray<uint64_t> &sites) {
    Neighbourhood near;
    if (!near.build(object_.span, sites, architecture_.before_bytes_max, architecture_.behind_bytes_max))
        return false;
    for (unsigned i = 0; i < object_.segment_count; i++) {
        const Segment &segment = object_.segments[i];
        bool text = (segment.protection & PROT_EXEC) != 0 && (segment.protection & PROT_READ) != 0;
        if (text && !architecture_.find_far_branches(file_part(segment), near, candidates_))
            return false;
        if (may_hold_pointers(object_, segment) && !scan_pointers(object_, segment, near, candidates_))
            return false;
    }
    if (!scan_relocations(object_, DT_RELA, DT_RELASZ, near, candidates_) ||
        !scan_relocations(object_, DT_JMPREL, DT_PLTRELSZ, near, candidates_) ||
        !scan_symbols(object_, near, candidates_))
        return false;
    std::sort(candidates_.begin(), candidates_.end(),
              [](const BranchCandidate &a, const BranchCandidate &b) { return a.target < b.target; });
    return true;
}

bool BranchTargets::is_real(const Sweep &own, const BranchCandidate &candidate) {
    if (candidate.source_end == 0)
        return true;
    const Sweep *sweep = &own;
    uint64_t last_byte = candidate.source_end - 1;
    if (!own.function.range.contains(last_byte)) {
        if (!other_.function.range.contains(last_byte)) {
            Function function;
            if (!find_function(object_, last_byte, function))
                return true; // code that nobody describes: believe it
            other_.decode(architecture_, function);
        }
        sweep = &other_;
    }
    if (!sweep->consistent)
        return true;
    long index = sweep->ending_at(candidate.source_end);
    return index >= 0 && sweep->instructions[static_cast<size_t>(index)].target == candidate.target;
}

template <typename Wanted> bool BranchTargets::any(const Sweep &own, uint64_t first, uint64_t last, Wanted wanted) {
    auto *at = std::lower_bound(candidates_.begin(), candidates_.end(), first,
                                [](const BranchCandidate &c, uint64_t address) { return c.target < address; });
    for (; at != candidates_.end() && at->target <= last; at++)
        if (wanted(at->target) && is_real(own, *at))
            return true;
    if (architecture_.find_short_branches == nullptr)
        return false;
    short_ones_.resize_down(0);
    const Segment *text = object_.segment_of(first);
    if (text == nullptr || !architecture_.find_short_branches(file_part(*text), first, last, short_ones_))
        return true;
    for (const BranchCandidate &candidate : short_ones_)
        if (wanted(candidate.target) && is_real(own, candidate))
            return true;
    return false;
}

bool BranchTargets::reach(const Sweep &own, uint64_t first, uint64_t last) {
    return any(own, first, last, [](uint64_t) { return true; });
}

bool BranchTargets::contradict(const Sweep &own, uint64_t first, uint64_t last) {
    first = first > own.function.range.begin ? first : own.function.range.begin;
    last = last < own.function.range.end ? last : own.function.range.end - 1;
    return any(own, first, last, [&](uint64_t target) { return !own.starts(target); });
}

} // namespace intercept
