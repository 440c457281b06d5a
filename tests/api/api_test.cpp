// The C API beyond POSIX: roots, the parent of a path, paths of directories, credentials of the pool,
// suspend and resume. Each case ends with the checker.
#include "libpmemfile/include/libpmemfile-posix.h"
#include "tests/tools/closed_pool.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

namespace {

class Api : public testing::Test {
protected:
    void SetUp() override {
        path_ = "/dev/shm/pmemfile-api." + std::to_string(getpid());
        ::unlink(path_.c_str());
        pool_ = pmemfile_pool_create(path_.c_str(), 32u << 20, 0600);
        ASSERT_NE(pool_, nullptr) << pmemfile_errormsg();
    }
    void TearDown() override {
        pmemfile_pool_close(pool_);
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }
    PMEMfile *make(const char *path, int flags = O_CREAT | O_RDWR) {
        PMEMfile *file = pmemfile_open(pool_, path, flags, 0644);
        EXPECT_NE(file, nullptr) << path;
        return file;
    }
    std::string path_of(PMEMfile *dir) {
        char buffer[PMEMFILE_PATH_MAX];
        const char *path = pmemfile_get_dir_path(pool_, dir, buffer, sizeof(buffer));
        return path != nullptr ? path : "errno " + std::to_string(errno);
    }
    // The parent's path, and behind "|" what is left.
    std::string parent_of(const char *path, int flags = 0, PMEMfile *at = PMEMFILE_AT_CWD) {
        char buffer[PMEMFILE_PATH_MAX];
        snprintf(buffer, sizeof(buffer), "%s", path);
        PMEMfile *dir = pmemfile_open_parent(pool_, at, buffer, sizeof(buffer), flags);
        if (dir == nullptr)
            return "errno " + std::to_string(errno);
        std::string found = path_of(dir) + "|" + buffer;
        pmemfile_close(pool_, dir);
        return found;
    }

