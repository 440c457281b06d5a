// text_scan: sixteen bytes at a time, in the vector instructions that every
// x86-64 processor has. A hook that comes here has saved the vector registers.
//
// Hits are gathered for 64 bytes before they are looked at: nearly every sixteen have
// one, or not, and a processor that guesses that wrongly each time loses more than the search costs.
#include "intercept/arch/x86_64/text_scan.h"

#include <cstring>
#include <emmintrin.h>

namespace intercept::x86_64 {
namespace {

const uint8_t *code_at(uint64_t address) {
    return reinterpret_cast<const uint8_t *>(address);
}

__m128i load(uint64_t address) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(address));
}

__m128i all(unsigned byte) {
    return _mm_set1_epi8(static_cast<char>(byte));
}

constexpr uint64_t step = 16;
constexpr uint64_t block_bytes = 4 * step;

// A bit for each of the 64 bytes at `at`; `hits` gives those of sixteen.
template <typename Hits> uint64_t hits_of_block(uint64_t at, Hits hits) {
    uint64_t all_hits = 0;
    for (unsigned i = 0; i < block_bytes / step; i++)
        all_hits |= uint64_t{static_cast<unsigned>(_mm_movemask_epi8(hits(at + i * step)))} << (i * step);
    return all_hits;
}

// Calls `take` for each place that `hits` marks, from `at` on, and moves `at` behind the last whole block that
// has `look_ahead` bytes more before `end`. False: `take` failed.
template <typename Hits, typename Take>
bool take_blocks(uint64_t &at, uint64_t end, uint64_t look_ahead, Hits hits, Take take) {
    for (; at + block_bytes + look_ahead <= end; at += block_bytes)
        for (uint64_t rest = hits_of_block(at, hits); rest != 0; rest &= rest - 1)
            if (!take(at + static_cast<unsigned>(__builtin_ctzll(rest))))
                return false;
    return true;
}

// End of the instruction e8/e9 rel32 or 0f 8x rel32 whose last opcode byte is at
// `opcode`.
constexpr uint64_t behind_opcode_bytes = 5;

uint64_t target_of(uint64_t opcode) {
    int32_t distance;
    memcpy(&distance, code_at(opcode + 1), sizeof distance);
    return opcode + behind_opcode_bytes + static_cast<uint64_t>(static_cast<int64_t>(distance));
}

bool is_opcode(const AddressRange &text, uint64_t at) {
    uint8_t byte = *code_at(at);
    return (byte & 0xfe) == 0xe8 || ((byte & 0xf0) == 0x80 && at > text.begin && *code_at(at - 1) == 0x0f);
}

inline bool take(uint64_t opcode, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    uint64_t target = target_of(opcode);
    return !near.contains(target) || out.push({target, opcode + behind_opcode_bytes});
}

} // namespace

bool find_sites(const AddressRange &text, base::PageArray<uint64_t> &out) {
    uint64_t at = text.begin;
    const __m128i first = all(0x0f);
    const __m128i second = all(0x05);
    auto is_site = [&](uint64_t place) {
        return _mm_and_si128(_mm_cmpeq_epi8(load(place), first), _mm_cmpeq_epi8(load(place + 1), second));
    };
    if (!take_blocks(at, text.end, 1, is_site, [&](uint64_t site) { return out.push(site); }))
        return false;
    for (; at + 2 <= text.end; at++)
        if (code_at(at)[0] == 0x0f && code_at(at)[1] == 0x05 && !out.push(at))
            return false;
    return true;
}

