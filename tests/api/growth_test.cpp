// Growth: what several processes and threads see of it.
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/include/pmemfile.hpp"
#include "tests/tools/closed_pool.h"

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <vector>

namespace {

using pmemfile::cpp::Pool;

constexpr size_t mib = size_t{1} << 20;

class Growth : public testing::Test {
protected:
    void SetUp() override {
        pmemfile::MkfsOptions options;
        options.size_bytes = 16 * mib;
        options.max_size_bytes = 96 * mib;
        pmemfile::ContainerMessage message;
        ASSERT_TRUE(pmemfile::mkfs(path_.c_str(), options, &message).ok()) << message.text;
        pool_ = open();
    }
    void TearDown() override {
        pool_.close();
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }
    Pool open() {
        auto opened = Pool::open(path_.c_str());
        EXPECT_TRUE(opened.ok()) << pmemfile_errormsg();
        return opened.ok() ? std::move(*opened) : Pool();
    }
    uint64_t blocks() {
        pmemfile_statfs_t counts = {};
        EXPECT_EQ(pmemfile_statfs(pool_.get(), &counts), 0);
        return counts.f_blocks;
    }
    // Bytes written until there is no room.
    static size_t fill(Pool &pool, const char *path) {
        auto file = pool.open(path, O_CREAT | O_WRONLY | O_APPEND);
        const std::vector<std::byte> bytes(64 * 1024, std::byte{'f'});
        size_t total = 0;
        for (;;) {
            const auto written = file->write(bytes);
            if (!written.ok()) {
                EXPECT_EQ(written.error().number(), ENOSPC);
                return total;
            }
            total += *written;
        }
    }
    const std::string path_ = "/dev/shm/pmemfile-growth." + std::to_string(getpid());
    Pool pool_;
};

TEST_F(Growth, SaysHowFarItCanGo) {
    const uint64_t before = blocks();
    EXPECT_EQ(pmemfile_pool_grow(pool_.get(), 97 * mib), -1);
    EXPECT_EQ(errno, EFBIG);
    EXPECT_EQ(pmemfile_pool_grow(pool_.get(), 1), 0);
    EXPECT_EQ(blocks(), before);
    EXPECT_EQ(pmemfile_pool_grow(pool_.get(), 96 * mib), 0);
    EXPECT_GT(blocks(), before + 70 * mib / 4096);
    EXPECT_EQ(pmemfile_pool_grow(pool_.get(), 96 * mib), 0);
    ASSERT_EQ(pmemfile_tx_begin(pool_.get()), 0);
    EXPECT_EQ(pmemfile_pool_grow(pool_.get(), 96 * mib), -1);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(pmemfile_tx_abort(pool_.get()), 0);
    auto reader = Pool::open_read_only(path_.c_str());
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(pmemfile_pool_grow(reader->get(), 96 * mib), -1);
    EXPECT_EQ(errno, EROFS);
}

TEST_F(Growth, AProcessThatWasThereBeforeUsesIt) {
    const size_t small = fill(pool_, "/f");
    const pid_t child = fork();
    if (child == 0) {
        auto own = Pool::open(path_.c_str());
        const bool grown = own.ok() && pmemfile_pool_grow(own->get(), 64 * mib) == 0;
        own->close();
        _exit(grown ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    EXPECT_GT(fill(pool_, "/g"), 44 * mib);
    EXPECT_TRUE(pool_.unlink("/f").ok());
    EXPECT_GE(fill(pool_, "/h") + mib, small);
}

TEST_F(Growth, WritersGoOnMeanwhile) {
    std::atomic<bool> has_grown = false;
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 3; number++)
        threads.emplace_back([&, number] {
            auto file = pool_.open(("/t" + std::to_string(number)).c_str(), O_CREAT | O_WRONLY | O_APPEND);
            const std::vector<std::byte> bytes(20'000, std::byte{'t'});
            for (unsigned written = 0; written < 600;) {
                const bool was_last_try = has_grown.load();
                if (file->write(bytes).ok())
                    written++;
                else
                    ASSERT_FALSE(was_last_try) << "after " << written;
            }
        });
    for (size_t size = 20 * mib; size <= 96 * mib; size += 4 * mib)
        EXPECT_EQ(pmemfile_pool_grow(pool_.get(), size), 0);
    has_grown = true;
    for (std::thread &thread : threads)
        thread.join();
}

// One flipped bit in the number of groups: the pool is refused rather than written over.
TEST_F(Growth, ADamagedNumberIsRefused) {
    pool_.close();
    const int file = ::open(path_.c_str(), O_RDWR);
    ASSERT_GE(file, 0);
    uint64_t magic = 0;
    off_t at = 0;
    for (; magic != pmemfile::superblock_magic; at += 4096)
        ASSERT_EQ(pread(file, &magic, sizeof(magic), at), static_cast<ssize_t>(sizeof(magic)));
    at += -4096 + static_cast<off_t>(offsetof(pmemfile::Superblock, groups_in_use));
    uint64_t word = 0;
    ASSERT_EQ(pread(file, &word, sizeof(word), at), static_cast<ssize_t>(sizeof(word)));
    for (unsigned bit = 0; bit < 64; bit++) {
        const uint64_t wrong = word ^ (uint64_t{1} << bit);
        ASSERT_EQ(pwrite(file, &wrong, sizeof(wrong), at), static_cast<ssize_t>(sizeof(wrong)));
        auto opened = Pool::open(path_.c_str());
        EXPECT_FALSE(opened.ok()) << "bit " << bit;
        EXPECT_EQ(opened.error().number(), EUCLEAN) << "bit " << bit;
    }
    ASSERT_EQ(pwrite(file, &word, sizeof(word), at), static_cast<ssize_t>(sizeof(word)));
    ::close(file);
    pool_ = open();
}

#ifndef __SANITIZE_THREAD__ // which leaves no room for the pool's 5 TiB
// What is behind the end of a file that is mapped must be behind the end of the pool's file too, however large that is.
TEST(LargePool, BehindTheEndOfAMappedFileIsNothing) {
    const std::string path = "/dev/shm/pmemfile-large." + std::to_string(getpid());
    pmemfile::MkfsOptions options;
    options.size_bytes = 64 * mib;
    options.max_size_bytes = uint64_t{5} << 40;
    pmemfile::ContainerMessage message;
    ASSERT_TRUE(pmemfile::mkfs(path.c_str(), options, &message).ok()) << message.text;
    {
        auto pool = Pool::open(path.c_str());
        ASSERT_TRUE(pool.ok()) << pmemfile_errormsg();
        auto file = pool->open("/f", O_CREAT | O_RDWR);
        ASSERT_TRUE(file.ok() && file->truncate(4096).ok());
        auto mapping = file->map(2 * 4096, PROT_READ | PROT_WRITE);
        ASSERT_TRUE(mapping.ok());
        mapping->bytes()[4095] = std::byte{'i'};
        const auto touch_behind = [&] {
            signal(SIGBUS, SIG_DFL); // a sanitizer would make a report of it
            mapping->bytes()[4096] = std::byte{'o'};
        };
        EXPECT_EXIT(touch_behind(), testing::KilledBySignal(SIGBUS), "");
    }
    ::unlink(path.c_str());
}
#endif

} // namespace
