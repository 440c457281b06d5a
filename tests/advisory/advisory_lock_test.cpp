// advisory_lock_test: the lock table with staged processes. Each `Process` is a
// Pool and a Thread of its own over one segment; robust_lock, process_alive
// and open_file_get are doubles, so that a death is one assignment.
#include "libpmemfile/runtime/advisory_lock.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/robust_lock.h"

#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace pmemfile {

void robust_lock(Thread &thread, RobustLock &lock) {
    uint32_t free = 0;
    while (!lock.word.compare_exchange_weak(free, thread.slot + 1)) {
        free = 0;
        std::this_thread::yield();
    }
}
void robust_unlock(Thread &thread, RobustLock &lock) {
    ASSERT_EQ(lock.word.load(), thread.slot + 1);
    lock.word.store(0);
}
bool process_alive(const Pool &pool, uint32_t slot) {
    return pool.segment->processes()[slot].state.load() == 1;
}
base::Result<OpenFile *> open_file_get(const Thread &thread, OpenFileId id) {
    OpenFile *file = &thread.pool->segment->open_files()[id & 0xffff];
    if (file->nonce.load() != id >> 16)
        return base::error(EBADF);
    return file;
}

namespace {

struct Process {
    Pool pool;
    Thread thread;
};

class AdvisoryLockTest : public testing::Test {
protected:
    AdvisoryLockTest() {
        size_ = sizeof(Segment) + max_processes * sizeof(ProcessSlot) + max_threads * sizeof(ThreadSlot) +
                16 * sizeof(OpenFile) + max_advisory_locks * sizeof(AdvisoryLock) + 4096;
        segment_ =
            static_cast<Segment *>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        uint64_t at = (sizeof(Segment) + 63) / 64 * 64;
        segment_->processes_offset = at;
        segment_->threads_offset = at += max_processes * sizeof(ProcessSlot);
        segment_->open_files_offset = at += max_threads * sizeof(ThreadSlot);
        segment_->advisory_locks_offset = at + 16 * sizeof(OpenFile);
        for (uint32_t slot = 0; slot < 4; slot++) {
            auto process = std::make_unique<Process>();
            process->pool.segment = segment_;
            process->pool.process_slot = slot;
            process->thread.pool = &process->pool;
            process->thread.slot = slot;
            process->thread.state = &segment_->threads()[slot];
            segment_->processes()[slot].incarnation = 100 + slot;
            segment_->processes()[slot].state = 1;
            segment_->threads()[slot].process_incarnation = 100 + slot;
            process_.push_back(std::move(process));
        }
    }
    ~AdvisoryLockTest() override {
        munmap(segment_, size_);
    }

    int set(unsigned process, short type, int64_t first, int64_t last, bool wait = false, InodeNumber inode = 7,
            LockOwner owner = {}) {
        owner.pid = 1000 + process;
        return advisory_lock_set(process_[process]->thread, inode, owner, type, {first, last}, wait, nullptr)
            .error()
            .number();
    }
    struct flock get(unsigned process, short type, int64_t first, int64_t last) {
        struct flock lock = {};
        lock.l_type = type;
        EXPECT_TRUE(advisory_lock_get(process_[process]->thread, 7, {}, &lock, {first, last}).ok());
        return lock;
    }
    LockOwner description(unsigned index, uint64_t nonce, LockFamily family, unsigned process) {
        segment_->open_files()[index].nonce = nonce;
        segment_->open_files()[index].references[0] |= uint64_t{1} << process;
        return {family, nonce << 16 | index, 0};
    }
    void die(unsigned process) {
        segment_->processes()[process].state = 2;
    }
    void await_sleeper(unsigned wanted) {
        for (;;) {
            unsigned waiting = 0;
            for (uint32_t i = 0; i < segment_->advisory_high_water; i++)
                waiting += segment_->advisory_locks()[i].owner != 0 && segment_->advisory_locks()[i].kind >> 16;
            if (waiting >= wanted)
                return;
            std::this_thread::yield();
        }
    }

