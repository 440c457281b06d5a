// Threads of one process make all kinds of calls on the same few names and files at once.
// Made for ThreadSanitizer; in any build the checker must find nothing afterwards.
#include "tests/engine_names/pool_fixture.h"

#include <atomic>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>
#include <thread>

namespace pmemfile {

namespace {

constexpr unsigned thread_count = 4;
constexpr unsigned rounds = 1500;

class Worker {
public:
    Worker(Pool &pool, InodeNumber root, unsigned seed) : own_(pool, nullptr), root_(root), random_(seed) {}

    void run() {
        for (unsigned i = 0; i < rounds; ++i)
            step();
    }
    uint64_t done = 0; // calls that succeeded

private:
    std::string name() {
        return (random_() % 3 == 0 ? "/d" + std::to_string(random_() % 3) : std::string()) + "/f" +
               std::to_string(random_() % 12);
    }
    void count(bool ok) {
        done += ok ? 1 : 0;
    }
    void data() {
        auto id = fs_open(*own_, {root_, name(), 0}, O_CREAT | O_RDWR | (random_() % 4 == 0 ? O_APPEND : 0), 0644);
        if (!id.ok())
            return;
        struct iovec vector = {buffer_.data(), 1 + random_() % buffer_.size()};
        const auto offset = static_cast<int64_t>(random_() % 300000);
        count(fs_pwrite(*own_, *id, {&vector, 1}, offset, UINT64_MAX).ok());
        count(fs_pread(*own_, *id, {&vector, 1}, static_cast<int64_t>(random_() % 300000)).ok());
        if (random_() % 4 == 0)
            count(fs_ftruncate(*own_, *id, static_cast<int64_t>(random_() % 300000)).ok());
        fs_close(*own_, *id);
    }
    void list() {
        auto id = fs_open(*own_, {root_, "/d" + std::to_string(random_() % 3), 0}, O_RDONLY | O_DIRECTORY, 0);
        if (!id.ok())
            return;
        for (auto length = fs_getdents64(*own_, *id, buffer_.data(), 512); length.ok() && *length != 0;)
            length = fs_getdents64(*own_, *id, buffer_.data(), 512);
        fs_close(*own_, *id);
    }
    void step() {
        switch (random_() % 10) {
        case 0:
            return count(fs_mkdir(*own_, {root_, "/d" + std::to_string(random_() % 3), 0}, 0755).ok());
        case 1:
            return count(fs_rmdir(*own_, {root_, "/d" + std::to_string(random_() % 3), 0}).ok());
        case 2:
            return count(fs_rename(*own_, {root_, name(), 0}, {root_, name(), 0}, 0).ok());
        case 3:
            return count(fs_unlink(*own_, {root_, name(), 0}).ok());
        case 4:
            return count(fs_symlink(*own_, "f1", {root_, name(), 0}).ok());
        case 5:
            return list();
        case 6: {
            auto found = walk(*own_, root_, name(), walk_follow_last);
            return count(found.ok() && fs_attributes(*own_, found->handle()).ok());
        }
        default:
            return data();
        }
    }

    PoolThread own_;
    InodeNumber root_;
    std::mt19937 random_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(40000);
};

class ThreadsTest : public PoolFixture {};

TEST_F(ThreadsTest, all_kinds_of_calls_at_once) {
    std::vector<std::thread> threads;
    std::atomic<uint64_t> done = 0;
    for (unsigned i = 0; i < thread_count; ++i)
        threads.emplace_back([&, i] {
            Worker worker(pool_, root_, i);
            worker.run();
            done += worker.done;
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_GT(done.load(), thread_count * rounds / 4);
}

} // namespace

} // namespace pmemfile
