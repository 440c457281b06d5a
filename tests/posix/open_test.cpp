// open_test: open(2) with its flags, close, dup, and what descriptors share.
#include "tests/posix/case.h"

namespace posix {
namespace {

class Open : public Case {};
class Numbers : public Case {}; // copies of descriptors: not for the linked library, which has none

// What stands at the path, the flags, the errno that open(2) must give (0: success).
struct OpenRow {
    const char *name;
    const char *path;
    int flags;
    int error;
};

class OpenTable : public Case, public testing::WithParamInterface<OpenRow> {};

TEST_P(OpenTable, Errno) {
    make("/file", "abc");
    ASSERT_EQ(t.mkdir("/dir"), 0);
    ASSERT_EQ(t.symlink("file", "/link"), 0);
    ASSERT_EQ(t.symlink("nowhere", "/dangling"), 0);
    ASSERT_EQ(t.symlink("dir", "/dirlink"), 0);
    ASSERT_EQ(t.symlink("loop", "/loop"), 0);
    long file = t.open(GetParam().path, GetParam().flags, 0644);
    EXPECT_EQ(file < 0 ? -file : 0, GetParam().error);
    if (file >= 0) {
        EXPECT_EQ(t.close(static_cast<int>(file)), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(
    , OpenTable,
    testing::Values(
        OpenRow{"Read", "/file", O_RDONLY, 0}, OpenRow{"ReadWrite", "/file", O_RDWR, 0},
        OpenRow{"Missing", "/none", O_RDONLY, ENOENT}, OpenRow{"MissingParent", "/none/x", O_RDONLY | O_CREAT, ENOENT},
        OpenRow{"Create", "/new", O_WRONLY | O_CREAT, 0}, OpenRow{"CreateThatIsThere", "/file", O_WRONLY | O_CREAT, 0},
        OpenRow{"ExclusiveThatIsThere", "/file", O_WRONLY | O_CREAT | O_EXCL, EEXIST},
        OpenRow{"ExclusiveDirectory", "/dir", O_RDONLY | O_CREAT | O_EXCL, EEXIST},
        OpenRow{"ExclusiveDangling", "/dangling", O_WRONLY | O_CREAT | O_EXCL, EEXIST},
        OpenRow{"CreateThroughDangling", "/dangling", O_WRONLY | O_CREAT, 0},
        OpenRow{"Dangling", "/dangling", O_RDONLY, ENOENT}, OpenRow{"FileAsDirectory", "/file/x", O_RDONLY, ENOTDIR},
        OpenRow{"FileSlash", "/file/", O_RDONLY, ENOTDIR}, OpenRow{"NewSlash", "/new/", O_WRONLY | O_CREAT, EISDIR},
        OpenRow{"WantsDirectory", "/file", O_RDONLY | O_DIRECTORY, ENOTDIR},
        OpenRow{"Directory", "/dir", O_RDONLY | O_DIRECTORY, 0}, OpenRow{"DirectoryWrite", "/dir", O_WRONLY, EISDIR},
        OpenRow{"DirectoryReadWrite", "/dir", O_RDWR, EISDIR},
        OpenRow{"DirectoryCreate", "/dir", O_RDONLY | O_CREAT, EISDIR},
        OpenRow{"DirectoryTruncate", "/dir", O_RDONLY | O_TRUNC, EISDIR},
        OpenRow{"DirectoryDirect", "/dir", O_RDONLY | O_DIRECT, EINVAL},
        OpenRow{"NoFollow", "/link", O_RDONLY | O_NOFOLLOW, ELOOP},
        OpenRow{"NoFollowFile", "/file", O_RDONLY | O_NOFOLLOW, 0},
        OpenRow{"NoFollowDirectory", "/dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, ENOTDIR},
        OpenRow{"NoFollowPath", "/link", O_PATH | O_NOFOLLOW, 0}, OpenRow{"Loop", "/loop", O_RDONLY, ELOOP},
        OpenRow{"LoopCreate", "/loop", O_WRONLY | O_CREAT, ELOOP}, OpenRow{"Link", "/link", O_RDWR, 0},
        OpenRow{"LinkSlash", "/dirlink/", O_RDONLY, 0}, OpenRow{"LinkToFileSlash", "/link/", O_RDONLY, ENOTDIR},
        OpenRow{"Dot", "/dir/.", O_RDONLY, 0}, OpenRow{"DotDot", "/dir/../file", O_RDONLY, 0},
        OpenRow{"DotDotOfFile", "/file/../file", O_RDONLY, ENOTDIR},
        OpenRow{"DotDotOfMissing", "/none/../file", O_RDONLY, ENOENT},
        OpenRow{"ManySlashes", "///dir//..///file", O_RDONLY, 0}, OpenRow{"Path", "/file", O_PATH, 0},
        OpenRow{"Empty", "", O_RDONLY, ENOENT}),
    [](const auto &info) { return info.param.name; });

TEST_F(Open, CreateTakesModeAndUmask) {
    t.umask(027);
    make("/a", "", 0777);
    EXPECT_EQ(attributes("/a").st_mode, S_IFREG | 0750u);
}
TEST_F(Open, ReadOnlyModeStillWritesAtCreation) {
    int file = opened("/a", O_CREAT | O_RDWR, 0400);
    EXPECT_EQ(t.write(file, "x", 1), 1);
    t.close(file);
}
TEST_F(Open, TruncateEmpties) {
    make("/a", "hello");
    t.close(opened("/a", O_WRONLY | O_TRUNC));
    EXPECT_EQ(attributes("/a").st_size, 0);
}
TEST_F(Open, CreateTruncateKeepsInode) {
    make("/a", "hello");
    auto inode = attributes("/a").st_ino;
    t.close(opened("/a", O_WRONLY | O_CREAT | O_TRUNC));
    EXPECT_EQ(attributes("/a").st_ino, inode);
}
TEST_F(Open, AccessModesHold) {
    make("/a", "abc");
    char byte;
    int reader = opened("/a", O_RDONLY), writer = opened("/a", O_WRONLY), path = opened("/a", O_PATH);
    EXPECT_EQ(t.write(reader, "x", 1), -EBADF);
    EXPECT_EQ(t.read(writer, &byte, 1), -EBADF);
    EXPECT_EQ(t.read(path, &byte, 1), -EBADF);
    EXPECT_EQ(t.fchmod(path, 0600), -EBADF);
    EXPECT_EQ(t.ftruncate(reader, 0), -EINVAL);
    for (int file : {reader, writer, path})
        EXPECT_EQ(t.close(file), 0);
}
TEST_F(Open, CloseTwice) {
    make("/a");
    int file = opened("/a", O_RDONLY);
    EXPECT_EQ(t.close(file), 0);
    EXPECT_EQ(t.close(file), -EBADF);
}
TEST_F(Numbers, DupSharesOffset) {
    make("/a", "abcdef");
    int one = opened("/a", O_RDONLY), two = static_cast<int>(t.dup(one));
    char buffer[2];
    EXPECT_EQ(t.read(one, buffer, 2), 2);
    EXPECT_EQ(t.seek(two, 0, SEEK_CUR), 2);
    EXPECT_EQ(t.close(one), 0);
    EXPECT_EQ(t.read(two, buffer, 2), 2);
    EXPECT_EQ(buffer[0], 'c');
    t.close(two);
}
TEST_F(Open, OpensHaveTheirOwnOffset) {
    make("/a", "abcdef");
    int one = opened("/a", O_RDONLY), two = opened("/a", O_RDONLY);
    char buffer[3];
    EXPECT_EQ(t.read(one, buffer, 3), 3);
    EXPECT_EQ(t.seek(two, 0, SEEK_CUR), 0);
    t.close(one);
    t.close(two);
}
TEST_F(Open, GetAndSetFlags) {
    make("/a");
    int file = opened("/a", O_WRONLY);
    EXPECT_EQ(t.fcntl(file, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY);
    EXPECT_EQ(t.fcntl(file, F_SETFL, reinterpret_cast<void *>(O_APPEND)), 0);
    EXPECT_EQ(t.fcntl(file, F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
    t.close(file);
}
TEST_F(Open, CloseOnExecFlag) {
    make("/a");
    int file = opened("/a", O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(t.fcntl(file, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(t.fcntl(file, F_SETFD), 0);
    EXPECT_EQ(t.fcntl(file, F_GETFD), 0);
    t.close(file);
}
TEST_F(Numbers, CloseOnExecFlagIsNotCopied) {
    make("/a");
    int file = opened("/a", O_RDONLY | O_CLOEXEC);
    int other = static_cast<int>(t.dup(file));
    EXPECT_EQ(t.fcntl(file, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(t.fcntl(other, F_GETFD), 0);
    int third = static_cast<int>(t.fcntl(other, F_DUPFD_CLOEXEC, reinterpret_cast<void *>(100)));
    EXPECT_GE(third, 100);
    EXPECT_EQ(t.fcntl(third, F_GETFD), FD_CLOEXEC);
    for (int number : {file, other, third})
        t.close(number);
}
TEST_F(Open, RelativeToDirectory) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    int directory = opened("/d", O_RDONLY | O_DIRECTORY);
    long file = t.open("x", O_CREAT | O_WRONLY, 0600, directory);
    ASSERT_GE(file, 0);
    t.close(static_cast<int>(file));
    EXPECT_TRUE(exists("/d/x"));
    ASSERT_EQ(t.rename("/d", "/e"), 0) << "the descriptor follows";
    struct stat stat;
    EXPECT_EQ(t.stat("x", &stat, 0, directory), 0);
    EXPECT_EQ(t.stat("../e/x", &stat, 0, directory), 0);
    t.close(directory);
}
TEST_F(Open, RelativeToFile) {
    make("/a");
    int file = opened("/a", O_RDONLY);
    EXPECT_EQ(t.open("x", O_RDONLY, 0, file), -ENOTDIR);
    EXPECT_EQ(t.open("x", O_RDONLY, 0, 9999), -EBADF);
    t.close(file);
}
TEST_F(Open, RemovedDirectoryTakesNoNames) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    int directory = opened("/d", O_RDONLY | O_DIRECTORY);
    ASSERT_EQ(t.unlink("/d", AT_REMOVEDIR), 0);
    EXPECT_EQ(t.open("x", O_CREAT | O_WRONLY, 0600, directory), -ENOENT);
    EXPECT_EQ(t.mkdir("x", 0777, directory), -ENOENT);
    t.close(directory);
}
TEST_F(Open, UnlinkedFileLives) {
    make("/a", "abc");
    int file = opened("/a", O_RDWR);
    ASSERT_EQ(t.unlink("/a"), 0);
    EXPECT_FALSE(exists("/a"));
    char buffer[8];
    EXPECT_EQ(t.pwrite(file, "defg", 4, 3), 4);
    EXPECT_EQ(t.pread(file, buffer, 8, 0), 7);
    struct stat stat;
    EXPECT_EQ(t.fstat(file, &stat), 0);
    EXPECT_EQ(stat.st_nlink, 0u);
    make("/a", "other");
    EXPECT_EQ(t.pread(file, buffer, 1, 0), 1);
    EXPECT_EQ(buffer[0], 'a');
    t.close(file);
}
TEST_F(Open, StatOfAnEmptyPath) {
    make("/a", "abc");
    int file = opened("/a", O_PATH);
    struct stat stat;
    EXPECT_EQ(t.stat("", &stat, AT_EMPTY_PATH, file), 0);
    EXPECT_EQ(stat.st_size, 3);
    EXPECT_EQ(t.stat("", &stat, 0, file), -ENOENT);
    t.close(file);
}

} // namespace
} // namespace posix
