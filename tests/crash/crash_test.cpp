// The explorer over scripts and over sequences of calls.
//
// PMEMFILE_CRASH_EFFORT=thorough: more images a crash point, more rounds, longer sequences.
// PMEMFILE_CRASH_SEED=N: the drawn part of an earlier run again; its number was printed.
#include "tests/crash/budget.h"
#include "tests/crash/script.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace crash {
namespace {

using namespace pmemfile;

constexpr unsigned fixed_seed = 1;

// Once with the fixed seed, so that a change is compared with the one before, and once with a new one.
void expect_sound(const char *name, const std::function<void(Explorer &, std::mt19937 &)> &script) {
    Tally tally(name);
    const unsigned rounds = 1;
    for (unsigned round = 0; round <= rounds; ++round) {
        const unsigned seed = round == 0 ? fixed_seed : drawn_seed() + round - 1;
        if (!is_thorough() && round != drawn_seed() % 2)
            continue; // quick: one of them
        Explorer explorer(effort(), seed);
        std::mt19937 random(seed);
        script(explorer, random);
        tally.add(explorer, "seed " + std::to_string(seed));
    }
}

TEST(Script, Names) {
    expect_sound("names", [](Explorer &explorer, std::mt19937 &) { names(explorer); });
}

TEST(Script, Data) {
    expect_sound("data", [](Explorer &explorer, std::mt19937 &) { data(explorer); });
}

TEST(Script, Attributes) {
    expect_sound("attributes", [](Explorer &explorer, std::mt19937 &) { attributes(explorer); });
}

TEST(Script, ExtendedAttributes) {
    expect_sound("extended attributes", [](Explorer &explorer, std::mt19937 &) { extended_attributes(explorer); });
}

TEST(Script, Growth) {
    expect_sound("growth", [](Explorer &explorer, std::mt19937 &) { growth(explorer); });
}

TEST(Script, NoRoom) {
    expect_sound("no_room", [](Explorer &explorer, std::mt19937 &) { no_room(explorer); });
}

TEST(Script, Steps) {
    expect_sound("steps", [](Explorer &explorer, std::mt19937 &) { steps(explorer); });
}

TEST(Script, Clones) {
    expect_sound("clones", [](Explorer &explorer, std::mt19937 &) { clones(explorer); });
}

TEST(Script, Transactions) {
    expect_sound("transactions", [](Explorer &explorer, std::mt19937 &) { transactions(explorer); });
}

TEST(Script, Mapped) {
    expect_sound("mapped", [](Explorer &explorer, std::mt19937 &) { mapped(explorer); });
}

TEST(Script, Gathered) {
    expect_sound("gathered", [](Explorer &explorer, std::mt19937 &) { gathered(explorer); });
}

TEST(Script, Flipping) {
    expect_sound("flipping", [](Explorer &explorer, std::mt19937 &) { flipping(explorer); });
}

TEST(Script, ManyNames) {
    expect_sound("many names",
                 [](Explorer &explorer, std::mt19937 &) { many_names(explorer, is_thorough() ? 70 : 24); });
}

TEST(Script, ThreadsInTurns) {
    expect_sound("threads in turns",
                 [](Explorer &explorer, std::mt19937 &) { turns(explorer, is_thorough() ? 12 : 4); });
}

TEST(Script, ThreadsOneBehindTheOther) {
    expect_sound("threads one behind the other", [](Explorer &explorer, std::mt19937 &) { succession(explorer); });
}

TEST(Script, ThreadsReuseBlocks) {
    expect_sound("threads reuse blocks", [](Explorer &explorer, std::mt19937 &) { reuse(explorer); });
}

TEST(Script, ThreadsAlternate) {
    expect_sound("threads alternate",
                 [](Explorer &explorer, std::mt19937 &) { alternate(explorer, is_thorough() ? 60 : 6); });
}

TEST(Script, ThreadsOvertake) {
    expect_sound("threads overtake", [](Explorer &explorer, std::mt19937 &) { overtaking(explorer); });
}

TEST(Script, ThreadsAreHeldUp) {
    expect_sound("threads are held up",
                 [](Explorer &explorer, std::mt19937 &) { held_up(explorer, is_thorough() ? 10 : 3); });
}

TEST(Script, Laps) {
    expect_sound("laps", [](Explorer &explorer, std::mt19937 &) { laps(explorer, is_thorough() ? 3 : 1); });
}

TEST(Script, ThreadsInterleaved) {
    expect_sound("threads interleaved", [](Explorer &explorer, std::mt19937 &random) {
        interleaved(explorer, random, is_thorough() ? 300 : 20);
    });
}

TEST(Script, CrashAfterCrash) {
    expect_sound("crash after crash",
                 [](Explorer &explorer, std::mt19937 &random) { crashes(explorer, random, is_thorough() ? 100 : 8); });
}

// Sequences of calls on the initial tree. Only the last call is explored: what comes before is
// explored as a shorter sequence.
class Sequences {
public:
    explicit Sequences(const Effort &effort, unsigned seed)
        : explorer_(effort, seed), vocabulary_(sequence_vocabulary()) {
        for (const Operation &operation : initial_tree())
            explorer_.prepare(operation.work);
        explorer_.mark();
    }
    void run(const std::vector<size_t> &sequence) {
        explorer_.rewind();
        std::string name;
        for (size_t i = 0; i + 1 < sequence.size(); ++i) {
            const Operation &operation = vocabulary_[sequence[i]];
            (void)operation.work(explorer_.thread()); // may fail: the one before may have taken what it needs
            name += operation.name + "; ";
        }
        const Operation &last = vocabulary_[sequence.back()];
        explorer_.call(name + last.name, last.in_steps, last.work, last.changes, last.torn);
        ++count_;
    }
    Explorer &explorer() {
        return explorer_;
    }
    size_t word_count() const {
        return vocabulary_.size();
    }
    uint64_t count() const {
        return count_;
    }

private:
    Explorer explorer_;
    std::vector<Operation> vocabulary_;
    uint64_t count_ = 0;
};

TEST(Sequence, OfOneAndTwoCalls) {
    Tally tally("sequences of one and two calls");
    const unsigned seed = is_thorough() ? fixed_seed : drawn_seed();
    Sequences sequences(is_thorough() ? Effort{64, 12, 12, 8, 16, false} : Effort{16, 6, 4, 4, 16, false}, seed);
    const size_t words = sequences.word_count();
    for (size_t word = 0; word < words; ++word)
        sequences.run({word});
    // Quick: every 60th pair, another 60th with each seed.
    const size_t stride = is_thorough() ? 1 : 60;
    for (size_t pair = seed % stride; pair < words * words; pair += stride)
        sequences.run({pair / words, pair % words});
    tally.add(sequences.explorer(), "seed " + std::to_string(seed));
    std::printf("%lu sequences of a vocabulary of %zu calls, seed %u\n", static_cast<unsigned long>(sequences.count()),
                words, seed);
}

TEST(Sequence, Longer) {
    Tally tally("longer sequences");
    const double seconds_max = is_thorough() ? 60 : 1;
    std::mt19937 random(drawn_seed());
    Sequences sequences(is_thorough() ? Effort{64, 12, 12, 8, 16, false} : Effort{16, 6, 4, 4, 16, false},
                        drawn_seed());
    while (tally.seconds() < seconds_max) {
        std::vector<size_t> sequence(3 + random() % 6);
        for (size_t &word : sequence)
            word = random() % sequences.word_count();
        sequences.run(sequence);
    }
    tally.add(sequences.explorer(), "PMEMFILE_CRASH_SEED=" + std::to_string(drawn_seed()));
    std::printf("%lu sequences of 3 to 8 calls, PMEMFILE_CRASH_SEED=%u\n",
                static_cast<unsigned long>(sequences.count()), drawn_seed());
}

} // namespace
} // namespace crash