// A branch within the object covers less than its size, so the highest byte of the
// distance is small or nearly -1: that leaves few candidates to look at one by one.
bool find_far_branches(const AddressRange &text, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    constexpr uint64_t look_ahead = behind_opcode_bytes - 1;
    uint64_t high = near.size_bytes() >> 24;
    const bool any_height = high >= 126;
    const __m128i lowest = all(static_cast<unsigned>(any_height ? 128 : high + 1));
    const __m128i heights = all(static_cast<unsigned>(any_height ? 255 : 2 * high + 1));
    uint64_t at = text.begin;
    for (; at < text.end && at < text.begin + 1 && at + behind_opcode_bytes <= text.end; at++)
        if (is_opcode(text, at) && !take(at, near, out))
            return false;
    auto may_branch = [&](uint64_t place) {
        __m128i opcode = load(place);
        __m128i call_or_jump = _mm_cmpeq_epi8(_mm_and_si128(opcode, all(0xfe)), all(0xe8));
        __m128i conditional = _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(opcode, all(0xf0)), all(0x80)),
                                            _mm_cmpeq_epi8(load(place - 1), all(0x0f)));
        __m128i height = _mm_add_epi8(load(place + look_ahead), lowest);
        return _mm_and_si128(_mm_or_si128(call_or_jump, conditional),
                             _mm_cmpeq_epi8(_mm_min_epu8(height, heights), height));
    };
    if (!take_blocks(at, text.end, look_ahead, may_branch, [&](uint64_t opcode) { return take(opcode, near, out); }))
        return false;
    for (; at + behind_opcode_bytes <= text.end; at++)
        if (is_opcode(text, at) && !take(at, near, out))
            return false;
    return true;
}

bool find_short_branches(const AddressRange &text, uint64_t first, uint64_t last,
                         base::PageArray<BranchCandidate> &out) {
    constexpr uint64_t short_branch_bytes = 130;
    uint64_t begin = first - text.begin > short_branch_bytes ? first - short_branch_bytes : text.begin;
    uint64_t end = text.end - last > short_branch_bytes ? last + short_branch_bytes : text.end;
    auto take_short = [&](uint64_t at) {
        uint64_t target = at + 2 + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(code_at(at)[1])));
        return target - first > last - first || out.push({target, at + 2});
    };
    uint64_t at = begin;
    auto may_branch = [](uint64_t place) {
        __m128i opcode = load(place);
        __m128i conditional = _mm_cmpeq_epi8(_mm_and_si128(opcode, all(0xf0)), all(0x70));
        __m128i loop = _mm_cmpeq_epi8(_mm_and_si128(opcode, all(0xfc)), all(0xe0));
        return _mm_or_si128(_mm_or_si128(conditional, loop), _mm_cmpeq_epi8(opcode, all(0xeb)));
    };
    if (!take_blocks(at, end, 1, may_branch, take_short))
        return false;
    for (; at + 2 <= end; at++) {
        uint8_t byte = *code_at(at);
        bool branch = (byte & 0xf0) == 0x70 || byte == 0xeb || (byte & 0xfc) == 0xe0;
        if (branch && !take_short(at))
            return false;
    }
    return true;
}

// lea disp32(%rip), register: 8d, a ModRM of mode 0 and base 5, the distance; no immediate follows.
bool find_addresses(const AddressRange &text, const AddressRange &span, base::PageArray<BranchCandidate> &out) {
    constexpr uint64_t lea_bytes = 6;
    constexpr uint8_t lea = 0x8d, mode_and_base = 0xc7, relative = 0x05;
    auto take_address = [&](uint64_t at) {
        int32_t distance;
        memcpy(&distance, code_at(at + 2), sizeof distance);
        uint64_t target = at + lea_bytes + static_cast<uint64_t>(static_cast<int64_t>(distance));
        return !span.contains(target) || out.push({target, at + lea_bytes});
    };
    uint64_t at = text.begin;
    auto may_compute = [](uint64_t place) {
        __m128i opcode = _mm_cmpeq_epi8(load(place), all(lea));
        __m128i operand = _mm_cmpeq_epi8(_mm_and_si128(load(place + 1), all(mode_and_base)), all(relative));
        return _mm_and_si128(opcode, operand);
    };
    if (!take_blocks(at, text.end, lea_bytes, may_compute, take_address))
        return false;
    for (; at + lea_bytes <= text.end; at++)
        if (code_at(at)[0] == lea && (code_at(at)[1] & mode_and_base) == relative && !take_address(at))
            return false;
    return true;
}

bool find_immediates(const AddressRange &text, const Neighbourhood &near, base::PageArray<BranchCandidate> &out) {
    for (uint64_t at = text.begin; at + sizeof(uint32_t) <= text.end; at++) {
        uint32_t value;
        memcpy(&value, code_at(at), sizeof value);
        if (near.contains(value) && !out.push({value, 0}))
            return false;
    }
    return true;
}

} // namespace intercept::x86_64
