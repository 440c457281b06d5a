// A process is stopped in the middle of a commit (hazard 14): others go on if they want nothing that it holds, however
// often their rings go round; and when it goes on, its call ends as any other.
#include "tests/engine_names/pool_fixture.h"

#include "libpmemfile/journal/watermark.h"
#include "libpmemfile/runtime/liveness.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <sys/syscall.h>

namespace pmemfile {
namespace {

// Stops the process at its next fence: the record is written, its changes are not home.
class StopAtFence final : public PersistObserver {
public:
    void on_store(PoolOffset, const void *, size_t, bool) override {}
    void on_flush(PoolOffset, size_t) override {}
    void on_fence() override {
        if (!has_stopped_)
            raise(SIGSTOP);
        has_stopped_ = true;
    }

private:
    bool has_stopped_ = false;
};

class StoppedTest : public PoolFixture {
protected:
    int create(const std::string &name) {
        auto id = fs_open(thread(), at(name), O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (!id.ok())
            return id.error().number();
        fs_close(thread(), *id);
        return 0;
    }
    // A child that makes the directory, is stopped in that, and does `afterwards` when it has gone on.
    pid_t start_stopped(const char *name, const std::function<void()> &afterwards = [] {}) {
        const pid_t child = start_child([&](Thread &thread) {
            StopAtFence observer;
            thread.pool->persist.set_observer(&observer);
            const bool done = fs_mkdir(thread, at(name), 0755).ok();
            thread.pool->persist.set_observer(nullptr);
            afterwards();
            return done ? 0 : 2;
        });
        wait_until_stopped(child);
        return child;
    }
};

TEST_F(StoppedTest, others_go_on_and_it_goes_on) {
    ASSERT_TRUE(fs_mkdir(thread(), at("ours"), 0755).ok());
    ASSERT_TRUE(fs_mkdir(thread(), at("theirs"), 0755).ok());
    const pid_t child = start_stopped("theirs/d");
    alarm(60); // nobody may hang for it
    for (int i = 0; i < 40; ++i)
        ASSERT_EQ(create("ours/" + std::to_string(i)), 0) << i;
    kill(child, SIGCONT);
    ASSERT_EQ(wait_for_child(child), 0);
    alarm(0);
    EXPECT_TRUE(walk(thread(), root_, "theirs/d", 0).ok());
    EXPECT_EQ(create("theirs/d/file"), 0);
}

// The watermark passes its record by name, again and again.
TEST_F(StoppedTest, others_fill_all_rings_come_and_leave) {
    ASSERT_TRUE(fs_mkdir(thread(), at("ours"), 0755).ok());
    ASSERT_TRUE(fs_mkdir(thread(), at("theirs"), 0755).ok());
    const pid_t child = start_stopped("theirs/d");
    alarm(60);
    const Segment &segment = *pool_.segment;
    const uint64_t ring_bytes = pool_.superblock().ring_count * pool_.superblock().ring_size_bytes;
    const auto written = [&] {
        uint64_t total = 0;
        for (uint64_t ring = 0; ring < pool_.superblock().ring_count; ++ring)
            total += pool_.segment->rings()[ring].head_position.load();
        return total;
    };
    const Lsn watermark = segment.durable_watermark.load();
    Lsn on_media = watermark;
    for (int i = 0; written() < 2 * ring_bytes && !HasFailure(); ++i) {
        ASSERT_EQ(create("ours/a"), 0) << i;
        ASSERT_TRUE(fs_unlink(thread(), at("ours/a")).ok()) << i;
        // Rings begin behind what is dead by now: were the watermark to go back, older records of other rings would live.
        EXPECT_GE(pool_.superblock().watermark, on_media) << i;
        on_media = pool_.superblock().watermark;
    }
    EXPECT_GT(segment.durable_watermark.load(), watermark + 1);
    const pid_t other = start_child([](Thread &) { return 0; }); // its leaving raises the watermark
    ASSERT_EQ(wait_for_child(other), 0);
    kill(child, SIGCONT);
    ASSERT_EQ(wait_for_child(child), 0);
    alarm(0);
    EXPECT_TRUE(walk(thread(), root_, "theirs/d", 0).ok());
    EXPECT_EQ(create("theirs/d/file"), 0);
}

// Would recovery apply its record, if all ended just here? Asked before each store and fence of ours.
class WatchRecord final : public PersistObserver {
public:
    WatchRecord(const Pool &pool, uint64_t ring, Lsn lsn) : pool_(pool), ring_(ring), lsn_(lsn) {}
    void on_store(PoolOffset, const void *, size_t, bool) override {
        look();
    }
    void on_flush(PoolOffset, size_t) override {
        look();
    }
    void on_fence() override {
        look();
    }
    bool has_counted() const {
        return has_counted_;
    }

private:
    void look() {
        const auto *headers = pool_.at<RingHeader>(pool_.superblock().ring_table_block * block_size_bytes);
        has_counted_ = has_counted_ && is_live(pool_.superblock(), headers[ring_], lsn_);
    }
    const Pool &pool_;
    uint64_t ring_;
    Lsn lsn_;
    bool has_counted_ = true;
};

// Also while one raise after the other passes it: its name for the next watermark stands before that watermark does.
TEST_F(StoppedTest, its_record_counts_all_the_time) {
    ASSERT_TRUE(fs_mkdir(thread(), at("ours"), 0755).ok());
    ASSERT_TRUE(fs_mkdir(thread(), at("theirs"), 0755).ok());
    const pid_t child = start_stopped("theirs/d");
    alarm(60);
    Segment &segment = *pool_.segment;
    const ThreadSlot *stopped = segment.threads();
    while (stopped->record_lsn.load() == 0)
        ++stopped;
    WatchRecord watch(pool_, stopped->record_ring.load(), stopped->record_lsn.load());
    pool_.persist.set_observer(&watch);
    unsigned passed = 0;
    for (Lsn last = segment.durable_watermark.load(); passed < 4 && watch.has_counted() && !HasFailure();) {
        ASSERT_EQ(create("ours/a"), 0);
        ASSERT_TRUE(fs_unlink(thread(), at("ours/a")).ok());
        const Lsn now = segment.durable_watermark.load();
        passed += now > last && now >= stopped->record_lsn.load() ? 1 : 0;
        last = now;
    }
    pool_.persist.set_observer(nullptr);
    EXPECT_TRUE(watch.has_counted()) << "not after " << passed << " raises";
    kill(child, SIGCONT);
    ASSERT_EQ(wait_for_child(child), 0);
    alarm(0);
}

// Two calls are passed at the last LSN that was drawn. One of them ends, with its ring just full: its next call has to get
// room though the watermark cannot rise until somebody draws another LSN.
TEST_F(StoppedTest, who_was_passed_goes_on_though_nobody_else_does) {
    ASSERT_TRUE(fs_mkdir(thread(), at("theirs"), 0755).ok() && fs_mkdir(thread(), at("others"), 0755).ok());
    const pid_t first = start_stopped("theirs/d");
    const pid_t second = start_child([&](Thread &thread) {
        const auto place = walk(thread, root_, "others", 0);
        if (!place.ok())
            return 2;
        alarm(60);
        const RingState &ring = thread.pool->segment->rings()[thread.preferred_ring];
        const uint64_t ring_bytes = thread.pool->superblock().ring_size_bytes;
        const auto used = [&] { return ring.head_position.load() - ring.start_position.load(); };
        unsigned mode = 0;
        const auto change_mode = [&] { return fs_chmod(thread, place->handle(), 0700 + ++mode % 2).ok(); };
        uint64_t record_bytes = ring_bytes;
        do {
            const uint64_t before = ring.head_position.load();
            if (!change_mode())
                return 3;
            record_bytes = std::min(record_bytes, ring.head_position.load() - before);
        } while (used() + 2 * record_bytes <= ring_bytes || used() + record_bytes > ring_bytes);
        StopAtFence observer;
        thread.pool->persist.set_observer(&observer);
        const bool done = change_mode();
        thread.pool->persist.set_observer(nullptr);
        return done && used() + record_bytes > ring_bytes && change_mode() ? 0 : 4;
    });
    wait_until_stopped(second);
    alarm(60);
    ASSERT_TRUE(watermark_raise_all(thread()).ok());
    ASSERT_EQ(pool_.segment->durable_watermark.load(), pool_.segment->last_lsn.load());
    kill(second, SIGCONT);
    EXPECT_EQ(wait_for_child(second), 0);
    kill(first, SIGCONT);
    EXPECT_EQ(wait_for_child(first), 0);
    alarm(0);
}

// Byte 0 of the runtime file, for which who comes or goes waits.
class HeldByte {
public:
    explicit HeldByte(const Pool &pool) {
        char path[runtime_file_path_bytes];
        runtime_file_path(pool, path);
        descriptor_ = open(path, O_RDWR | O_CLOEXEC);
        EXPECT_TRUE(set(F_WRLCK));
    }
    ~HeldByte() {
        close(descriptor_);
    }
    bool set(short type) {
        struct flock lock = {};
        lock.l_type = type;
        lock.l_len = 1;
        return fcntl(descriptor_, F_OFD_SETLK, &lock) == 0;
    }

private:
    int descriptor_ = -1;
};

// ^Z while it holds up all who come and go, or waits for that: it stops afterwards.
TEST_F(StoppedTest, who_comes_or_goes_is_not_stopped_by_the_terminal_in_between) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    auto held = std::make_unique<HeldByte>(pool_);
    const pid_t child = start_child([&](Thread &) {
        close(ends[1]);
        char byte = 0;
        return read(ends[0], &byte, 1) == 0 ? 0 : 2;
    });
    close(ends[0]);
    alarm(60);
    setpgid(child, child); // in a group without anybody outside, stop signals do nothing
    const auto stop_while_it_waits = [&] {
        const std::string waits_in = "/proc/" + std::to_string(child) + "/syscall";
        for (int number = 0; number != SYS_fcntl; usleep(1000))
            std::ifstream(waits_in) >> number;
        kill(child, SIGTSTP);
        usleep(50'000);
        int status = 0;
        EXPECT_EQ(waitpid(child, &status, WUNTRACED | WNOHANG), 0) << "it has stopped while others wait for it";
        held->set(F_UNLCK);
        EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
        EXPECT_TRUE(WIFSTOPPED(status)) << status;
        EXPECT_TRUE(held->set(F_WRLCK)) << "it has not let it go";
    };
    stop_while_it_waits(); // it comes
    kill(child, SIGCONT);
    close(ends[1]);
    stop_while_it_waits(); // it goes
    held.reset();
    kill(child, SIGCONT);
    EXPECT_EQ(wait_for_child(child), 0);
    alarm(0);
}

// Whoever wants its lock has it go on until the lock is free, and stops it again.
TEST_F(StoppedTest, who_holds_a_wanted_lock_goes_on_for_that_long) {
    ASSERT_TRUE(fs_mkdir(thread(), at("theirs"), 0755).ok());
    for (int i = 0; i < 3; ++i) {
        const std::string name = "theirs/d" + std::to_string(i);
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        const pid_t child = start_stopped(name.c_str(), [&] { // who stops it may come late
            close(ends[1]);
            char byte = 0;
            while (read(ends[0], &byte, 1) < 0) {
            }
        });
        close(ends[0]);
        alarm(60);
        EXPECT_EQ(create("theirs/e" + std::to_string(i)), 0);
        EXPECT_TRUE(walk(thread(), root_, name, 0).ok()) << "its call came first";
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, WUNTRACED), child) << "it is not stopped again";
        ASSERT_TRUE(WIFSTOPPED(status)) << status;
        EXPECT_EQ(WSTOPSIG(status), SIGSTOP);
        close(ends[1]);
        kill(child, SIGCONT);
        EXPECT_EQ(wait_for_child(child), 0);
        alarm(0);
    }
}

// Killed while it is stopped: its record is whole, so its call has happened.
TEST_F(StoppedTest, who_is_killed_while_stopped_is_settled) {
    ASSERT_TRUE(fs_mkdir(thread(), at("theirs"), 0755).ok());
    const pid_t child = start_stopped("theirs/d");
    kill(child, SIGKILL);
    ASSERT_EQ(wait_for_child(child), -SIGKILL);
    alarm(60);
    EXPECT_EQ(create("theirs/e"), 0); // wants the lock that it held
    EXPECT_TRUE(walk(thread(), root_, "theirs/d", 0).ok());
    alarm(0);
}

} // namespace
} // namespace pmemfile