    Segment *segment_;
    size_t size_;
    std::vector<std::unique_ptr<Process>> process_;
};

TEST_F(AdvisoryLockTest, WriteExcludesReadAndWrite) {
    EXPECT_EQ(set(0, F_WRLCK, 0, 9), 0);
    EXPECT_EQ(set(1, F_RDLCK, 9, 9), EAGAIN);
    EXPECT_EQ(set(1, F_WRLCK, 0, 100), EAGAIN);
    EXPECT_EQ(set(1, F_WRLCK, 10, 100), 0);
    EXPECT_EQ(set(1, F_WRLCK, 0, 9, false, 8), 0) << "another inode";
}

TEST_F(AdvisoryLockTest, ReadersShare) {
    EXPECT_EQ(set(0, F_RDLCK, 0, INT64_MAX), 0);
    EXPECT_EQ(set(1, F_RDLCK, 0, INT64_MAX), 0);
    EXPECT_EQ(set(1, F_WRLCK, 5, 5), EAGAIN);
    EXPECT_EQ(set(0, F_UNLCK, 0, INT64_MAX), 0);
    EXPECT_EQ(set(1, F_WRLCK, 5, 5), 0);
}

TEST_F(AdvisoryLockTest, GetTellsTheFirst) {
    EXPECT_EQ(set(0, F_WRLCK, 50, 59), 0);
    EXPECT_EQ(set(0, F_RDLCK, 10, 19), 0);
    struct flock lock = get(1, F_WRLCK, 0, INT64_MAX);
    EXPECT_EQ(lock.l_type, F_RDLCK);
    EXPECT_EQ(lock.l_start, 10);
    EXPECT_EQ(lock.l_len, 10);
    EXPECT_EQ(lock.l_pid, 1000);
    EXPECT_EQ(get(1, F_RDLCK, 0, 49).l_type, F_UNLCK);
    EXPECT_EQ(get(0, F_WRLCK, 0, INT64_MAX).l_type, F_UNLCK) << "own locks do not conflict";
    EXPECT_EQ(set(0, F_WRLCK, 100, INT64_MAX), 0);
    EXPECT_EQ(get(1, F_RDLCK, 200, 200).l_len, 0) << "0 says: to the end";
}

TEST_F(AdvisoryLockTest, TouchingRangesMerge) {
    EXPECT_EQ(set(0, F_WRLCK, 0, 9), 0);
    EXPECT_EQ(set(0, F_WRLCK, 20, 29), 0);
    EXPECT_EQ(set(0, F_WRLCK, 10, 19), 0);
    EXPECT_EQ(get(1, F_RDLCK, 15, 15).l_len, 30);
}

// Random sets and clears by three owners against a byte-wise model.
TEST_F(AdvisoryLockTest, ModelOfBytes) {
    std::mt19937_64 random(20261123);
    constexpr int bytes = 40;
    short model[3][bytes];
    std::fill(&model[0][0], &model[0][0] + 3 * bytes, F_UNLCK);
    for (int round = 0; round < 20000; round++) {
        unsigned who = static_cast<unsigned>(random() % 3);
        int first = static_cast<int>(random() % bytes), last = first + static_cast<int>(random() % (bytes - first));
        short type = static_cast<short>(random() % 3);
        bool blocked = false;
        for (unsigned other = 0; other < 3; other++)
            for (int i = first; i <= last; i++)
                blocked |= other != who && type != F_UNLCK &&
                           (model[other][i] == F_WRLCK || (type == F_WRLCK && model[other][i] == F_RDLCK));
        ASSERT_EQ(set(who, type, first, last), blocked ? EAGAIN : 0) << "round " << round;
        if (!blocked)
            std::fill(&model[who][first], &model[who][last] + 1, type);
        int probe = static_cast<int>(random() % bytes);
        bool held = false;
        for (auto &row : model)
            held |= row[probe] != F_UNLCK;
        ASSERT_EQ(get(3, F_WRLCK, probe, probe).l_type != F_UNLCK, held) << "round " << round;
    }
    // Merging keeps the table small: at most one entry a byte and owner.
    EXPECT_LE(segment_->advisory_high_water.load(), 3u * bytes);
}

TEST_F(AdvisoryLockTest, DeadOwnersLocksVanish) {
    EXPECT_EQ(set(0, F_WRLCK, 0, 9), 0);
    die(0);
    EXPECT_EQ(set(1, F_WRLCK, 0, 9), 0);
    segment_->processes()[1].incarnation = 0; // slot already collected
    EXPECT_EQ(set(2, F_WRLCK, 0, 9), 0);
}

TEST_F(AdvisoryLockTest, DescriptionOutlivesOneOfItsProcesses) {
    LockOwner owner = description(1, 77, LockFamily::description, 0);
    description(1, 77, LockFamily::description, 2);
    EXPECT_EQ(set(0, F_WRLCK, 0, 9, false, 7, owner), 0);
    EXPECT_EQ(set(1, F_RDLCK, 0, 9), EAGAIN) << "fcntl families see each other";
    EXPECT_EQ(get(1, F_RDLCK, 0, 9).l_pid, -1);
    die(0);
    EXPECT_EQ(set(1, F_RDLCK, 0, 9), EAGAIN);
    die(2);
    EXPECT_EQ(set(1, F_RDLCK, 0, 9), 0);
}

TEST_F(AdvisoryLockTest, FlockIsApartFromFcntl) {
    LockOwner a = description(1, 77, LockFamily::flock, 0), b = description(2, 78, LockFamily::flock, 1);
    EXPECT_EQ(set(0, F_WRLCK, 0, INT64_MAX, false, 7, a), 0);
    EXPECT_EQ(set(1, F_WRLCK, 0, INT64_MAX), 0);
    EXPECT_EQ(set(1, F_RDLCK, 0, INT64_MAX, false, 7, b), EAGAIN);
    advisory_lock_drop_description(process_[0]->thread, a.description);
    EXPECT_EQ(set(1, F_RDLCK, 0, INT64_MAX, false, 7, b), 0);
}

TEST_F(AdvisoryLockTest, CloseDropsOnlyPosixOfThisFile) {
    LockOwner a = description(1, 77, LockFamily::flock, 0);
    EXPECT_EQ(set(0, F_WRLCK, 0, 9), 0);
    EXPECT_EQ(set(0, F_WRLCK, 0, 9, false, 8), 0);
    EXPECT_EQ(set(0, F_WRLCK, 0, INT64_MAX, false, 7, a), 0);
    advisory_lock_drop_posix(process_[0]->thread, 7);
    EXPECT_EQ(set(1, F_WRLCK, 0, 9), 0);
    EXPECT_EQ(set(1, F_WRLCK, 0, 9, false, 8), EAGAIN);
    EXPECT_EQ(set(1, F_WRLCK, 0, INT64_MAX, false, 7, description(2, 78, LockFamily::flock, 1)), EAGAIN);
    advisory_lock_drop_process(process_[0]->thread, 100);
    EXPECT_EQ(set(1, F_WRLCK, 0, 9, false, 8), 0);
}

TEST_F(AdvisoryLockTest, WaiterIsWoken) {
    EXPECT_EQ(set(0, F_WRLCK, 0, 9), 0);
    int result = -1;
    std::thread waiter([&] { result = set(1, F_WRLCK, 0, 9, true); });
    await_sleeper(1);
    EXPECT_EQ(set(0, F_UNLCK, 0, 9), 0);
    waiter.join();
    EXPECT_EQ(result, 0);
    EXPECT_EQ(set(0, F_RDLCK, 0, 9), EAGAIN);
}

TEST_F(AdvisoryLockTest, WaiterGoesOnAfterADeath) {
    EXPECT_EQ(set(0, F_WRLCK, 0, 9), 0);
    int result = -1;
    std::thread waiter([&] { result = set(1, F_WRLCK, 0, 9, true); });
    await_sleeper(1);
    die(0); // wakes nobody
    waiter.join();
    EXPECT_EQ(result, 0);
}

TEST_F(AdvisoryLockTest, InterruptedWaitLeavesNothing) {
    EXPECT_EQ(set(0, F_WRLCK, 0, 9), 0);
    auto status = advisory_lock_set(process_[1]->thread, 7, {}, F_WRLCK, {0, 9}, true, [] { return true; });
    EXPECT_EQ(status.error().number(), EINTR);
    EXPECT_EQ(set(0, F_UNLCK, 0, 9), 0);
    EXPECT_EQ(segment_->advisory_high_water.load(), 0u);
}

// Its entry goes with the description and is another's lock when it looks again.
TEST_F(AdvisoryLockTest, WaiterWhoseDescriptionIsClosedTakesNobodysLock) {
    const LockOwner holder = description(1, 77, LockFamily::flock, 0);
    const LockOwner closed = description(2, 78, LockFamily::flock, 1);
    EXPECT_EQ(set(0, F_WRLCK, 0, INT64_MAX, false, 7, holder), 0);
    int result = -1;
    std::thread waiter([&] { result = set(1, F_WRLCK, 0, INT64_MAX, true, 7, closed); });
    await_sleeper(1);
    advisory_lock_drop_description(process_[0]->thread, closed.description);
    while (set(2, F_WRLCK, 0, 9, false, 8) != 0 || segment_->advisory_locks()[1].inode.load() != 8) {
        EXPECT_EQ(set(2, F_UNLCK, 0, 9, false, 8), 0); // the waiter was quicker, and waits there again
        advisory_lock_drop_description(process_[0]->thread, closed.description);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50)); // it looks every 10 ms
    EXPECT_EQ(set(3, F_WRLCK, 0, 9, false, 8), EAGAIN);
    EXPECT_EQ(set(0, F_UNLCK, 0, INT64_MAX, false, 7, holder), 0);
    waiter.join();
    EXPECT_EQ(result, 0);
}

