// A pool opened for reading: with the right to write it, beside a writer, and as a copy without that right.
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/include/libpmemfile-posix.h"
#include "tests/tools/closed_pool.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace {

constexpr uid_t somebody = 12345;

class ReadOnly : public testing::Test {
protected:
    void SetUp() override {
        path_ = "/dev/shm/pmemfile-read-only." + std::to_string(getpid());
        ::unlink(path_.c_str());
        PMEMfilepool *pool = pmemfile_pool_create(path_.c_str(), 32u << 20, 0644);
        ASSERT_NE(pool, nullptr) << pmemfile_errormsg();
        pmemfile_mkdir(pool, "/d", 0755);
        PMEMfile *file = pmemfile_open(pool, "/d/f", O_CREAT | O_RDWR, 0644);
        ASSERT_EQ(pmemfile_write(pool, file, "what is there", 13), 13);
        pmemfile_close(pool, file);
        pmemfile_pool_close(pool);
    }
    void TearDown() override {
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }
    std::string bytes() const {
        std::ifstream stream(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
    // 0, or a number that says what is wrong: for a child, which has no gtest.
    static int look(PMEMfilepool *pool) {
        if (pool == nullptr)
            return 1;
        char text[32] = {};
        PMEMfile *file = pmemfile_open(pool, "/d/f", O_RDONLY);
        if (file == nullptr || pmemfile_read(pool, file, text, sizeof(text)) != 13 ||
            std::string(text) != "what is there")
            return 2;
        pmemfile_close(pool, file);
        if (pmemfile_open(pool, "/d/f", O_RDWR) != nullptr || errno != EROFS)
            return 3;
        if (pmemfile_open(pool, "/d/new", O_CREAT | O_RDWR, 0644) != nullptr || errno != EROFS)
            return 4;
        if (pmemfile_mkdir(pool, "/e", 0755) != -1 || errno != EROFS)
            return 5;
        if (pmemfile_unlink(pool, "/d/f") != -1 || errno != EROFS)
            return 6;
        if (pmemfile_chmod(pool, "/d/f", 0600) != -1 || errno != EROFS)
            return 7;
        if (pmemfile_tx_begin(pool) != -1 || errno != EROFS)
            return 8;
        return 0;
    }
    // look() in a process of a user who may only read the pool.
    int look_as_somebody() const {
        const pid_t child = fork();
        if (child == 0) {
            if (setgid(somebody) != 0 || setuid(somebody) != 0)
                _exit(100);
            PMEMfilepool *pool = pmemfile_pool_open_read_only(path_.c_str());
            if (pool == nullptr)
                _exit(errno == EBUSY ? 50 : 51);
            const int wrong = look(pool);
            pmemfile_pool_close(pool);
            _exit(wrong);
        }
        int status = 0;
        waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }

    std::string path_;
};

TEST_F(ReadOnly, NothingCanBeChanged) {
    PMEMfilepool *pool = pmemfile_pool_open_read_only(path_.c_str());
    EXPECT_EQ(look(pool), 0);
    pmemfile_pool_close(pool);
}

TEST_F(ReadOnly, BesideAWriter) {
    PMEMfilepool *writer = pmemfile_pool_open(path_.c_str());
    PMEMfilepool *pool = pmemfile_pool_open_read_only(path_.c_str());
    EXPECT_EQ(pmemfile_mkdir(writer, "/seen", 0755), 0);
    EXPECT_EQ(pmemfile_access(pool, "/seen", F_OK), 0);
    EXPECT_EQ(pmemfile_access(pool, "/seen", W_OK), -1);
    EXPECT_EQ(errno, EROFS);
    pmemfile_pool_close(pool);
    pmemfile_pool_close(writer);
}

TEST_F(ReadOnly, ACopyLeavesThePoolAsItIs) {
    if (geteuid() != 0)
        GTEST_SKIP() << "only root can become somebody else";
    const std::string before = bytes();
    EXPECT_EQ(look_as_somebody(), 0);
    EXPECT_TRUE(bytes() == before);
}

// Its journal has records that are not at home: they are replayed in the copy alone.
TEST_F(ReadOnly, ACopyOfAPoolOfKilledProcesses) {
    if (geteuid() != 0)
        GTEST_SKIP() << "only root can become somebody else";
    const pid_t child = fork();
    if (child == 0) {
        PMEMfilepool *pool = pmemfile_pool_open(path_.c_str());
        for (int i = 0; i < 50; i++)
            pmemfile_mkdir(pool, ("/k" + std::to_string(i)).c_str(), 0755);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, nullptr, 0);
    const std::string before = bytes();
    EXPECT_EQ(look_as_somebody(), 0);
    EXPECT_TRUE(bytes() == before);
}

TEST_F(ReadOnly, ACopyAndAWriterExclude) {
    if (geteuid() != 0)
        GTEST_SKIP() << "only root can become somebody else";
    PMEMfilepool *writer = pmemfile_pool_open(path_.c_str());
    EXPECT_EQ(look_as_somebody(), 50);
    pmemfile_pool_close(writer);

    int gate[2], ready[2];
    ASSERT_EQ(pipe(gate) + pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(gate[1]);
        if (setuid(somebody) != 0)
            _exit(100);
        PMEMfilepool *pool = pmemfile_pool_open_read_only(path_.c_str());
        char byte = pool != nullptr ? 'y' : 'n';
        static_cast<void>(write(ready[1], &byte, 1));
        _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(gate[0]);
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'y');
    EXPECT_EQ(pmemfile_pool_open(path_.c_str()), nullptr);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(look_as_somebody(), 0); // a second copy
    close(gate[1]);
    waitpid(child, nullptr, 0);
    close(ready[0]);
    close(ready[1]);
    writer = pmemfile_pool_open(path_.c_str());
    EXPECT_NE(writer, nullptr) << pmemfile_errormsg();
    pmemfile_pool_close(writer);
}

// A later version has made the pool, and says that who does not know one of its features may only read.
TEST_F(ReadOnly, AFeatureThatMayOnlyBeRead) {
    const std::string sound = bytes();
    std::string all = sound;
    constexpr size_t step = 2u << 20;
    size_t at = step;
    auto &superblock = [&]() -> pmemfile::Superblock & {
        while (reinterpret_cast<pmemfile::Superblock *>(all.data() + at)->magic != pmemfile::superblock_magic)
            at += step;
        return *reinterpret_cast<pmemfile::Superblock *>(all.data() + at);
    }();
    superblock.features.read_only_compatible = 1u << 31;
    superblock.checksum =
        XXH3_64bits(&superblock.version, pmemfile::superblock_checked_bytes - offsetof(pmemfile::Superblock, version));
    std::ofstream(path_, std::ios::binary) << all;

    EXPECT_EQ(pmemfile_pool_open(path_.c_str()), nullptr);
    EXPECT_EQ(errno, EROFS) << pmemfile_errormsg();
    PMEMfilepool *pool = pmemfile_pool_open_read_only(path_.c_str());
    EXPECT_EQ(look(pool), 0);
    pmemfile_pool_close(pool);
    pmemfile::Persist persist(reinterpret_cast<std::byte *>(all.data()), all.size(), pmemfile::Medium::volatile_memory);
    const auto repair = pmemfile::fsck_pool(persist, at, true).check;
    ASSERT_EQ(repair.problems.size(), 1u);
    EXPECT_NE(repair.problems[0].text.find("may only read"), std::string::npos);
    EXPECT_TRUE(bytes() == all);
    std::ofstream(path_, std::ios::binary) << sound;
}

} // namespace
