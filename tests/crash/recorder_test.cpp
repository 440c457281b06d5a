// The recorder's idea of what a crash leaves of a line.
#include "tests/crash/recorder.h"

#include <gtest/gtest.h>

#include <cstring>

namespace crash {
namespace {

class RecordedLine : public testing::Test {
protected:
    void store(unsigned word, uint64_t value, bool is_streamed = false) {
        recorder.on_store(word * 8, &value, sizeof(value), is_streamed);
        std::memcpy(memory + word * 8, &value, sizeof(value));
    }
    uint64_t durable(unsigned word) const {
        uint64_t value = 0;
        std::memcpy(&value, recorder.pending().at(0).durable.data() + word * 8, sizeof(value));
        return value;
    }
    alignas(64) std::byte memory[64] = {};
    Recorder recorder{memory};
};

// A line that is stored to twice may reach the media as it was between the stores, until a
// flush of the second content is fenced.
TEST_F(RecordedLine, KeepsWhatItHeldBetweenStores) {
    store(0, 1);
    store(0, 2);
    recorder.on_flush(0, 1);
    store(0, 3);
    ASSERT_EQ(recorder.pending().at(0).stores.size(), 3u);
    recorder.on_fence(); // 2 is durable, 1 is gone; 3 was not flushed
    ASSERT_EQ(recorder.pending().at(0).stores.size(), 1u);
    EXPECT_EQ(durable(0), 2u);
    recorder.on_flush(0, 1);
    recorder.on_fence();
    EXPECT_TRUE(recorder.pending().empty());
}

TEST_F(RecordedLine, IsNotDurableByAStreamedNeighbour) {
    store(0, 1);
    store(1, 2, true);
    recorder.on_fence();
    ASSERT_FALSE(recorder.pending().empty());
    EXPECT_EQ(durable(0), 0u);
    EXPECT_EQ(durable(1), 2u);
}

TEST_F(RecordedLine, IsNotDurableByAnotherThreadsFence) {
    store(0, 1);
    recorder.on_flush(0, 64);
    store(1, 2, true);
    recorder.set_thread(1);
    recorder.on_fence();
    ASSERT_EQ(recorder.pending().at(0).stores.size(), 2u);
    recorder.set_thread(0);
    recorder.on_fence();
    EXPECT_TRUE(recorder.pending().empty());
}

TEST_F(RecordedLine, IsTornIntoWords) {
    const uint64_t both[2] = {7, 8};
    recorder.on_store(0, both, sizeof(both), false);
    std::memcpy(memory, both, sizeof(both));
    std::mt19937 random(1);
    bool seen[2][2] = {};
    for (unsigned i = 0; i < 200; ++i) {
        const Line content = recorder.pending().at(0).draw(random);
        seen[content[0] == std::byte{7}][content[8] == std::byte{8}] = true;
    }
    EXPECT_TRUE(seen[0][0] && seen[0][1] && seen[1][0] && seen[1][1]);
}

} // namespace
} // namespace crash