// What a process that was killed in flock(2) has left of its wait, whose description others still have, is gone when
// the next one that has its thread slot waits.
TEST_F(AdvisoryLockTest, KilledWaitsDoNotFillTheTable) {
    constexpr uint64_t flock_owner = uint64_t{2} << 62;
    const LockOwner holder = description(1, 77, LockFamily::flock, 0);
    const LockOwner shared = description(2, 78, LockFamily::flock, 0);
    const LockOwner mine = description(3, 79, LockFamily::flock, 1);
    EXPECT_EQ(set(0, F_WRLCK, 0, INT64_MAX, false, 7, holder), 0);
    AdvisoryLock &left = segment_->advisory_locks()[1];
    left.inode = 7;
    left.last_byte = INT64_MAX;
    left.kind = F_WRLCK | 1u << 16;
    left.pid = 1;
    left.owner = flock_owner | shared.description;
    segment_->advisory_high_water = 2;
    std::thread waiter([&] { EXPECT_EQ(set(1, F_WRLCK, 0, INT64_MAX, true, 7, mine), 0); });
    while (segment_->advisory_locks()[1].owner != (flock_owner | mine.description) &&
           segment_->advisory_locks()[2].owner != (flock_owner | mine.description))
        std::this_thread::yield();
    EXPECT_EQ(segment_->advisory_high_water.load(), 2u);
    EXPECT_EQ(set(0, F_UNLCK, 0, INT64_MAX, false, 7, holder), 0);
    waiter.join();
}

