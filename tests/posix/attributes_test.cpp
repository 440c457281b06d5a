// attributes_test: stat, modes, owners, times, and who may do what.
#include "tests/posix/case.h"

#include <sys/sysmacros.h>
#include <unistd.h>

namespace posix {
namespace {

class Attributes : public Case {
protected:
    // Cases about permissions need ids to give away.
    void SetUp() override {
        ASSERT_EQ(geteuid(), 0u) << "run the suite as root: it changes to other users by itself";
    }
};
constexpr uid_t alice = 12345, bob = 12346;

bool later(const timespec &a, const timespec &b) {
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

TEST_F(Attributes, StatOfAFile) {
    make("/a", std::string(5000, 'x'));
    struct stat stat = attributes("/a");
    EXPECT_EQ(stat.st_mode, S_IFREG | 0644u);
    EXPECT_EQ(stat.st_size, 5000);
    EXPECT_EQ(stat.st_nlink, 1u);
    EXPECT_EQ(stat.st_uid, 0u);
    EXPECT_EQ(stat.st_blksize, 4096);
    EXPECT_GE(stat.st_blocks, 10);
    EXPECT_EQ(stat.st_dev, attributes("/").st_dev);
}
TEST_F(Attributes, StatErrors) {
    make("/a");
    struct stat stat;
    EXPECT_EQ(t.stat("/none", &stat), -ENOENT);
    EXPECT_EQ(t.stat("/a/b", &stat), -ENOTDIR);
    EXPECT_EQ(t.stat("", &stat), -ENOENT);
    EXPECT_EQ(t.fstat(9999, &stat), -EBADF);
    if (t.catches_bad_pointers()) {
        EXPECT_EQ(t.stat("/a", reinterpret_cast<struct stat *>(16)), -EFAULT);
    }
    EXPECT_EQ(t.stat("/a", &stat, 1 << 30), -EINVAL);
}
TEST_F(Attributes, ChmodAllBits) {
    make("/a");
    for (mode_t mode : {0u, 0777u, 04755u, 02755u, 01777u, 07777u}) {
        ASSERT_EQ(t.chmod("/a", mode), 0);
        EXPECT_EQ(attributes("/a").st_mode, S_IFREG | mode);
    }
    int file = opened("/a", O_RDONLY);
    EXPECT_EQ(t.fchmod(file, 0600), 0);
    EXPECT_EQ(attributes("/a").st_mode, S_IFREG | 0600u);
    t.close(file);
    EXPECT_EQ(t.chmod("/none", 0600), -ENOENT);
}
TEST_F(Attributes, ChownAndItsDefaults) {
    make("/a");
    ASSERT_EQ(t.chown("/a", alice, bob), 0);
    ASSERT_EQ(t.chown("/a", static_cast<uid_t>(-1), alice), 0);
    EXPECT_EQ(attributes("/a").st_uid, alice);
    EXPECT_EQ(attributes("/a").st_gid, alice);
    ASSERT_EQ(t.symlink("a", "/l"), 0);
    ASSERT_EQ(t.chown("/l", bob, bob, AT_SYMLINK_NOFOLLOW), 0);
    EXPECT_EQ(attributes("/l").st_uid, bob);
    EXPECT_EQ(attributes("/a").st_uid, alice);
}
TEST_F(Attributes, ChownClearsSetIdBits) {
    make("/a");
    ASSERT_EQ(t.chmod("/a", 06755), 0);
    ASSERT_EQ(t.chown("/a", alice, alice), 0);
    EXPECT_EQ(attributes("/a").st_mode, S_IFREG | 0755u);
}
TEST_F(Attributes, UtimensSetsToTheNanosecond) {
    make("/a");
    struct timespec times[2] = {{1000000000, 123456789}, {1700000000, 987654321}};
    ASSERT_EQ(t.utimens("/a", times), 0);
    struct stat stat = attributes("/a");
    EXPECT_EQ(stat.st_atim.tv_sec, 1000000000);
    EXPECT_EQ(stat.st_atim.tv_nsec, 123456789);
    EXPECT_EQ(stat.st_mtim.tv_sec, 1700000000);
    EXPECT_EQ(stat.st_mtim.tv_nsec, 987654321);
}
TEST_F(Attributes, UtimensOmitAndNow) {
    make("/a");
    struct timespec old[2] = {{5, 0}, {6, 0}}, mixed[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
    ASSERT_EQ(t.utimens("/a", old), 0);
    ASSERT_EQ(t.utimens("/a", mixed), 0);
    EXPECT_EQ(attributes("/a").st_atim.tv_sec, 5);
    EXPECT_GT(attributes("/a").st_mtim.tv_sec, 1000000);
    struct timespec bad[2] = {{0, 1000000000}, {0, 0}};
    EXPECT_EQ(t.utimens("/a", bad), -EINVAL);
    ASSERT_EQ(t.utimens("/a", nullptr), 0);
    EXPECT_GT(attributes("/a").st_atim.tv_sec, 1000000);
}
TEST_F(Attributes, UtimensOfASymlinkItself) {
    make("/a");
    ASSERT_EQ(t.symlink("a", "/l"), 0);
    struct timespec old[2] = {{5, 0}, {6, 0}};
    ASSERT_EQ(t.utimens("/l", old, AT_SYMLINK_NOFOLLOW), 0);
    EXPECT_EQ(attributes("/l").st_mtim.tv_sec, 6);
    EXPECT_NE(attributes("/a").st_mtim.tv_sec, 6);
}

// Each change moves the times POSIX names: of the file and of the directory.
struct TimesRow {
    const char *name;
    void (*change)(Target &);
    bool file_mtime, file_ctime, directory_mtime;
};
class Times : public Case, public testing::WithParamInterface<TimesRow> {};
TEST_P(Times, Move) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    make("/d/a", "abc");
    ASSERT_EQ(t.link("/d/a", "/kept"), 0);
    struct timespec old[2] = {{5, 0}, {6, 0}};
    ASSERT_EQ(t.utimens("/kept", old), 0);
    ASSERT_EQ(t.utimens("/d", old), 0);
    struct stat file = attributes("/kept"), directory = attributes("/d");
    usleep(20000); // the coarse clock must have moved
    GetParam().change(t);
    struct stat file_after = attributes("/kept"), directory_after = attributes("/d");
    EXPECT_EQ(later(file_after.st_mtim, file.st_mtim), GetParam().file_mtime);
    EXPECT_EQ(later(file_after.st_ctim, file.st_ctim), GetParam().file_ctime);
    EXPECT_EQ(later(directory_after.st_mtim, directory.st_mtim), GetParam().directory_mtime);
    EXPECT_EQ(later(directory_after.st_ctim, directory.st_ctim), GetParam().directory_mtime);
}
INSTANTIATE_TEST_SUITE_P(
    , Times,
    testing::Values(TimesRow{"Write",
                             [](Target &t) {
                                 int file = static_cast<int>(t.open("/d/a", O_WRONLY));
                                 t.write(file, "x", 1);
                                 t.close(file);
                             },
                             true, true, false},
                    TimesRow{"Truncate", [](Target &t) { t.truncate("/d/a", 1); }, true, true, false},
                    TimesRow{"OpenTruncate",
                             [](Target &t) { t.close(static_cast<int>(t.open("/d/a", O_WRONLY | O_TRUNC))); }, true,
                             true, false},
                    TimesRow{"Chmod", [](Target &t) { t.chmod("/d/a", 0600); }, false, true, false},
                    TimesRow{"Chown", [](Target &t) { t.chown("/d/a", 1, 1); }, false, true, false},
                    TimesRow{"Link", [](Target &t) { t.link("/d/a", "/d/b"); }, false, true, true},
                    TimesRow{"Unlink", [](Target &t) { t.unlink("/d/a"); }, false, true, true},
                    TimesRow{"RenameWithin", [](Target &t) { t.rename("/d/a", "/d/b"); }, false, true, true},
                    TimesRow{"Mkdir", [](Target &t) { t.mkdir("/d/e"); }, false, false, true},
                    TimesRow{"Symlink", [](Target &t) { t.symlink("x", "/d/l"); }, false, false, true},
                    TimesRow{"CreateThere",
                             [](Target &t) { t.close(static_cast<int>(t.open("/d/new", O_CREAT | O_WRONLY))); }, false,
                             false, true},
                    TimesRow{"OpenAndStat",
                             [](Target &t) {
                                 struct stat stat;
                                 t.stat("/d/a", &stat);
                                 t.close(static_cast<int>(t.open("/d/a", O_RDWR | O_CREAT)));
                             },
                             false, false, false}),
    [](const auto &info) { return info.param.name; });

// What alice may do to root's files; `make` happens as root.
struct PermissionRow {
    const char *name;
    mode_t directory_mode, file_mode;
    long (*work)(Target &);
    int error;
};
class Permission : public Case, public testing::WithParamInterface<PermissionRow> {};
TEST_P(Permission, Errno) {
    ASSERT_EQ(geteuid(), 0u);
    ASSERT_EQ(t.mkdir("/d"), 0);
    make("/d/a", "abc");
    ASSERT_EQ(t.chmod("/d/a", GetParam().file_mode), 0);
    ASSERT_EQ(t.chmod("/d", GetParam().directory_mode), 0);
    long result = t.as_user(alice, alice, GetParam().work);
    EXPECT_EQ(result < 0 ? -result : 0, GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    , Permission,
    testing::Values(
        PermissionRow{"ReadAllowed", 0755, 0644, [](Target &t) { return t.open("/d/a", O_RDONLY); }, 0},
        PermissionRow{"WriteDenied", 0755, 0644, [](Target &t) { return t.open("/d/a", O_WRONLY); }, EACCES},
        PermissionRow{"ReadDenied", 0755, 0600, [](Target &t) { return t.open("/d/a", O_RDONLY); }, EACCES},
        PermissionRow{"TruncateDenied", 0755, 0644, [](Target &t) { return t.truncate("/d/a", 0); }, EACCES},
        PermissionRow{"OpenTruncateDenied", 0755, 0644, [](Target &t) { return t.open("/d/a", O_RDONLY | O_TRUNC); },
                      EACCES},
        PermissionRow{"SearchDenied", 0766, 0666, [](Target &t) { return t.open("/d/a", O_RDONLY); }, EACCES},
        PermissionRow{"SearchOnly", 0711, 0644, [](Target &t) { return t.open("/d/a", O_RDONLY); }, 0},
        PermissionRow{"ListDenied", 0711, 0644, [](Target &t) { return t.open("/d", O_RDONLY); }, EACCES},
        PermissionRow{"StatNeedsOnlySearch", 0711, 0000,
                      [](Target &t) {
                          struct stat stat;
                          return t.stat("/d/a", &stat);
                      },
                      0},
        PermissionRow{"CreateDenied", 0755, 0644, [](Target &t) { return t.open("/d/n", O_CREAT | O_WRONLY, 0644); },
                      EACCES},
        PermissionRow{"CreateAllowed", 0777, 0644, [](Target &t) { return t.open("/d/n", O_CREAT | O_WRONLY, 0644); },
                      0},
        PermissionRow{"MkdirDenied", 0755, 0644, [](Target &t) { return t.mkdir("/d/n"); }, EACCES},
        PermissionRow{"UnlinkDenied", 0755, 0666, [](Target &t) { return t.unlink("/d/a"); }, EACCES},
        PermissionRow{"UnlinkAllowed", 0777, 0000, [](Target &t) { return t.unlink("/d/a"); }, 0},
        PermissionRow{"UnlinkSticky", 01777, 0666, [](Target &t) { return t.unlink("/d/a"); }, EPERM},
        PermissionRow{"RenameSticky", 01777, 0666, [](Target &t) { return t.rename("/d/a", "/d/b"); }, EPERM},
        PermissionRow{"RenameDenied", 0755, 0666, [](Target &t) { return t.rename("/d/a", "/d/b"); }, EACCES},
        PermissionRow{"ChmodDenied", 0777, 0666, [](Target &t) { return t.chmod("/d/a", 0600); }, EPERM},
        PermissionRow{"ChownDenied", 0777, 0666, [](Target &t) { return t.chown("/d/a", alice, alice); }, EPERM},
        PermissionRow{"UtimensNowWithWrite", 0755, 0666, [](Target &t) { return t.utimens("/d/a", nullptr); }, 0},
        PermissionRow{"UtimensNowWithoutWrite", 0755, 0644, [](Target &t) { return t.utimens("/d/a", nullptr); },
                      EACCES},
        PermissionRow{"UtimensSet", 0755, 0666,
                      [](Target &t) {
                          struct timespec times[2] = {{5, 0}, {6, 0}};
                          return t.utimens("/d/a", times);
                      },
                      EPERM},
        PermissionRow{"AccessRead", 0755, 0644, [](Target &t) { return t.access("/d/a", R_OK); }, 0},
        PermissionRow{"AccessWrite", 0755, 0644, [](Target &t) { return t.access("/d/a", W_OK); }, EACCES},
        PermissionRow{"AccessExecute", 0755, 0644, [](Target &t) { return t.access("/d/a", X_OK); }, EACCES}),
    [](const auto &info) { return info.param.name; });

TEST_F(Attributes, GroupBitsBeforeOthers) {
    make("/a", "x");
    ASSERT_EQ(t.chown("/a", bob, alice), 0);
    ASSERT_EQ(t.chmod("/a", 0604), 0);
    EXPECT_EQ(t.as_user(alice, alice, [](Target &u) { return u.open("/a", O_RDONLY); }), -EACCES);
    ASSERT_EQ(t.chmod("/a", 0064), 0);
    EXPECT_EQ(t.as_user(bob, bob, [](Target &u) { return u.open("/a", O_RDONLY); }), -EACCES) << "owner first";
}
TEST_F(Attributes, NewFilesBelongToTheirMaker) {
    EXPECT_EQ(t.as_user(alice, bob, [](Target &u) { return u.mkdir("/mine"); }), 0);
    EXPECT_EQ(attributes("/mine").st_uid, alice);
    EXPECT_EQ(attributes("/mine").st_gid, bob);
}
TEST_F(Attributes, SetGidDirectoryHandsItsGroupOn) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    ASSERT_EQ(t.chown("/d", alice, bob), 0);
    ASSERT_EQ(t.chmod("/d", 02777), 0);
    ASSERT_EQ(t.mkdir("/d/e"), 0);
    make("/d/f");
    EXPECT_EQ(attributes("/d/f").st_gid, bob);
    EXPECT_EQ(attributes("/d/e").st_gid, bob);
    EXPECT_TRUE(attributes("/d/e").st_mode & S_ISGID);
}
TEST_F(Attributes, WritingClearsSetIdBits) {
    make("/a", "abc");
    ASSERT_EQ(t.chown("/a", alice, alice), 0);
    ASSERT_EQ(t.chmod("/a", 06777), 0);
    EXPECT_EQ(
        t.as_user(alice, alice, [](Target &u) { return u.write(static_cast<int>(u.open("/a", O_WRONLY)), "x", 1); }),
        1);
    EXPECT_EQ(attributes("/a").st_mode, S_IFREG | 0777u);
}
TEST_F(Attributes, StatfsTellsSpace) {
    struct statfs before = {};
    ASSERT_EQ(t.statfs("/", &before), 0);
    EXPECT_EQ(before.f_bsize, 4096);
    EXPECT_EQ(before.f_namelen, 255);
    EXPECT_GT(before.f_blocks, before.f_bfree / 2);
    EXPECT_EQ(t.statfs("/none", &before), -ENOENT);
}
TEST_F(Attributes, InodeNumbersDifferAndStay) {
    make("/a");
    make("/b");
    ino_t inode = attributes("/a").st_ino;
    EXPECT_NE(inode, attributes("/b").st_ino);
    ASSERT_EQ(t.rename("/a", "/c"), 0);
    EXPECT_EQ(attributes("/c").st_ino, inode);
}

} // namespace
} // namespace posix
