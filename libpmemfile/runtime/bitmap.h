// bitmap: runs of bits in an array of atomic 64-bit words, bit 0 lowest. Which order the words are seen
// in is the caller's business: searches and counts are relaxed.
#pragma once

#include "libpmemfile/format/format.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

namespace pmemfile {

// Bits [from, to) of a word.
inline uint64_t bit_range(uint32_t from, uint32_t to) {
    uint64_t upto = to >= 64 ? ~uint64_t{0} : (uint64_t{1} << to) - 1;
    return upto & ~((uint64_t{1} << from) - 1);
}

// Calls visit(word index, mask) for the words that bits [first, first + count) touch.
template <typename Visit> void for_words(uint32_t first, uint32_t count, Visit visit) {
    uint32_t end = first + count;
    for (uint32_t word = first / 64; word * 64 < end; ++word) {
        uint32_t from = word * 64 < first ? first - word * 64 : 0;
        visit(word, bit_range(from, std::min<uint32_t>(64, end - word * 64)));
    }
}

// First bit in [from, end) that is `value`; `end` if none.
inline uint32_t find_bit(const std::atomic<uint64_t> *words, uint32_t from, uint32_t end, bool value) {
    while (from < end) {
        uint64_t word = words[from / 64].load(std::memory_order_relaxed);
        word = (value ? word : ~word) >> (from % 64);
        if (word != 0)
            return std::min<uint32_t>(end, from + static_cast<uint32_t>(std::countr_zero(word)));
        from = (from / 64 + 1) * 64;
    }
    return end;
}

struct BitRun {
    uint32_t first = 0;
    uint32_t count = 0;
};

// The first run of `want` clear bits in [from, end), else the longest. With
// `alignment` only runs that begin on a pool block that is a multiple of it.
inline BitRun find_run(const std::atomic<uint64_t> *words, uint32_t from, uint32_t end, uint32_t want, BlockNumber base,
                       uint32_t alignment) {
    BitRun best;
    for (uint32_t at = from; at < end;) {
        uint32_t first = find_bit(words, at, end, false);
        if (first == end)
            break;
        uint32_t aligned = first + static_cast<uint32_t>((alignment - (base + first) % alignment) % alignment);
        uint32_t last = find_bit(words, first, std::min<uint64_t>(end, uint64_t{aligned} + want), true);
        if (last > aligned && last - aligned > best.count)
            best = {aligned, last - aligned};
        if (best.count >= want)
            break;
        at = last;
    }
    return best;
}

// Sets and clears bits of a word that nobody else changes meanwhile (the group's lock is held): a load and a store,
// for a locked instruction takes 8 ns, and waits for all that is on its way to the media.
template <typename Word> void set_bits(std::atomic<Word> &word, Word mask) {
    word.store(static_cast<Word>(word.load(std::memory_order_relaxed) | mask), std::memory_order_release);
}
// How many were set.
template <typename Word> uint32_t clear_bits(std::atomic<Word> &word, Word mask) {
    const Word old = word.load(std::memory_order_relaxed);
    word.store(static_cast<Word>(old & ~mask), std::memory_order_release);
    return static_cast<uint32_t>(std::popcount(static_cast<Word>(old & mask)));
}

// Clear bits among the first `blocks`.
inline uint32_t count_free(const std::atomic<uint64_t> *words, uint32_t blocks) {
    uint32_t used = 0;
    for_words(0, blocks, [&](uint32_t word, uint64_t mask) {
        used += static_cast<uint32_t>(std::popcount(words[word].load(std::memory_order_relaxed) & mask));
    });
    return blocks - used;
}

// Where the next search is to begin when one from `hint` has found, and set, `count` bits from `first` on: at the lowest
// clear bit, or nearly so. Where files come and go, their blocks are soon taken again, while they are warm and mapped.
// (Behind a hole that was too small for a run it would go ever further up, to pages that the process has never touched.)
inline uint32_t next_hint(const std::atomic<uint64_t> *words, uint32_t hint, uint32_t first, uint32_t count) {
    constexpr uint32_t near = 256; // holes further down are left to who frees something there, or begins at 0
    const uint32_t hole = first <= hint ? first : find_bit(words, hint, first, false);
    return hole == first || first - hole > near ? first + count : hole;
}

} // namespace pmemfile