TEST_F(AdvisoryLockTest, CycleOfThreeIsADeadlock) {
    for (unsigned i = 0; i < 3; i++)
        EXPECT_EQ(set(i, F_WRLCK, i, i), 0);
    std::thread first([&] { EXPECT_EQ(set(0, F_WRLCK, 1, 1, true), 0); });
    std::thread second([&] { EXPECT_EQ(set(1, F_WRLCK, 2, 2, true), 0); });
    await_sleeper(2);
    EXPECT_EQ(set(2, F_WRLCK, 0, 0, true), EDEADLK);
    EXPECT_EQ(set(2, F_UNLCK, 2, 2), 0);
    second.join();
    EXPECT_EQ(set(1, F_UNLCK, 0, INT64_MAX), 0);
    first.join();
}

TEST_F(AdvisoryLockTest, FullTableIsRefused) {
    for (int64_t i = 0; i < max_advisory_locks; i++)
        ASSERT_EQ(set(0, F_WRLCK, 2 * i, 2 * i), 0);
    EXPECT_EQ(set(0, F_WRLCK, 100000, 100000), ENOLCK);
    EXPECT_EQ(set(0, F_UNLCK, 0, INT64_MAX), 0);
    EXPECT_EQ(set(0, F_WRLCK, 100000, 100000), 0);
}

// Two threads count under the lock: nobody is inside at the same time.
TEST_F(AdvisoryLockTest, ExcludesUnderLoad) {
    int inside = 0, total = 0;
    auto work = [&](unsigned who) {
        for (int i = 0; i < 2000; i++) {
            ASSERT_EQ(set(who, F_WRLCK, 0, 0, true), 0);
            ASSERT_EQ(++inside, 1);
            total++;
            inside--;
            ASSERT_EQ(set(who, F_UNLCK, 0, 0), 0);
        }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    EXPECT_EQ(total, 4000);
}

} // namespace
} // namespace pmemfile
