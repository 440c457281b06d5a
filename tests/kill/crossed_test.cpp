// Threads that die with the lock of a group each, and with claims in each other's: who settles one needs
// the other's lock, which only its settler can free.
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/settle.h"
#include "libpmemfile/runtime/claim_list.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/space_map.h"
#include "tests/engine_names/pool_fixture.h"

#include <csignal>

namespace pmemfile {
namespace {

// Stops once, before the first thread that it meets is settled.
void stop_then_settle(Thread &thread, uint32_t slot) {
    settle_thread_hook = settle_thread;
    raise(SIGSTOP);
    settle_thread(thread, slot);
}

class CrossedTest : public PoolFixture {
protected:
    uint64_t pool_size_bytes() const override {
        return 192ull << 20; // two groups
    }
    void SetUp() override {
        PoolFixture::SetUp();
        ASSERT_EQ(pool_.superblock().group_count, 2u);
        free_at_start_ = space_map_free_blocks(thread());
        first_slot_ = pool_.segment->thread_high_water.load();
        alarm(60); // what this is about is a wait without end
    }
    void TearDown() override {
        alarm(0);
        PoolFixture::TearDown();
    }
    static RobustLock &lock_of(Thread &thread, uint64_t group) {
        return thread.pool->segment->groups()[group].lock;
    }
    // As one that is killed in a claim: the lock is held and the claim entered, its bits are not set.
    static int begin_claim(Thread &thread, uint64_t group) BASE_NO_THREAD_SAFETY_ANALYSIS {
        const auto before = space_map_claim_blocks(thread, group, 1);
        if (!before.ok() || before->count != 1)
            return 2;
        robust_lock(thread, lock_of(thread, group));
        return log_claim(thread, (before->first + 1) << 16 | 3) ? 0 : 3;
    }
    // Two threads of one process, so that they die at the same instant. Slot first_slot_ has the lock of
    // group 0, the next one that of group 1.
    void die_crossed() {
        const pid_t child = start_child([this](Thread &first) -> int {
            PoolThread other(*first.pool, nullptr);
            Thread &second = *other;
            if (first.slot != first_slot_ || second.slot != first_slot_ + 1)
                _exit(4);
            if (!space_map_claim_blocks(first, 1, 5).ok() || !space_map_claim_blocks(second, 0, 5).ok())
                _exit(1);
            const int result = begin_claim(first, 0) + begin_claim(second, 1);
            _exit(result == 0 ? 7 : result);
        });
        ASSERT_EQ(wait_for_child(child), 7);
    }
    void expect_nothing_left() {
        settle_dead_processes(thread(), orphan_collect);
        for (uint64_t group = 0; group < 2; ++group)
            EXPECT_EQ(robust_holder(lock_of(thread(), group)), 0u) << group;
        for (uint32_t slot = first_slot_; slot < first_slot_ + 4; ++slot)
            EXPECT_EQ(pool_.segment->threads()[slot].claim_count.load(), 0u) << slot;
        EXPECT_EQ(space_map_free_blocks(thread()), free_at_start_);
    }
    // A living process that is about to settle thread `slot` when it goes on, and stops when it meets another dead one.
    pid_t start_settler(uint32_t slot) {
        const pid_t child = start_child([slot](Thread &thread) {
            raise(SIGSTOP);
            settle_thread_hook = stop_then_settle;
            settle_thread(thread, slot);
            return 0;
        });
        wait_until_stopped(child);
        return child;
    }

    uint64_t free_at_start_ = 0;
    uint32_t first_slot_ = 0;
};

TEST_F(CrossedTest, one_settles_both) {
    die_crossed();
    const auto run = space_map_claim_blocks(thread(), 0, 1); // waits for a lock of the dead
    ASSERT_TRUE(run.ok());
    space_map_undo_claims(thread(), thread().slot);
    expect_nothing_left();
}

// The other settler is held up with the first one half settled: we have not to wait for it.
TEST_F(CrossedTest, two_settle_one_each) {
    first_slot_ += 1; // the settler's is in between
    const pid_t settler = start_settler(first_slot_);
    die_crossed();
    kill(settler, SIGCONT);
    wait_until_stopped(settler);
    settle_thread(thread(), first_slot_ + 1);
    kill(settler, SIGCONT);
    EXPECT_EQ(wait_for_child(settler), 0);
    expect_nothing_left();
}

TEST_F(CrossedTest, a_settler_dies_on_its_way) {
    first_slot_ += 1;
    const pid_t settler = start_settler(first_slot_);
    die_crossed();
    kill(settler, SIGCONT);
    wait_until_stopped(settler);
    kill(settler, SIGKILL);
    EXPECT_EQ(wait_for_child(settler), -SIGKILL);
    const auto run = space_map_claim_blocks(thread(), 1, 1);
    ASSERT_TRUE(run.ok());
    space_map_undo_claims(thread(), thread().slot);
    expect_nothing_left();
}

// Killed between the bits and the count, with no claim that would tell of it: in what its call gives back.
TEST_F(CrossedTest, a_count_that_was_not_written_is_counted) {
    const pid_t child = start_child([](Thread &thread) BASE_NO_THREAD_SAFETY_ANALYSIS -> int {
        robust_lock(thread, lock_of(thread, 0));
        thread.pool->segment->groups()[0].free_blocks.fetch_sub(9);
        _exit(7);
    });
    ASSERT_EQ(wait_for_child(child), 7);
    expect_nothing_left();
}

// A vfork child works in its parent's slot, which is then to be settled by the parent itself.
TEST_F(CrossedTest, a_thread_settles_its_own_slot) {
    ASSERT_TRUE(space_map_claim_blocks(thread(), 1, 5).ok());
    ASSERT_EQ(begin_claim(thread(), 0), 0);
    settle_thread(thread(), thread().slot);
    EXPECT_EQ(pool_.segment->threads()[thread().slot].claim_count.load(), 0u);
    expect_nothing_left();
}

} // namespace
} // namespace pmemfile
