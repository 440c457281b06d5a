// Mostly one or two words differ in one line.
#include "libpmemfile/file/inode_change.h"

#include <emmintrin.h>

namespace pmemfile {
namespace {

using Word = uint64_t __attribute__((may_alias));
constexpr unsigned line_words = cache_line_bytes / sizeof(Word);
constexpr unsigned inode_words = inode_size_bytes / sizeof(Word);
constexpr unsigned checksum_word = offsetof(Inode, checksum) / sizeof(Word);
constexpr Word checksum_mask = ~Word{UINT32_MAX};
static_assert(offsetof(Inode, checksum) % sizeof(Word) == 4);

const Word *words_at_home(const Pool &pool, InodeNumber number) {
    return pool.at<Word>(number * inode_size_bytes);
}

__m128i two_words(const Word *words) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(words));
}

bool is_same_line(const Word *one, const Word *other) {
    __m128i same = _mm_cmpeq_epi32(two_words(one), two_words(other));
    for (unsigned i = 2; i < line_words; i += 2)
        same = _mm_and_si128(same, _mm_cmpeq_epi32(two_words(one + i), two_words(other + i)));
    return _mm_movemask_epi8(same) == 0xffff;
}

// Words [first, inode_words) are all 0, but for a checksum: it is made anew whatever stands there.
bool is_empty_from(const Word *words, unsigned first) {
    constexpr unsigned content = offsetof(Inode, content) / sizeof(Word);
    uint64_t bits = 0;
    for (; first < content || (first % 2 != 0 && first < inode_words); first++)
        bits |= first == checksum_word ? words[first] & ~checksum_mask : words[first];
    __m128i pairs = _mm_setzero_si128();
    for (; first < inode_words; first += 2)
        pairs = _mm_or_si128(pairs, two_words(words + first));
    bits |= static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_or_si128(pairs, _mm_unpackhi_epi64(pairs, pairs))));
    return bits == 0;
}

} // namespace

void store_changes(Call &call, InodeNumber number, const Inode &changed) {
    const auto *copy = reinterpret_cast<const Word *>(&changed);
    const Word *home = words_at_home(call.pool(), number);
    for (unsigned line = 0; line < inode_words; line += line_words) {
        if (is_same_line(home + line, copy + line))
            continue;
        unsigned first = line, end = line + line_words;
        while (home[first] == copy[first])
            ++first;
        while (home[end - 1] == copy[end - 1])
            --end;
        call.store(number * inode_size_bytes + first * sizeof(Word), copy + first, (end - first) * sizeof(Word));
    }
}

void store_new_inode(Call &call, InodeNumber number, const Inode &inode) {
    const auto *copy = reinterpret_cast<const Word *>(&inode);
    constexpr unsigned content = offsetof(Inode, content) / sizeof(Word);
    unsigned used = is_empty_from(copy, content) ? content : inode_words;
    while (copy[used - 1] == 0)
        --used;
    const PoolOffset target = number * inode_size_bytes;
    call.store(target, copy, used * sizeof(Word));
    // Mostly the last use of the number has left nothing behind that. (An inode block of this very record is zeroed
    // by it, whatever stands there.) In a transaction the view shows what that has stored, the pool what others have.
    const Pool &pool = call.pool();
    const bool is_empty = is_empty_from(words_at_home(pool, number), used) &&
                          (pool.shared == nullptr || is_empty_from(words_at_home(*pool.shared, number), used));
    if (!is_empty)
        call.zero(target + used * sizeof(Word), (inode_words - used) * sizeof(Word));
}

} // namespace pmemfile
