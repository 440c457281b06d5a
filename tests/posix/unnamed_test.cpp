// unnamed_test: O_TMPFILE: files that are made without a name, and get one, or never do.
#include "tests/posix/case.h"

#include <unistd.h>

namespace posix {
namespace {

class Unnamed : public Case {
protected:
    int unnamed(int flags = O_RDWR, mode_t mode = 0640) {
        return opened("/", O_TMPFILE | flags, mode);
    }
    struct stat attributes_of(int file) {
        struct stat stat = {};
        EXPECT_EQ(t.fstat(file, &stat), 0);
        return stat;
    }
};

TEST_F(Unnamed, HasNoNameAndWorksAsAFile) {
    t.umask(027);
    const int file = unnamed(O_RDWR, 0666);
    EXPECT_TRUE(list("/").empty());
    const struct stat fresh = attributes_of(file);
    EXPECT_EQ(fresh.st_mode, S_IFREG | 0640u);
    EXPECT_EQ(fresh.st_nlink, 0u);
    EXPECT_EQ(fresh.st_size, 0);
    const std::string text(10000, 'x');
    EXPECT_EQ(t.write(file, text.data(), text.size()), 10000);
    char byte = 0;
    EXPECT_EQ(t.pread(file, &byte, 1, 9999), 1);
    EXPECT_EQ(byte, 'x');
    EXPECT_EQ(t.ftruncate(file, 10), 0);
    EXPECT_EQ(attributes_of(file).st_size, 10);
    EXPECT_EQ(t.close(file), 0);
}
TEST_F(Unnamed, GetsAName) {
    const int file = unnamed();
    EXPECT_EQ(t.write(file, "hello", 5), 5);
    ASSERT_EQ(t.link("", "/named", AT_EMPTY_PATH, file), 0);
    EXPECT_EQ(attributes_of(file).st_nlink, 1u);
    EXPECT_EQ(attributes("/named").st_ino, attributes_of(file).st_ino);
    EXPECT_EQ(t.close(file), 0);
    EXPECT_EQ(content("/named"), "hello");
}
TEST_F(Unnamed, NameThatIsTaken) {
    make("/named", "other");
    const int file = unnamed();
    EXPECT_EQ(t.link("", "/named", AT_EMPTY_PATH, file), -EEXIST);
    EXPECT_EQ(t.link("", "/free", AT_EMPTY_PATH, file), 0);
    EXPECT_EQ(t.link("", "/second", AT_EMPTY_PATH, file), 0);
    EXPECT_EQ(attributes_of(file).st_nlink, 2u);
    t.close(file);
    EXPECT_EQ(content("/named"), "other");
}
TEST_F(Unnamed, ExclusiveNeverGetsAName) {
    const int file = unnamed(O_RDWR | O_EXCL);
    EXPECT_EQ(t.link("", "/named", AT_EMPTY_PATH, file), -ENOENT);
    EXPECT_FALSE(exists("/named"));
    t.close(file);
}
TEST_F(Unnamed, NameTakenAwayStaysAway) {
    const int file = unnamed();
    ASSERT_EQ(t.link("", "/named", AT_EMPTY_PATH, file), 0);
    ASSERT_EQ(t.unlink("/named"), 0);
    EXPECT_EQ(t.link("", "/again", AT_EMPTY_PATH, file), -ENOENT);
    EXPECT_EQ(attributes_of(file).st_nlink, 0u);
    t.close(file);
    make("/removed");
    const int removed = opened("/removed", O_RDWR);
    ASSERT_EQ(t.unlink("/removed"), 0);
    EXPECT_EQ(t.link("", "/back", AT_EMPTY_PATH, removed), -ENOENT);
    t.close(removed);
}
TEST_F(Unnamed, WithoutEmptyPathNothingIsNamed) {
    const int file = unnamed();
    EXPECT_EQ(t.link("", "/named", 0, file), -ENOENT);
    t.close(file);
}
TEST_F(Unnamed, ThroughTheDescriptorsPath) {
    const int file = unnamed();
    const std::string path = "/proc/self/fd/" + std::to_string(file);
    if (t.is_kernel_like()) {
        EXPECT_EQ(t.write(file, "abc", 3), 3);
        EXPECT_EQ(::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, t.real_path("/named").c_str(), AT_SYMLINK_FOLLOW), 0);
        EXPECT_EQ(content("/named"), "abc");
        const int exclusive = unnamed(O_RDWR | O_EXCL);
        const std::string other = "/proc/self/fd/" + std::to_string(exclusive);
        EXPECT_EQ(::linkat(AT_FDCWD, other.c_str(), AT_FDCWD, t.real_path("/other").c_str(), AT_SYMLINK_FOLLOW), -1);
        EXPECT_EQ(errno, ENOENT);
        t.close(exclusive);
    }
    t.close(file);
}
TEST_F(Unnamed, OfADirectoryDescriptor) {
    ASSERT_EQ(t.mkdir("/dir"), 0);
    const int directory = opened("/dir", O_RDONLY | O_DIRECTORY);
    const long file = t.open(".", O_TMPFILE | O_WRONLY, 0600, directory);
    ASSERT_GE(file, 0);
    EXPECT_EQ(t.write(static_cast<int>(file), "a", 1), 1);
    EXPECT_EQ(t.link("", "/dir/a", AT_EMPTY_PATH, static_cast<int>(file)), 0);
    t.close(static_cast<int>(file));
    t.close(directory);
    EXPECT_EQ(list("/dir").size(), 1u);
}
TEST_F(Unnamed, FlagsAreKept) {
    const int file = unnamed(O_RDWR | O_APPEND);
    EXPECT_EQ(t.fcntl(file, F_GETFL) & (O_TMPFILE | O_ACCMODE | O_APPEND), O_TMPFILE | O_RDWR | O_APPEND);
    t.close(file);
}
TEST_F(Unnamed, TruncatedWhileUnnamedThenNamed) {
    const int file = unnamed();
    const std::string text(300000, 'y');
    EXPECT_EQ(t.write(file, text.data(), text.size()), 300000);
    EXPECT_EQ(t.ftruncate(file, 5000), 0);
    ASSERT_EQ(t.link("", "/named", AT_EMPTY_PATH, file), 0);
    t.close(file);
    EXPECT_EQ(content("/named"), std::string(5000, 'y'));
}

// What stands at the path, the flags, the errno (0: success).
struct UnnamedRow {
    const char *name;
    const char *path;
    int flags;
    int error;
};

class UnnamedTable : public Case, public testing::WithParamInterface<UnnamedRow> {};

TEST_P(UnnamedTable, Errno) {
    make("/file");
    ASSERT_EQ(t.mkdir("/dir"), 0);
    ASSERT_EQ(t.symlink("dir", "/link"), 0);
    const long file = t.open(GetParam().path, GetParam().flags, 0600);
    EXPECT_EQ(file < 0 ? -file : 0, GetParam().error);
    if (file >= 0)
        t.close(static_cast<int>(file));
}

INSTANTIATE_TEST_SUITE_P(, UnnamedTable,
                         testing::Values(UnnamedRow{"Directory", "/dir", O_TMPFILE | O_RDWR, 0},
                                         UnnamedRow{"WriteOnly", "/dir", O_TMPFILE | O_WRONLY, 0},
                                         UnnamedRow{"ReadOnly", "/dir", O_TMPFILE | O_RDONLY, EINVAL},
                                         UnnamedRow{"Create", "/dir", O_TMPFILE | O_RDWR | O_CREAT, EINVAL},
                                         UnnamedRow{"BitAlone", "/dir", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, EINVAL},
                                         UnnamedRow{"File", "/file", O_TMPFILE | O_RDWR, ENOTDIR},
                                         UnnamedRow{"Missing", "/none", O_TMPFILE | O_RDWR, ENOENT},
                                         UnnamedRow{"Symlink", "/link", O_TMPFILE | O_RDWR, 0},
                                         UnnamedRow{"SymlinkNoFollow", "/link", O_TMPFILE | O_RDWR | O_NOFOLLOW,
                                                    ENOTDIR}),
                         [](const auto &info) { return info.param.name; });

TEST_F(Unnamed, NeedsWritePermissionOfTheDirectory) {
    ASSERT_EQ(t.mkdir("/dir"), 0); // root's, 0755
    EXPECT_EQ(t.as_user(1234, 1234, [](Target &user) { return user.open("/dir", O_TMPFILE | O_RDWR, 0600); }), -EACCES);
}

} // namespace
} // namespace posix
