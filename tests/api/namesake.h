// namesake: the same call made on Linux (in a directory of a tmpfs that is the working directory) and on a pool, by
// the C API. Results and errno must be equal.
#pragma once

#include "libpmemfile/include/libpmemfile-posix.h"
#include "tests/tools/closed_pool.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace namesake {

// One open file of each.
struct Both {
    int number = -1;
    PMEMfile *file = nullptr;
};
constexpr int cwd = AT_FDCWD;
inline const Both here = {cwd, PMEMFILE_AT_CWD};

class Namesake : public testing::Test {
protected:
    void SetUp() override {
        umask(022);
        directory_ = "/dev/shm/pmemfile-namesake." + std::to_string(getpid());
        path_ = directory_ + ".pool";
        ::unlink(path_.c_str());
        ASSERT_EQ(::mkdir(directory_.c_str(), 0755), 0);
        ASSERT_EQ(::chdir(directory_.c_str()), 0);
        pool = pmemfile_pool_create(path_.c_str(), 32u << 20, 0600);
        ASSERT_NE(pool, nullptr) << pmemfile_errormsg();
        pmemfile_chmod(pool, "/", 0755);
    }
    void TearDown() override {
        pmemfile_pool_close(pool);
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
        EXPECT_EQ(::chdir("/"), 0);
        std::filesystem::remove_all(directory_);
    }
    // Makes both calls; the result, which is the same, or that of the pool.
    template <typename Linux, typename Ours> long same(const std::string &what, Linux linux_call, Ours our_call) {
        errno = 0;
        const long wanted = linux_call();
        const int wanted_errno = wanted < 0 ? errno : 0;
        errno = 0;
        const long got = our_call();
        const int got_errno = got < 0 ? errno : 0;
        EXPECT_EQ(got, wanted) << what << ": Linux's errno " << wanted_errno << ", ours " << got_errno;
        EXPECT_EQ(got_errno, wanted_errno) << what;
        return got;
    }
    Both open(const char *path, int flags, mode_t mode = 0644) {
        const Both both = {::open(path, flags, mode), pmemfile_open(pool, path, flags, mode)};
        EXPECT_GE(both.number, 0) << path;
        EXPECT_NE(both.file, nullptr) << path;
        return both;
    }
    void close(const Both &both) {
        ::close(both.number);
        pmemfile_close(pool, both.file);
    }
    void make(const char *path, mode_t mode = 0644) {
        close(open(path, O_CREAT | O_EXCL | O_WRONLY, mode));
    }
    void make_link(const char *target, const char *path) {
        same(
            path, [&] { return ::symlink(target, path); }, [&] { return pmemfile_symlink(pool, target, path); });
    }
    void make_directory(const char *path, mode_t mode = 0755) {
        same(
            path, [&] { return ::mkdir(path, mode); }, [&] { return pmemfile_mkdir(pool, path, mode); });
    }
    struct stat pool_stat(const char *path) {
        struct stat status = {};
        EXPECT_EQ(pmemfile_lstat(pool, path, &status), 0) << path;
        return status;
    }
    // What both say of the path: kind and mode, links, owner, size of a file, device of a node; times on demand.
    void same_status(const char *path, bool times = false) {
        struct stat wanted = {};
        ASSERT_EQ(::lstat(path, &wanted), 0) << path;
        const struct stat got = pool_stat(path);
        EXPECT_EQ(got.st_mode, wanted.st_mode) << path;
        EXPECT_EQ(got.st_uid, wanted.st_uid) << path;
        EXPECT_EQ(got.st_gid, wanted.st_gid) << path;
        EXPECT_EQ(got.st_rdev, wanted.st_rdev) << path;
        if (!S_ISDIR(wanted.st_mode)) {
            EXPECT_EQ(got.st_nlink, wanted.st_nlink) << path;
            EXPECT_EQ(got.st_size, wanted.st_size) << path;
        }
        if (!times)
            return;
        EXPECT_EQ(got.st_atim.tv_sec, wanted.st_atim.tv_sec) << path;
        EXPECT_EQ(got.st_atim.tv_nsec, wanted.st_atim.tv_nsec) << path;
        EXPECT_EQ(got.st_mtim.tv_sec, wanted.st_mtim.tv_sec) << path;
        EXPECT_EQ(got.st_mtim.tv_nsec, wanted.st_mtim.tv_nsec) << path;
    }
    // `work` with the effective user `uid` on both sides.
    template <typename Work> void as_user(uid_t uid, Work work) {
        ASSERT_EQ(::seteuid(uid), 0);
        ASSERT_EQ(pmemfile_seteuid(pool, uid), 0);
        work();
        ASSERT_EQ(::seteuid(0), 0);
        ASSERT_EQ(pmemfile_seteuid(pool, 0), 0);
    }

    PMEMfilepool *pool = nullptr;
    std::string path_, directory_;
};

} // namespace namesake