    std::string path_;
    PMEMfilepool *pool_ = nullptr;
};

// Size 0 is that of a file which is there and blank.
TEST_F(Api, APoolIsMadeInABlankFile) {
    const std::string path = path_ + ".blank";
    const auto content = [&] {
        std::ifstream file(path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    ::unlink(path.c_str());
    EXPECT_EQ(pmemfile_pool_create(path.c_str(), 0, 0600), nullptr);
    EXPECT_EQ(errno, ENOENT);
    std::ofstream(path).close();
    EXPECT_EQ(pmemfile_pool_create(path.c_str(), 0, 0600), nullptr);
    EXPECT_EQ(errno, EINVAL) << "no size at all";
    std::filesystem::resize_file(path, 4u << 20);
    EXPECT_EQ(pmemfile_pool_create(path.c_str(), 0, 0600), nullptr);
    EXPECT_EQ(errno, EINVAL) << "too small";
    EXPECT_EQ(content(), std::string(4u << 20, '\0'));

    std::filesystem::resize_file(path, 24u << 20);
    std::filesystem::permissions(path, std::filesystem::perms(0640));
    struct stat before, after;
    ASSERT_EQ(::stat(path.c_str(), &before), 0);
    PMEMfilepool *pool = pmemfile_pool_create(path.c_str(), 0, 0600);
    ASSERT_NE(pool, nullptr) << pmemfile_errormsg();
    EXPECT_EQ(pmemfile_mkdir(pool, "/made", 0755), 0);
    pmemfile_pool_close(pool);
    ASSERT_EQ(::stat(path.c_str(), &after), 0);
    EXPECT_EQ(after.st_ino, before.st_ino) << "the same file";
    EXPECT_EQ(after.st_size, 24 << 20);
    EXPECT_EQ(after.st_mode, before.st_mode);
    EXPECT_GE(after.st_blocks * 512, 23 << 20) << "it was sparse";
    tests::expect_clean(path);

    // What is there now stays, also with its first block damaged.
    const std::string made = content();
    EXPECT_EQ(pmemfile_pool_create(path.c_str(), 0, 0600), nullptr);
    EXPECT_EQ(errno, EEXIST);
    EXPECT_EQ(pmemfile_pool_create(path.c_str(), 32u << 20, 0600), nullptr);
    EXPECT_EQ(errno, EEXIST);
    EXPECT_EQ(content(), made);
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).write(std::string(4096, '\0').data(), 4096);
    EXPECT_EQ(pmemfile_pool_create(path.c_str(), 0, 0600), nullptr);
    EXPECT_EQ(errno, EEXIST) << "there is a superblock";
    std::filesystem::resize_file(path, 0);
    std::filesystem::resize_file(path, 24u << 20);
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << "text";
    EXPECT_EQ(pmemfile_pool_create(path.c_str(), 0, 0600), nullptr);
    EXPECT_EQ(errno, EEXIST) << "somebody's data";
    ::unlink(path.c_str());
}

TEST_F(Api, RootsAreSeparate) {
    ASSERT_EQ(pmemfile_pool_root_count(pool_), 4u);
    for (unsigned i = 0; i < 4; i++) {
        PMEMfile *root = pmemfile_open_root(pool_, i, 0);
        ASSERT_NE(root, nullptr);
        EXPECT_EQ(path_of(root), "/");
        EXPECT_EQ(pmemfile_mkdirat(pool_, root, ("in" + std::to_string(i)).c_str(), 0755), 0);
        PMEMfile *dir = pmemfile_openat(pool_, root, ("in" + std::to_string(i)).c_str(), O_DIRECTORY);
        ASSERT_NE(dir, nullptr);
        EXPECT_EQ(path_of(dir), "/in" + std::to_string(i));
        EXPECT_EQ(pmemfile_faccessat(pool_, dir, ("../../in" + std::to_string(i)).c_str(), F_OK, 0), 0);
        EXPECT_EQ(pmemfile_faccessat(pool_, root, ("in" + std::to_string((i + 1) % 4)).c_str(), F_OK, 0), -1);
        pmemfile_close(pool_, dir);
        pmemfile_close(pool_, root);
    }
    struct pmemfile_stats counts;
    pmemfile_stats(pool_, &counts);
    EXPECT_EQ(counts.dirs, 8u); // each root, and the one in it
    EXPECT_EQ(counts.inodes, 8u);
    EXPECT_EQ(pmemfile_access(pool_, "/in0", F_OK), 0);
    EXPECT_EQ(pmemfile_access(pool_, "/in1", F_OK), -1);
    PMEMfile *first = pmemfile_open_root(pool_, 1, 0), *second = pmemfile_open_root(pool_, 2, 0);
    EXPECT_EQ(pmemfile_renameat(pool_, first, "in1", second, "in2/moved"), 0);
    EXPECT_EQ(pmemfile_renameat(pool_, second, "in2", second, "in2/moved/x"), -1);
    EXPECT_EQ(errno, EINVAL);
    pmemfile_close(pool_, first);
    pmemfile_close(pool_, second);
    EXPECT_EQ(pmemfile_open_root(pool_, 4, 0), nullptr);
    EXPECT_EQ(errno, EINVAL);
}

TEST_F(Api, OpenParentLeavesTheLastComponent) {
    pmemfile_mkdir(pool_, "/a", 0755);
    pmemfile_mkdir(pool_, "/a/b", 0755);
    EXPECT_EQ(parent_of("/a/b/c"), "/a/b|c");
    EXPECT_EQ(parent_of("/a/b"), "/a|b");
    EXPECT_EQ(parent_of("/a/b/"), "/a|b/");
    EXPECT_EQ(parent_of("a//b"), "/a|b");
    EXPECT_EQ(parent_of("x"), "/|x");
    EXPECT_EQ(parent_of("/"), "/|.");
    EXPECT_EQ(parent_of("a/b/.."), "/a/b|..");
    EXPECT_EQ(parent_of("/missing/x"), "errno " + std::to_string(ENOENT));
    pmemfile_close(pool_, make("/file"));
    EXPECT_EQ(parent_of("/file/x"), "errno " + std::to_string(ENOTDIR));
    PMEMfile *a = make("/a", O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(parent_of("b/c", 0, a), "/a/b|c");
    pmemfile_close(pool_, a);
    char small[4] = "/xy";
    EXPECT_EQ(pmemfile_open_parent(pool_, PMEMFILE_AT_CWD, small, 2, 0), nullptr);
    EXPECT_EQ(errno, ENAMETOOLONG);
    EXPECT_EQ(parent_of("/a", PMEMFILE_OPEN_PARENT_ACCESS_MASK), "errno " + std::to_string(EINVAL));
}

TEST_F(Api, OpenParentFollowsAndStops) {
    pmemfile_mkdir(pool_, "/a", 0755);
    pmemfile_symlink(pool_, "a/target", "/link");
    pmemfile_symlink(pool_, "/link", "/again");
    pmemfile_symlink(pool_, "loop", "/loop");
    EXPECT_EQ(parent_of("/link"), "/|link");
    EXPECT_EQ(parent_of("/link", PMEMFILE_OPEN_PARENT_SYMLINK_FOLLOW), "/a|target");
    EXPECT_EQ(parent_of("/again", PMEMFILE_OPEN_PARENT_SYMLINK_FOLLOW), "/a|target");
    EXPECT_EQ(parent_of("/loop", PMEMFILE_OPEN_PARENT_SYMLINK_FOLLOW), "errno " + std::to_string(ELOOP));
    EXPECT_EQ(parent_of("/a/../../etc/x"), "errno " + std::to_string(ENOENT)) << "the root is its own parent";
    EXPECT_EQ(parent_of("/a/../../etc/x", PMEMFILE_OPEN_PARENT_STOP_AT_ROOT), "/|../etc/x");
}

TEST_F(Api, ParentsAreCheckedByTheIdsThatAreAskedFor) {
    pmemfile_mkdir(pool_, "/closed", 0700);
    pmemfile_mkdir(pool_, "/closed/in", 0755);
    EXPECT_EQ(pmemfile_setreuid(pool_, 1000, 0), 0);
    EXPECT_EQ(parent_of("/closed/in/x"), "/closed/in|x");
    EXPECT_EQ(parent_of("/closed/in/x", PMEMFILE_OPEN_PARENT_USE_EACCESS), "/closed/in|x");
    EXPECT_EQ(parent_of("/closed/in/x", PMEMFILE_OPEN_PARENT_USE_RACCESS), "errno " + std::to_string(EACCES));
}

TEST_F(Api, CredentialsAreThePools) {
    EXPECT_EQ(pmemfile_getuid(pool_), getuid());
    PMEMfile *file = make("/f");
    EXPECT_EQ(pmemfile_seteuid(pool_, 1000), 0);
    EXPECT_EQ(pmemfile_geteuid(pool_), 1000u);
    EXPECT_EQ(pmemfile_getuid(pool_), getuid());
    EXPECT_EQ(pmemfile_fchmod(pool_, file, 0600), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(pmemfile_setcap(pool_, PMEMFILE_CAP_FOWNER), 0);
    EXPECT_EQ(pmemfile_fchmod(pool_, file, 0600), 0);
    EXPECT_EQ(pmemfile_clrcap(pool_, PMEMFILE_CAP_FOWNER), 0);
    EXPECT_EQ(pmemfile_fchmod(pool_, file, 0644), -1);
    EXPECT_EQ(pmemfile_setcap(pool_, 99), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(pmemfile_setfsuid(pool_, 7), 1000);
    EXPECT_EQ(pmemfile_setfsuid(pool_, static_cast<uid_t>(-1)), 7);
    const gid_t groups[] = {5, 6};
    gid_t got[2] = {};
    EXPECT_EQ(pmemfile_setgroups(pool_, 2, groups), 0);
    EXPECT_EQ(pmemfile_getgroups(pool_, 0, nullptr), 2);
    EXPECT_EQ(pmemfile_getgroups(pool_, 1, got), -1);
    EXPECT_EQ(pmemfile_getgroups(pool_, 2, got), 2);
    EXPECT_EQ(got[1], 6u);
    pmemfile_close(pool_, file);
}

TEST_F(Api, NoPathIsAnError) {
    EXPECT_EQ(pmemfile_pool_open(nullptr), nullptr);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(pmemfile_pool_open_read_only(nullptr), nullptr);
    EXPECT_EQ(errno, EFAULT);
    ASSERT_EQ(pmemfile_pool_suspend(pool_), 0);
    EXPECT_EQ(pmemfile_pool_resume(pool_, nullptr), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(pmemfile_pool_resume(pool_, path_.c_str()), 0);
}

TEST_F(Api, RootsOfASuspendedPool) {
    ASSERT_EQ(pmemfile_pool_suspend(pool_), 0);
    errno = 0;
    EXPECT_EQ(pmemfile_pool_root_count(pool_), 0u);
    EXPECT_EQ(errno, ENODEV);
    errno = 0;
    EXPECT_EQ(pmemfile_open_root(pool_, 1, 0), nullptr);
    EXPECT_EQ(errno, ENODEV);
    ASSERT_EQ(pmemfile_pool_resume(pool_, path_.c_str()), 0);
    EXPECT_EQ(pmemfile_pool_root_count(pool_), 4u);
}

TEST_F(Api, SuspendKeepsOpenFiles) {
    pmemfile_mkdir(pool_, "/d", 0755);
    ASSERT_EQ(pmemfile_chdir(pool_, "/d"), 0);
    PMEMfile *file = make("f", O_CREAT | O_RDWR | O_APPEND);
    ASSERT_EQ(pmemfile_write(pool_, file, "hello", 5), 5);
    ASSERT_EQ(pmemfile_lseek(pool_, file, 2, SEEK_SET), 2);
    ASSERT_EQ(pmemfile_fchmod(pool_, file, 0), 0) << "it stays open whoever may read it";
    PMEMfile *late = make("/", O_TMPFILE | O_RDWR);
    EXPECT_EQ(pmemfile_pool_suspend(pool_), -1) << "it has no name";
    EXPECT_EQ(errno, EBUSY);
    ASSERT_EQ(pmemfile_linkat(pool_, late, "", PMEMFILE_AT_CWD, "late", AT_EMPTY_PATH), 0);
    ASSERT_EQ(pmemfile_pool_suspend(pool_), 0);
    EXPECT_EQ(pmemfile_lseek(pool_, file, 0, SEEK_CUR), -1);
    EXPECT_EQ(errno, ENODEV);
    EXPECT_EQ(pmemfile_pool_suspend(pool_), -1);
    tests::expect_clean(path_); // it is nobody's
    const std::string moved = path_ + ".moved";
    ASSERT_EQ(::rename(path_.c_str(), moved.c_str()), 0);
    EXPECT_EQ(pmemfile_pool_resume(pool_, path_.c_str()), -1);
    EXPECT_EQ(errno, ENOENT);
    ASSERT_EQ(pmemfile_pool_resume(pool_, moved.c_str()), 0);
    char bytes[8] = {};
    EXPECT_EQ(pmemfile_read(pool_, file, bytes, sizeof(bytes)), 3);
    EXPECT_STREQ(bytes, "llo");
    EXPECT_EQ(pmemfile_write(pool_, late, "!", 1), 1);
    EXPECT_EQ(pmemfile_fcntl(pool_, late, F_GETFL) & O_TMPFILE, O_TMPFILE);
    pmemfile_close(pool_, late);
    EXPECT_EQ(pmemfile_write(pool_, file, "!", 1), 1);
    EXPECT_EQ(path_of(PMEMFILE_AT_CWD), "/d");
    EXPECT_EQ(pmemfile_access(pool_, "f", F_OK), 0);
    EXPECT_EQ(pmemfile_pool_resume(pool_, moved.c_str()), -1);
    EXPECT_EQ(errno, EINVAL);
    pmemfile_close(pool_, file);
    ASSERT_EQ(::rename(moved.c_str(), path_.c_str()), 0);
}

TEST_F(Api, SuspendLosesNoFile) {
    PMEMfile *file = make("f");
    PMEMfile *kept = make("kept");
    ASSERT_EQ(pmemfile_unlink(pool_, "f"), 0);
    EXPECT_EQ(pmemfile_pool_suspend(pool_), -1);
    EXPECT_EQ(errno, EBUSY);
    EXPECT_EQ(pmemfile_write(pool_, file, "x", 1), 1) << "nothing has happened";
    pmemfile_close(pool_, file);
    ASSERT_EQ(pmemfile_pool_suspend(pool_), 0);
    PMEMfilepool *other = pmemfile_pool_open(path_.c_str());
    ASSERT_NE(other, nullptr);
    ASSERT_EQ(pmemfile_unlink(other, "kept"), 0);
    pmemfile_pool_close(other);
    EXPECT_EQ(pmemfile_pool_resume(pool_, path_.c_str()), -1);
    EXPECT_EQ(errno, ESTALE);
    (void)kept; // goes with the pool
}

// Threads take places in pools while others give theirs back. (The two locks were taken in both orders.)
TEST_F(Api, ThreadsComeAndGoInTwoPools) {
    const std::string second_path = path_ + ".second";
    PMEMfilepool *second = pmemfile_pool_create(second_path.c_str(), 32u << 20, 0600);
    ASSERT_NE(second, nullptr);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 50; ++round)
                std::thread([&] {
                    for (PMEMfilepool *pool : {pool_, second})
                        EXPECT_EQ(pmemfile_access(pool, "/", F_OK), 0);
                }).join();
        });
    for (std::thread &thread : threads)
        thread.join();
    pmemfile_pool_close(second);
    ::unlink(second_path.c_str());
}

TEST_F(Api, OldDirectoryEntries) {
    for (const char *name : {"a", "some-longer-name", "bb"})
        pmemfile_mkdir(pool_, name, 0755);
    PMEMfile *root = make("/", O_RDONLY | O_DIRECTORY);
    alignas(8) char buffer[4096];
    const int filled = pmemfile_getdents(pool_, root, reinterpret_cast<struct linux_dirent *>(buffer), sizeof(buffer));
    ASSERT_GT(filled, 0);
    std::vector<std::string> names;
    for (int at = 0; at < filled;) {
        unsigned short bytes;
        memcpy(&bytes, buffer + at + 16, 2);
        names.push_back(buffer + at + 18);
        EXPECT_EQ(buffer[at + bytes - 1], DT_DIR);
        EXPECT_EQ(bytes % 8, 0);
        at += bytes;
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (std::vector<std::string>{".", "..", "a", "bb", "some-longer-name"}));
    pmemfile_close(pool_, root);
}

TEST_F(Api, TimesInMicroseconds) {
    PMEMfile *file = make("f");
    const struct timeval times[2] = {{10, 20}, {30, 999999}};
    struct stat stat;
    ASSERT_EQ(pmemfile_futimes(pool_, file, times), 0);
    ASSERT_EQ(pmemfile_fstat(pool_, file, &stat), 0);
    EXPECT_EQ(stat.st_atim.tv_nsec, 20000);
    EXPECT_EQ(stat.st_mtim.tv_nsec, 999999000);
    const struct timeval wrong[2] = {{0, 0}, {0, 1000000}};
    EXPECT_EQ(pmemfile_futimes(pool_, file, wrong), -1);
    EXPECT_EQ(errno, EINVAL);
    pmemfile_symlink(pool_, "f", "l");
    ASSERT_EQ(pmemfile_lutimes(pool_, "l", times), 0);
    ASSERT_EQ(pmemfile_lstat(pool_, "l", &stat), 0);
    EXPECT_EQ(stat.st_mtim.tv_sec, 30);
    pmemfile_close(pool_, file);
}

} // namespace
