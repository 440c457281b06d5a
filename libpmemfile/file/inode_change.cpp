// Mostly one or two words differ in one line.
#include "libpmemfile/file/inode_change.h"

namespace pmemfile {
namespace {

using Word = uint64_t __attribute__((may_alias));
constexpr unsigned line_words = cache_line_bytes / sizeof(Word);
constexpr unsigned inode_words = inode_size_bytes / sizeof(Word);

const Word *words_at_home(const Pool &pool, InodeNumber number) {
    return pool.at<Word>(number * inode_size_bytes);
}

bool is_same_line(const Word *one, const Word *other) {
    uint64_t difference = 0;
    for (unsigned i = 0; i < line_words; i++)
        difference |= one[i] ^ other[i];
    return difference == 0;
}

// Words from `first` on that are all 0 in the inode at home.
bool is_empty_from(const Pool &pool, InodeNumber number, unsigned first) {
    const Word *home = words_at_home(pool, number);
    uint64_t bits = 0;
    for (unsigned i = first; i < inode_words; i++)
        bits |= home[i];
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
    unsigned used = inode_words;
    while (copy[used - 1] == 0)
        --used;
    const PoolOffset target = number * inode_size_bytes;
    call.store(target, copy, used * sizeof(Word));
    // Mostly the last use of the number has left nothing behind that. (An inode block of this very record is zeroed
    // by it, whatever stands there.) In a transaction the view shows what that has stored, the pool what others have.
    if (!is_empty_from(call.pool(), number, used) || !is_empty_from(call.pool().everybodys(), number, used))
        call.zero(target + used * sizeof(Word), (inode_words - used) * sizeof(Word));
}

} // namespace pmemfile
