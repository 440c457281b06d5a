// The calls of two threads that meet, pair by pair: at each fence of the one's call the other makes its own, whole.
// Both have the whole vocabulary, each in its own tree.
//
//   first    A/… B/…          ── store ── fence 1 ─┐        ┌─ home ── fence 2 ── …
//   second   t2/A/… t2/B/…                         └─ call ─┘
//
// What they share is all but names: rings, watermark, groups, the orphan table, stripes' neighbours.
#include "tests/crash/budget.h"
#include "tests/crash/vocabulary.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace crash {
namespace {

class Meetings {
public:
    explicit Meetings(unsigned seed)
        : explorer_(is_thorough() ? Effort{12, 4, 4, 2, 16, false, true} : Effort{8, 3, 2, 1, 16, false, true}, seed),
          words_(sequence_vocabulary()) {
        // A transaction begins when nobody is in a call, and nobody begins one while it is committed.
        std::erase_if(words_, [](const Operation &operation) { return operation.keeps_others; });
        for (const Operation &operation : words_)
            second_words_.push_back(below("t2", operation));
        for (const Operation &operation : initial_trees())
            explorer_.prepare(operation.work);
        explorer_.mark();
    }
    // At each fence of the first call that there is.
    void meet(size_t first, size_t second) {
        const Operation &one = words_[first];
        const Operation &other = second_words_[second];
        if ((one.holds & other.holds) != 0)
            return;
        ++pair_count_;
        explorer_.rewind();
        const unsigned fences = explorer_.count_fences(one.work);
        for (unsigned fence = 1; fence <= fences; ++fence) {
            explorer_.rewind();
            explorer_.call_both(one.name + " with " + other.name, part(one), "/t2", part(other), fence);
            ++meeting_count_;
        }
    }
    Explorer &explorer() {
        return explorer_;
    }
    size_t word_count() const {
        return words_.size();
    }
    unsigned pair_count() const {
        return pair_count_;
    }
    unsigned meeting_count() const {
        return meeting_count_;
    }

private:
    static Part part(const Operation &operation) {
        return {{operation.work}, operation.in_steps ? Between::steps : Between::nothing};
    }

    Explorer explorer_;
    std::vector<Operation> words_, second_words_;
    unsigned pair_count_ = 0, meeting_count_ = 0;
};

// Thorough: all pairs. Quick: some, others with each seed.
TEST(Meeting, OfTwoThreads) {
    Tally tally("meetings of two threads");
    const unsigned seed = drawn_seed();
    Meetings meetings(seed);
    const size_t words = meetings.word_count();
    const size_t stride = is_thorough() ? 1 : 200;
    for (size_t pair = seed % stride; pair < words * words; pair += stride)
        meetings.meet(pair / words, pair % words);
    tally.add(meetings.explorer(), "PMEMFILE_CRASH_SEED=" + std::to_string(seed));
    EXPECT_GT(meetings.meeting_count(), meetings.pair_count() / 2) << "they do not meet";
    std::printf("%u pairs of a vocabulary of %zu calls met at %u fences, PMEMFILE_CRASH_SEED=%u\n",
                meetings.pair_count(), words, meetings.meeting_count(), seed);
}

} // namespace
} // namespace crash
