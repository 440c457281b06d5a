// branch_targets: one pass over text and data.
//
//   text   e8/e9 rel32, 0f 8x rel32 at any byte, anywhere
//          7x/eb/e0..e3 rel8 at any byte near a site
//   data   each aligned word that is an address near a site (function tables,
//          computed gotos, initialisers; already relocated when we look)
#include "intercept/plan/branch_targets.h"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <sys/mman.h>

namespace intercept {
namespace {

constexpr uint64_t reach_before_bytes = 40;
constexpr uint64_t reach_after_bytes = 40;
constexpr uint64_t short_branch_bytes = 130;

// One bit per byte of the object's span: near a site?
class Neighbourhood {
public:
    bool build(const Object &object, const base::PageArray<uint64_t> &sites) {
        begin_ = object.span.begin;
        size_ = object.span.end - begin_;
        if (!bits_.reserve(size_ / 8 + 1))
            return false;
        for (uint64_t site : sites)
            for (uint64_t a = site - reach_before_bytes; a < site + reach_after_bytes; a++)
                if (a - begin_ < size_)
                    bits_.data()[(a - begin_) / 8] |= static_cast<uint8_t>(1u << ((a - begin_) % 8));
        return true;
    }
    bool contains(uint64_t address) const {
        uint64_t at = address - begin_;
        return at < size_ && (bits_.data()[at / 8] >> (at % 8) & 1) != 0;
    }

private:
    base::PageArray<uint8_t> bits_;
    uint64_t begin_ = 0;
    uint64_t size_ = 0;
};

int32_t load_displacement(uint64_t address) {
    int32_t value;
    memcpy(&value, reinterpret_cast<const void *>(address), sizeof value);
    return value;
}

bool scan_near_branches(const Segment &segment, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    uint64_t end = segment.range.end;
    for (uint64_t a = segment.range.begin; a + 6 <= end; a++) {
        uint8_t byte = *reinterpret_cast<const uint8_t *>(a);
        uint64_t stop;
        if ((byte & 0xfe) == 0xe8)
            stop = a + 5;
        else if (byte == 0x0f && (*reinterpret_cast<const uint8_t *>(a + 1) & 0xf0) == 0x80)
            stop = a + 6;
        else
            continue;
        uint64_t target = stop + static_cast<uint64_t>(static_cast<int64_t>(load_displacement(stop - 4)));
        if (near.contains(target) && !out.push({target, stop}))
            return false;
    }
    return true;
}

bool scan_short_branches(const Object &object, uint64_t site, const Neighbourhood &near,
                         base::PageArray<BranchCandidate> &out) {
    uint64_t begin = site - reach_before_bytes - short_branch_bytes;
    uint64_t end = site + reach_after_bytes + short_branch_bytes;
    for (uint64_t a = begin; a < end; a++) {
        if (!object.executable(a) || !object.executable(a + 1))
            continue;
        uint8_t byte = *reinterpret_cast<const uint8_t *>(a);
        if ((byte & 0xf0) != 0x70 && byte != 0xeb && (byte & 0xfc) != 0xe0)
            continue;
        auto displacement = *reinterpret_cast<const int8_t *>(a + 1);
        uint64_t target = a + 2 + static_cast<uint64_t>(static_cast<int64_t>(displacement));
        if (near.contains(target) && !out.push({target, a + 2}))
            return false;
    }
    return true;
}

bool scan_pointers(const Segment &segment, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    for (uint64_t a = (segment.range.begin + 7) & ~uint64_t{7}; a + 8 <= segment.range.end; a += 8) {
        uint64_t value = *reinterpret_cast<const uint64_t *>(a);
        if (near.contains(value) && !out.push({value, 0}))
            return false;
    }
    return true;
}

// An exported symbol may be called or jumped to from any other object.
bool scan_symbols(const Object &object, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    uint64_t symbols = dynamic_address(object, DT_SYMTAB);
    uint64_t strings = dynamic_address(object, DT_STRTAB);
    if (symbols == 0 || strings <= symbols || !object.readable(symbols, strings - symbols))
        return true;
    for (uint64_t a = symbols; a + sizeof(ElfW(Sym)) <= strings; a += sizeof(ElfW(Sym))) {
        uint64_t value = object.base + reinterpret_cast<const ElfW(Sym) *>(a)->st_value;
        if (near.contains(value) && !out.push({value, 0}))
            return false;
    }
    return true;
}

} // namespace

bool BranchTargets::collect(const Object &object, const base::PageArray<uint64_t> &sites) {
    Neighbourhood near;
    if (!near.build(object, sites))
        return false;
    for (unsigned i = 0; i < object.segment_count; i++) {
        const Segment &segment = object.segments[i];
        bool done = true;
        if ((segment.protection & PROT_EXEC) != 0)
            done = scan_near_branches(segment, near, candidates_);
        if ((segment.protection & PROT_READ) != 0)
            done = done && scan_pointers(segment, near, candidates_);
        if (!done)
            return false;
    }
    for (uint64_t site : sites)
        if (!scan_short_branches(object, site, near, candidates_))
            return false;
    if (!scan_symbols(object, near, candidates_))
        return false;
    std::sort(candidates_.begin(), candidates_.end(),
              [](const BranchCandidate &a, const BranchCandidate &b) { return a.target < b.target; });
    return true;
}

bool BranchTargets::is_real(const Object &object, Decoder &decoder, const Sweep &own,
                            const BranchCandidate &candidate) {
    if (candidate.source_end == 0)
        return true;
    const Sweep *sweep = &own;
    uint64_t last_byte = candidate.source_end - 1;
    if (!own.function.range.contains(last_byte)) {
        if (!other_.function.range.contains(last_byte)) {
            Function function;
            if (!find_function(object, last_byte, function))
                return true; // code that nobody describes: believe it
            decoder.sweep(function, other_);
        }
        sweep = &other_;
        if (!other_.consistent)
            return true;
    }
    long index = sweep->ending_at(candidate.source_end);
    return index >= 0 && sweep->instructions[static_cast<size_t>(index)].target == candidate.target;
}

bool BranchTargets::reach(const Object &object, Decoder &decoder, const Sweep &own, uint64_t first, uint64_t last) {
    auto *at = std::lower_bound(candidates_.begin(), candidates_.end(), first,
                                [](const BranchCandidate &c, uint64_t address) { return c.target < address; });
    for (; at != candidates_.end() && at->target <= last; at++)
        if (is_real(object, decoder, own, *at))
            return true;
    return false;
}

} // namespace intercept
