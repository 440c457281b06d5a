// Transactions of the C API: what others see before and after, what an abort leaves, who waits,
// and what is refused. Each case ends with the checker.
#include "libpmemfile/include/libpmemfile-posix.h"
#include "libpmemfile/include/pmemfile.hpp"
#include "tests/tools/closed_pool.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

namespace {

class Transactions : public testing::Test {
protected:
    void SetUp() override {
        path_ = "/dev/shm/pmemfile-transaction." + std::to_string(getpid());
        ::unlink(path_.c_str());
        pool_ = pmemfile_pool_create(path_.c_str(), 64u << 20, 0600);
        ASSERT_NE(pool_, nullptr) << pmemfile_errormsg();
        write("/old", "old");
    }
    void TearDown() override {
        pmemfile_pool_close(pool_);
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }
    void write(const std::string &path, const std::string &text) {
        PMEMfile *file = pmemfile_open(pool_, path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
        ASSERT_NE(file, nullptr) << path << ": " << strerror(errno);
        EXPECT_EQ(pmemfile_write(pool_, file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        pmemfile_close(pool_, file);
    }
    static std::string read(PMEMfilepool *pool, const std::string &path) {
        PMEMfile *file = pmemfile_open(pool, path.c_str(), O_RDONLY);
        if (file == nullptr)
            return "errno " + std::to_string(errno);
        std::string text(1 << 20, 0);
        const ssize_t got = pmemfile_read(pool, file, text.data(), text.size());
        const std::string failed = "errno " + std::to_string(errno);
        pmemfile_close(pool, file);
        text.resize(got < 0 ? 0 : static_cast<size_t>(got));
        return got < 0 ? failed : text;
    }
    std::string read(const std::string &path) {
        return read(pool_, path);
    }
    // What another thread sees now.
    std::string seen(const std::string &path) {
        std::string text;
        std::thread([&] { text = read(path); }).join();
        return text;
    }

    std::string path_;
    PMEMfilepool *pool_ = nullptr;
};

const std::string missing = "errno " + std::to_string(ENOENT);

TEST_F(Transactions, CommitShowsAllAtOnce) {
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_mkdir(pool_, "/d", 0755), 0);
    write("/d/new", std::string(10000, 'n'));
    write("/old", "changed");
    EXPECT_EQ(pmemfile_rename(pool_, "/old", "/d/moved"), 0);
    EXPECT_EQ(read("/d/moved"), "changed");
    EXPECT_EQ(read("/d/new"), std::string(10000, 'n'));
    EXPECT_EQ(read("/old"), missing);
    EXPECT_EQ(seen("/old"), "old");
    EXPECT_EQ(seen("/d/new"), missing);
    ASSERT_EQ(pmemfile_tx_commit(pool_), 0) << strerror(errno);
    for (const auto &text : {read("/d/moved"), seen("/d/moved")})
        EXPECT_EQ(text, "changed");
    EXPECT_EQ(seen("/d/new"), std::string(10000, 'n'));
    EXPECT_EQ(seen("/old"), missing);
}

TEST_F(Transactions, AbortLeavesNothing) {
    struct pmemfile_stats before, after;
    write("/warm", "so that the directory and an inode block are there");
    pmemfile_stats(pool_, &before);
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    PMEMfile *file = pmemfile_open(pool_, "/d", O_CREAT | O_RDWR, 0644);
    ASSERT_NE(file, nullptr);
    const std::string text(300000, 'x');
    EXPECT_EQ(pmemfile_write(pool_, file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(pmemfile_unlink(pool_, "/old"), 0);
    EXPECT_EQ(pmemfile_unlink(pool_, "/d"), 0);
    write("/again", "x");
    ASSERT_EQ(pmemfile_tx_abort(pool_), 0);
    EXPECT_EQ(read("/old"), "old");
    EXPECT_EQ(read("/again"), missing);
    char byte;
    EXPECT_EQ(pmemfile_pread(pool_, file, &byte, 1, 0), -1);
    EXPECT_EQ(errno, EBADF);
    pmemfile_close(pool_, file);
    pmemfile_stats(pool_, &after);
    EXPECT_EQ(after.inodes, before.inodes);
    EXPECT_EQ(after.blocks, before.blocks);
}

TEST_F(Transactions, ManyFilesInOne) {
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    for (int i = 0; i < 40; i++)
        write("/f" + std::to_string(i), std::string(static_cast<size_t>(i) * 300, 'a'));
    for (int i = 0; i < 40; i += 2)
        EXPECT_EQ(pmemfile_unlink(pool_, ("/f" + std::to_string(i)).c_str()), 0);
    ASSERT_EQ(pmemfile_tx_commit(pool_), 0) << strerror(errno);
    for (int i = 0; i < 40; i++)
        EXPECT_EQ(seen("/f" + std::to_string(i)),
                  i % 2 == 0 ? missing : std::string(static_cast<size_t>(i) * 300, 'a'));
}

TEST_F(Transactions, TooLargeIsRefusedAndUndone) {
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    int made = 0;
    for (; made < 2000; made++)
        if (pmemfile_mkdir(pool_, ("/d" + std::to_string(made)).c_str(), 0755) != 0)
            break;
    EXPECT_EQ(errno, ENOBUFS);
    EXPECT_GT(made, 20);
    EXPECT_LT(made, 2000);
    EXPECT_EQ(pmemfile_tx_commit(pool_), -1);
    EXPECT_EQ(errno, ENOBUFS);
    EXPECT_EQ(read("/d0"), missing);
    EXPECT_EQ(pmemfile_mkdir(pool_, "/d0", 0755), 0);
}

// A removed file that somebody has open lives on; one that nobody has is freed by the commit.
TEST_F(Transactions, RemovedFilesEnd) {
    struct pmemfile_stats before, after;
    pmemfile_stats(pool_, &before);
    write("/large", std::string(2 << 20, 'l'));
    PMEMfile *open = nullptr;
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_unlink(pool_, "/large"), 0);
    EXPECT_EQ(pmemfile_unlink(pool_, "/old"), 0);
    std::thread([&] { open = pmemfile_open(pool_, "/old", O_RDONLY); }).join();
    ASSERT_NE(open, nullptr);
    ASSERT_EQ(pmemfile_tx_commit(pool_), 0) << strerror(errno);
    pmemfile_stats(pool_, &after);
    EXPECT_EQ(after.blocks, before.blocks);
    char text[8] = {};
    EXPECT_EQ(pmemfile_read(pool_, open, text, sizeof(text)), 3);
    EXPECT_STREQ(text, "old");
    pmemfile_close(pool_, open);
}

// Nobody waits for an open transaction, and who changes what it has looked at ends it.
TEST_F(Transactions, OthersGoOn) {
    PMEMfile *shared = pmemfile_open(pool_, "/old", O_RDWR);
    ASSERT_NE(shared, nullptr);
    write("/other", "other");
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_write(pool_, shared, "YY", 2), 2);
    std::thread([&] {
        EXPECT_EQ(read("/old"), "old");
        PMEMfile *file = pmemfile_open(pool_, "/other", O_WRONLY);
        EXPECT_EQ(pmemfile_write(pool_, file, "OTHER", 5), 5); // nothing that we have looked at
        pmemfile_close(pool_, file);
    }).join();
    EXPECT_EQ(pmemfile_pwrite(pool_, shared, "Z", 1, 2), 1);
    ASSERT_EQ(pmemfile_tx_commit(pool_), 0) << strerror(errno);
    EXPECT_EQ(read("/old"), "YYZ");
    EXPECT_EQ(read("/other"), "OTHER");
    pmemfile_close(pool_, shared);
}

TEST_F(Transactions, AChangeOfWhatItHasWrittenIsAConflict) {
    PMEMfile *file = pmemfile_open(pool_, "/old", O_RDWR);
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_pwrite(pool_, file, "YY", 2, 0), 2);
    std::thread([&] { EXPECT_EQ(pmemfile_pwrite(pool_, file, "X", 1, 0), 1); }).join();
    EXPECT_EQ(pmemfile_tx_commit(pool_), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(read("/old"), "Xld");
    pmemfile_close(pool_, file);
}

TEST_F(Transactions, AChangeOfWhatItHasReadIsAConflict) {
    write("/other", "o");
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(read("/old"), "old");
    PMEMfile *other = pmemfile_open(pool_, "/other", O_WRONLY);
    EXPECT_EQ(pmemfile_write(pool_, other, "p", 1), 1);
    PMEMfile *made = pmemfile_open(pool_, "/made", O_CREAT | O_RDWR, 0644);
    ASSERT_NE(made, nullptr);
    std::thread([&] { write("/old", "changed"); }).join();
    EXPECT_EQ(pmemfile_tx_commit(pool_), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(read("/other"), "o");
    EXPECT_EQ(read("/made"), missing);
    EXPECT_EQ(pmemfile_pwrite(pool_, made, "x", 1, 0), -1);
    EXPECT_EQ(errno, EBADF);
    pmemfile_close(pool_, other);
    pmemfile_close(pool_, made);
}

// An inode in a page that the view has of its own may be newer in the pool: it is not taken from there.
TEST_F(Transactions, WhatWasChangedSinceTheBeginningIsNotRead) {
    write("/other", "o");
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_chmod(pool_, "/old", 0600), 0); // the page with all inodes
    std::thread([&] { write("/other", "changed"); }).join();
    EXPECT_EQ(read("/other"), "errno " + std::to_string(EAGAIN));
    EXPECT_EQ(pmemfile_mkdir(pool_, "/d", 0755), -1);
    EXPECT_EQ(errno, EAGAIN);
    ASSERT_EQ(pmemfile_tx_abort(pool_), 0);
    EXPECT_EQ(read("/other"), "changed");
}

TEST_F(Transactions, OfTwoTheFirstToCommitWins) {
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    write("/old", "first");
    std::thread([&] {
        ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
        write("/old", "second");
        ASSERT_EQ(pmemfile_tx_commit(pool_), 0) << strerror(errno);
    }).join();
    EXPECT_EQ(pmemfile_tx_commit(pool_), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(read("/old"), "second");
}

TEST_F(Transactions, MisuseIsRefused) {
    EXPECT_EQ(pmemfile_tx_commit(pool_), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(pmemfile_tx_abort(pool_), -1);
    EXPECT_EQ(errno, EINVAL);
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_tx_begin(pool_), -1);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(pmemfile_pool_suspend(pool_), -1);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(pmemfile_tx_commit(pool_), 0); // empty
}

TEST_F(Transactions, TheEndOfTheThreadOrPoolAborts) {
    std::thread([&] {
        pmemfile_tx_begin(pool_);
        write("/gone", "x");
    }).join();
    EXPECT_EQ(read("/gone"), missing);
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_mkdir(pool_, "/dir", 0755), 0);
    EXPECT_EQ(pmemfile_chdir(pool_, "/dir"), 0);
    pmemfile_pool_close(pool_);
    pool_ = pmemfile_pool_open(path_.c_str());
    ASSERT_NE(pool_, nullptr) << pmemfile_errormsg();
    EXPECT_EQ(read("/dir"), missing);
}

TEST_F(Transactions, AnAbortedDirectoryIsLeft) {
    ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
    EXPECT_EQ(pmemfile_mkdir(pool_, "/dir", 0755), 0);
    EXPECT_EQ(pmemfile_chdir(pool_, "/dir"), 0);
    ASSERT_EQ(pmemfile_tx_abort(pool_), 0);
    EXPECT_EQ(read("old"), "old");
}

// Killed in the middle: the others go on, and nothing has happened.
TEST_F(Transactions, AKilledProcessLeavesNoTrace) {
    int gate[2];
    ASSERT_EQ(pipe(gate), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        PMEMfilepool *pool = pmemfile_pool_open(path_.c_str());
        pmemfile_tx_begin(pool);
        for (int i = 0; i < 30; i++)
            pmemfile_mkdir(pool, ("/k" + std::to_string(i)).c_str(), 0755);
        static_cast<void>(::write(gate[1], "x", 1));
        pause();
    }
    char byte;
    ASSERT_EQ(::read(gate[0], &byte, 1), 1);
    EXPECT_EQ(read("/k0"), missing);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_EQ(pmemfile_mkdir(pool_, "/k0", 0755), 0);
    EXPECT_EQ(read("/k1"), missing);
    close(gate[0]);
    close(gate[1]);
}

// Two files always hold the same number, whoever looks; transactions of several threads count.
TEST_F(Transactions, ThreadsCountInTwoFiles) {
    write("/a", "0000");
    write("/b", "0000");
    std::atomic<bool> done = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&] {
            for (int done_rounds = 0; done_rounds < 60;) {
                ASSERT_EQ(pmemfile_tx_begin(pool_), 0);
                const std::string now = read("/a");
                if (now.starts_with("errno")) { // somebody was faster
                    ASSERT_EQ(pmemfile_tx_abort(pool_), 0);
                    continue;
                }
                char next[16];
                snprintf(next, sizeof(next), "%04d", std::stoi(now) + 1);
                for (const char *path : {"/a", "/b"})
                    if (PMEMfile *file = pmemfile_open(pool_, path, O_WRONLY)) {
                        pmemfile_write(pool_, file, next, 4);
                        pmemfile_close(pool_, file);
                    }
                if (done_rounds % 10 == 9) {
                    ASSERT_EQ(pmemfile_tx_abort(pool_), 0);
                    done_rounds++;
                } else if (pmemfile_tx_commit(pool_) == 0) {
                    done_rounds++;
                } else {
                    ASSERT_EQ(errno, EAGAIN);
                }
            }
        });
    std::thread reader([&] {
        while (!done) {
            const std::string first = read("/a"), second = read("/b");
            EXPECT_LE(first, second); // read later
        }
    });
    for (std::thread &thread : threads)
        thread.join();
    done = true;
    reader.join();
    EXPECT_EQ(read("/a"), "0162");
    EXPECT_EQ(read("/b"), "0162");
}

TEST_F(Transactions, TheWrapperAbortsWhenItEnds) {
    auto pool = pmemfile::cpp::Pool::open(path_.c_str());
    ASSERT_TRUE(pool.ok());
    {
        auto transaction = pool->begin();
        ASSERT_TRUE(transaction.ok());
        EXPECT_TRUE(pool->mkdir("/w", 0755).ok());
    }
    EXPECT_EQ(read("/w"), missing);
    {
        auto transaction = pool->begin();
        ASSERT_TRUE(transaction.ok());
        EXPECT_TRUE(pool->mkdir("/w", 0755).ok());
        EXPECT_TRUE(transaction->commit().ok());
    }
    EXPECT_EQ(pmemfile_rmdir(pool_, "/w"), 0);
}

} // namespace
