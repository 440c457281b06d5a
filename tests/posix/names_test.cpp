// names_test: making, removing, renaming and listing names.
#include "tests/posix/case.h"

#include <algorithm>
#include <linux/fs.h>
#include <set>

namespace posix {
namespace {

class Names : public Case {};

// ------------------------------------------------------------ rename matrix

enum Kind { none, file, empty_directory, full_directory, link };
constexpr const char *kind_names[] = {"None", "File", "EmptyDirectory", "FullDirectory", "Link"};

class RenameMatrix : public Case, public testing::WithParamInterface<std::tuple<Kind, Kind, unsigned>> {
protected:
    void put(const std::string &path, Kind kind) {
        if (kind == file) {
            make(path, path);
        } else if (kind == link) {
            ASSERT_EQ(t.symlink("target of " + path, path), 0);
        } else if (kind != none) {
            ASSERT_EQ(t.mkdir(path), 0);
        }
        if (kind == full_directory)
            make(path + "/x", path);
    }
    // rename(2), and renameat2(2) for the flags.
    static int expected(Kind from, Kind to, unsigned flags) {
        auto is_directory = [](Kind kind) { return kind == empty_directory || kind == full_directory; };
        if (from == none)
            return ENOENT;
        if (flags & RENAME_EXCHANGE)
            return to == none ? ENOENT : 0;
        if (to == none)
            return 0;
        if (flags & RENAME_NOREPLACE)
            return EEXIST;
        if (is_directory(from) && !is_directory(to))
            return ENOTDIR;
        if (!is_directory(from) && is_directory(to))
            return EISDIR;
        return to == full_directory ? ENOTEMPTY : 0;
    }
    ino_t inode(const std::string &path) {
        return exists(path) ? attributes(path).st_ino : 0;
    }
};

TEST_P(RenameMatrix, ErrnoAndEffect) {
    auto [from, to, flags] = GetParam();
    for (const char *directory : {"/one", "/two"})
        ASSERT_EQ(t.mkdir(directory), 0);
    put("/one/from", from);
    put("/two/to", to);
    ino_t was_from = inode("/one/from"), was_to = inode("/two/to");
    long error = -t.rename("/one/from", "/two/to", flags);
    ASSERT_EQ(error, expected(from, to, flags));
    bool exchanged = error == 0 && (flags & RENAME_EXCHANGE), moved = error == 0 && !exchanged;
    EXPECT_EQ(inode("/one/from"), exchanged ? was_to : moved ? 0 : was_from);
    EXPECT_EQ(inode("/two/to"), exchanged || moved ? was_from : was_to);
    // `..` and link counts of the directories follow.
    auto subdirectories = [&](const std::string &path) {
        nlink_t count = 2;
        for (auto &name : list(path))
            count += name.type == DT_DIR;
        return count;
    };
    EXPECT_EQ(attributes("/one").st_nlink, subdirectories("/one"));
    EXPECT_EQ(attributes("/two").st_nlink, subdirectories("/two"));
    if (error == 0 && (from == empty_directory || from == full_directory)) {
        EXPECT_EQ(attributes("/two/to/..").st_ino, attributes("/two").st_ino);
    }
}
INSTANTIATE_TEST_SUITE_P(, RenameMatrix,
                         testing::Combine(testing::Values(none, file, empty_directory, full_directory, link),
                                          testing::Values(none, file, empty_directory, full_directory, link),
                                          testing::Values(0u, unsigned{RENAME_NOREPLACE}, unsigned{RENAME_EXCHANGE})),
                         [](const auto &info) {
                             unsigned flags = std::get<2>(info.param);
                             return std::string(kind_names[std::get<0>(info.param)]) + "Over" +
                                    kind_names[std::get<1>(info.param)] +
                                    (flags == 0                  ? ""
                                     : flags == RENAME_NOREPLACE ? "NoReplace"
                                                                 : "Exchange");
                         });

TEST_F(Names, RenameIntoItself) {
    ASSERT_EQ(t.mkdir("/a"), 0);
    ASSERT_EQ(t.mkdir("/a/b"), 0);
    EXPECT_EQ(t.rename("/a", "/a/b/c"), -EINVAL);
    EXPECT_EQ(t.rename("/a", "/a/b"), -EINVAL);
    EXPECT_EQ(t.rename("/a/b", "/a"), -ENOTEMPTY);
    EXPECT_EQ(t.rename("/a", "/a/b/c", RENAME_NOREPLACE), -EINVAL);
    EXPECT_EQ(t.rename("/a", "/a/b", RENAME_EXCHANGE), -EINVAL);
}
TEST_F(Names, RenameOntoItselfAndItsLink) {
    make("/a", "x");
    ASSERT_EQ(t.link("/a", "/b"), 0);
    EXPECT_EQ(t.rename("/a", "/a"), 0);
    EXPECT_EQ(t.rename("/a", "/b"), 0) << "both names of one file stay, as POSIX says";
    EXPECT_TRUE(exists("/a") && exists("/b"));
}
TEST_F(Names, RenameOverOpenFileLeavesItReadable) {
    make("/a", "new");
    make("/b", "old");
    int file = opened("/b", O_RDONLY);
    ASSERT_EQ(t.rename("/a", "/b"), 0);
    char buffer[3];
    EXPECT_EQ(t.read(file, buffer, 3), 3);
    EXPECT_EQ(std::string(buffer, 3), "old");
    EXPECT_EQ(content("/b"), "new");
    t.close(file);
}
TEST_F(Names, RenameBadFlagsAndDots) {
    make("/a");
    ASSERT_EQ(t.mkdir("/d"), 0);
    EXPECT_EQ(t.rename("/a", "/b", RENAME_NOREPLACE | RENAME_EXCHANGE), -EINVAL);
    EXPECT_EQ(t.rename("/a", "/b", 1u << 30), -EINVAL);
    EXPECT_EQ(t.rename("/d/.", "/e"), -EBUSY);
    EXPECT_EQ(t.rename("/a", "/d/.."), -EBUSY);
    EXPECT_EQ(t.rename("/a", "/b/"), -ENOTDIR);
    EXPECT_EQ(t.rename("/d", "/e/"), 0);
}
TEST_F(Names, MkdirErrors) {
    make("/a");
    ASSERT_EQ(t.mkdir("/d/"), 0);
    EXPECT_EQ(t.mkdir("/d"), -EEXIST);
    EXPECT_EQ(t.mkdir("/a"), -EEXIST);
    EXPECT_EQ(t.mkdir("/a/b"), -ENOTDIR);
    EXPECT_EQ(t.mkdir("/none/b"), -ENOENT);
    EXPECT_EQ(t.mkdir("/d/."), -EEXIST);
    EXPECT_EQ(t.mkdir("/d/.."), -EEXIST);
    EXPECT_EQ(t.mkdir(""), -ENOENT);
    ASSERT_EQ(t.symlink("nowhere", "/l"), 0);
    EXPECT_EQ(t.mkdir("/l"), -EEXIST);
}
TEST_F(Names, MkdirSetsModeAndLinks) {
    t.umask(077);
    ASSERT_EQ(t.mkdir("/d", 0777), 0);
    EXPECT_EQ(attributes("/d").st_mode, S_IFDIR | 0700u);
    EXPECT_EQ(attributes("/d").st_nlink, 2u);
    ASSERT_EQ(t.mkdir("/d/e"), 0);
    EXPECT_EQ(attributes("/d").st_nlink, 3u);
    ASSERT_EQ(t.unlink("/d/e", AT_REMOVEDIR), 0);
    EXPECT_EQ(attributes("/d").st_nlink, 2u);
}
TEST_F(Names, RmdirErrors) {
    make("/a");
    ASSERT_EQ(t.mkdir("/d"), 0);
    make("/d/x");
    EXPECT_EQ(t.unlink("/d", AT_REMOVEDIR), -ENOTEMPTY);
    EXPECT_EQ(t.unlink("/a", AT_REMOVEDIR), -ENOTDIR);
    EXPECT_EQ(t.unlink("/none", AT_REMOVEDIR), -ENOENT);
    EXPECT_EQ(t.unlink("/d/.", AT_REMOVEDIR), -EINVAL);
    EXPECT_EQ(t.unlink("/d/..", AT_REMOVEDIR), -ENOTEMPTY);
    ASSERT_EQ(t.symlink("d", "/l"), 0);
    EXPECT_EQ(t.unlink("/l", AT_REMOVEDIR), -ENOTDIR);
}
TEST_F(Names, UnlinkErrors) {
    make("/a");
    ASSERT_EQ(t.mkdir("/d"), 0);
    EXPECT_EQ(t.unlink("/d"), -EISDIR);
    EXPECT_EQ(t.unlink("/none"), -ENOENT);
    EXPECT_EQ(t.unlink("/a/"), -ENOTDIR);
    EXPECT_EQ(t.unlink("/a/x"), -ENOTDIR);
    EXPECT_EQ(t.unlink("/a", 0x40), -EINVAL);
    EXPECT_EQ(t.unlink("/a"), 0);
    EXPECT_EQ(t.unlink("/a"), -ENOENT);
}
TEST_F(Names, LinksShareOneFile) {
    make("/a", "abc");
    ASSERT_EQ(t.link("/a", "/b"), 0);
    EXPECT_EQ(attributes("/a").st_nlink, 2u);
    EXPECT_EQ(attributes("/a").st_ino, attributes("/b").st_ino);
    ASSERT_EQ(t.unlink("/a"), 0);
    EXPECT_EQ(content("/b"), "abc");
    EXPECT_EQ(attributes("/b").st_nlink, 1u);
}
TEST_F(Names, LinkErrors) {
    make("/a");
    ASSERT_EQ(t.mkdir("/d"), 0);
    EXPECT_EQ(t.link("/d", "/e"), -EPERM);
    EXPECT_EQ(t.link("/a", "/d"), -EEXIST);
    EXPECT_EQ(t.link("/none", "/e"), -ENOENT);
    EXPECT_EQ(t.link("/a", "/none/e"), -ENOENT);
    EXPECT_EQ(t.link("/a", "/a"), -EEXIST);
}
TEST_F(Names, LinkOfASymlink) {
    make("/a");
    ASSERT_EQ(t.symlink("a", "/l"), 0);
    ASSERT_EQ(t.link("/l", "/copy"), 0);
    EXPECT_TRUE(S_ISLNK(attributes("/copy").st_mode));
    ASSERT_EQ(t.link("/l", "/file", AT_SYMLINK_FOLLOW), 0);
    EXPECT_TRUE(S_ISREG(attributes("/file").st_mode));
}
TEST_F(Names, SymlinkAndReadlink) {
    char buffer[5000];
    for (size_t length : {1u, 127u, 128u, 129u, 1000u, 4095u}) {
        std::string target(length, 'x');
        ASSERT_EQ(t.symlink(target, "/l"), 0) << length;
        EXPECT_EQ(attributes("/l").st_size, static_cast<off_t>(length));
        ASSERT_EQ(t.readlink("/l", buffer, sizeof(buffer)), static_cast<long>(length));
        EXPECT_EQ(std::string(buffer, length), target);
        EXPECT_EQ(t.readlink("/l", buffer, 1), 1) << "cut, not refused";
        ASSERT_EQ(t.unlink("/l"), 0);
    }
    EXPECT_EQ(t.symlink("", "/l"), -ENOENT);
    EXPECT_EQ(t.symlink(std::string(4096, 'x'), "/l"), -ENAMETOOLONG);
    make("/a");
    EXPECT_EQ(t.symlink("x", "/a"), -EEXIST);
    EXPECT_EQ(t.readlink("/a", buffer, 10), -EINVAL);
    EXPECT_EQ(t.readlink("/none", buffer, 10), -ENOENT);
}
TEST_F(Names, SymlinkModeIs777) {
    ASSERT_EQ(t.symlink("x", "/l"), 0);
    EXPECT_EQ(attributes("/l").st_mode, S_IFLNK | 0777u);
}
TEST_F(Names, ChainsOfSymlinksEndAt40) {
    make("/s0", "end");
    for (int i = 1; i <= 41; i++)
        ASSERT_EQ(t.symlink("s" + std::to_string(i - 1), "/s" + std::to_string(i)), 0);
    EXPECT_EQ(content("/s40"), "end");
    EXPECT_EQ(t.open("/s41", O_RDONLY), -ELOOP);
}
TEST_F(Names, LongNames) {
    std::string longest(255, 'n'), longer(256, 'n');
    make("/" + longest, "x");
    EXPECT_EQ(content("/" + longest), "x");
    EXPECT_EQ(t.open("/" + longer, O_CREAT | O_WRONLY), -ENAMETOOLONG);
    EXPECT_EQ(t.mkdir("/" + longer), -ENAMETOOLONG);
    EXPECT_EQ(t.rename("/" + longest, "/" + longer), -ENAMETOOLONG);
    struct stat stat;
    EXPECT_EQ(t.stat("/" + longer, &stat), -ENAMETOOLONG);
    EXPECT_EQ(list("/").size(), 1u);
}
TEST_F(Names, LongPaths) {
    make("/a", "x");
    size_t prefix = t.real_path("/").size() - 1;
    std::string path = "/";
    while (prefix + path.size() < 4090)
        path += "./";
    path += std::string(4095 - prefix - path.size(), '/') + "a"; // 4096 bytes without the NUL
    ASSERT_EQ(prefix + path.size(), 4096u);
    EXPECT_EQ(t.open(path, O_RDONLY), -ENAMETOOLONG);
    path.erase(path.size() - 2, 1); // one '/' less: 4095 bytes
    long file = t.open(path, O_RDONLY);
    EXPECT_GE(file, 0);
    t.close(static_cast<int>(file));
}
TEST_F(Names, AnyByteButSlashAndNul) {
    std::set<std::string> made, seen;
    for (int byte = 1; byte < 256; byte++)
        if (byte != '/')
            made.insert("n" + std::string(1, static_cast<char>(byte)));
    for (auto &name : made)
        make("/" + name);
    for (auto &name : list("/"))
        seen.insert(name.name);
    EXPECT_TRUE(seen == made);
}
TEST_F(Names, CasesOfTheSameLetterDiffer) {
    make("/a", "small");
    make("/A", "big");
    EXPECT_EQ(content("/a"), "small");
}

// ------------------------------------------------------------------ listing

TEST_F(Names, ListShowsDotsTypesAndInodes) {
    make("/f");
    ASSERT_EQ(t.mkdir("/d"), 0);
    ASSERT_EQ(t.symlink("f", "/l"), 0);
    std::vector<Name> names;
    int directory = opened("/", O_RDONLY | O_DIRECTORY);
    while (t.getdents(directory, &names) > 0)
        ;
    t.close(directory);
    ASSERT_EQ(names.size(), 5u);
    for (auto &name : names) {
        if (name.name == "..")
            continue;
        EXPECT_EQ(name.inode, attributes("/" + name.name).st_ino) << name.name;
        EXPECT_EQ(name.type, IFTODT(attributes("/" + name.name).st_mode)) << name.name;
    }
}
TEST_F(Names, ListManyInSmallPieces) {
    std::set<std::string> made, seen;
    for (int i = 0; i < 2000; i++)
        made.insert("name-" + std::to_string(i));
    for (auto &name : made)
        make("/" + name);
    auto names = list("/", 300);
    EXPECT_EQ(names.size(), made.size()) << "each once";
    for (auto &name : names)
        seen.insert(name.name);
    EXPECT_TRUE(seen == made);
}
// What is there all the time is seen exactly once, whatever comes and goes.
TEST_F(Names, ListUnderChange) {
    for (int i = 0; i < 500; i++)
        make("/stays-" + std::to_string(i));
    for (int i = 0; i < 500; i++)
        make("/goes-" + std::to_string(i));
    std::vector<Name> names;
    int directory = opened("/", O_RDONLY | O_DIRECTORY), step = 0;
    while (t.getdents(directory, &names, 400) > 0)
        for (int i = 0; i < 10; i++, step++) {
            t.unlink("/goes-" + std::to_string(step));
            make("/comes-" + std::to_string(step));
        }
    t.close(directory);
    std::multiset<std::string> seen;
    for (auto &name : names)
        seen.insert(name.name);
    for (int i = 0; i < 500; i++)
        EXPECT_EQ(seen.count("stays-" + std::to_string(i)), 1u) << i;
    for (auto &name : seen)
        EXPECT_EQ(seen.count(name), 1u) << name;
}
TEST_F(Names, ListAgainFromACookieAndTheStart) {
    for (int i = 0; i < 300; i++)
        make("/n" + std::to_string(i));
    int directory = opened("/", O_RDONLY | O_DIRECTORY);
    std::vector<Name> all, rest;
    while (t.getdents(directory, &all, 1000) > 0)
        ;
    ASSERT_EQ(all.size(), 302u);
    ASSERT_GE(t.seek(directory, all[99].cookie, SEEK_SET), 0);
    while (t.getdents(directory, &rest, 1000) > 0)
        ;
    ASSERT_EQ(rest.size(), 202u);
    EXPECT_EQ(rest[0].name, all[100].name);
    ASSERT_EQ(t.seek(directory, 0, SEEK_SET), 0);
    rest.clear();
    while (t.getdents(directory, &rest, 1000) > 0)
        ;
    EXPECT_EQ(rest.size(), 302u);
    t.close(directory);
}
TEST_F(Names, ListErrors) {
    make("/a");
    std::vector<Name> names;
    int file = opened("/a", O_RDONLY), directory = opened("/", O_RDONLY);
    EXPECT_EQ(t.getdents(file, &names), -ENOTDIR);
    EXPECT_EQ(t.getdents(directory, &names, 8), -EINVAL);
    EXPECT_EQ(t.getdents(9999, &names), -EBADF);
    t.close(file);
    t.close(directory);
}
TEST_F(Names, ListOfARemovedDirectory) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    int directory = opened("/d", O_RDONLY);
    ASSERT_EQ(t.unlink("/d", AT_REMOVEDIR), 0);
    std::vector<Name> names;
    long length = t.getdents(directory, &names);
    EXPECT_TRUE(length == -ENOENT || length == 0) << length;
    t.close(directory);
}
TEST_F(Names, DeepTree) {
    std::string path;
    for (int depth = 0; depth < 100; depth++)
        ASSERT_EQ(t.mkdir(path += "/d"), 0);
    make(path + "/f", "deep");
    EXPECT_EQ(content(path + "/f"), "deep");
    std::string up = path;
    for (int depth = 0; depth < 99; depth++)
        up += "/..";
    EXPECT_EQ(attributes(up).st_ino, attributes("/d").st_ino);
}

TEST_F(Names, RenameLeavesAWhiteout) {
    make("/a", "text");
    make("/b", "other");
    ASSERT_EQ(t.mkdir("/dir"), 0);
    auto expect_whiteout = [&](const char *path) {
        const struct stat stat = attributes(path);
        EXPECT_EQ(stat.st_mode, mode_t{S_IFCHR});
        EXPECT_EQ(stat.st_rdev, 0u);
        EXPECT_EQ(stat.st_nlink, 1u);
    };
    const auto inode = attributes("/a").st_ino;
    EXPECT_EQ(t.rename("/a", "/new", RENAME_WHITEOUT), 0);
    expect_whiteout("/a");
    EXPECT_EQ(attributes("/new").st_ino, inode);
    EXPECT_EQ(t.rename("/new", "/b", RENAME_WHITEOUT), 0);
    expect_whiteout("/new");
    EXPECT_EQ(content("/b"), "text");
    EXPECT_EQ(t.rename("/b", "/dir/c", RENAME_WHITEOUT | RENAME_NOREPLACE), 0);
    expect_whiteout("/b");
    EXPECT_EQ(content("/dir/c"), "text");
    EXPECT_EQ(t.rename("/dir/c", "/a", RENAME_WHITEOUT), 0) << "over a whiteout";
    expect_whiteout("/dir/c");
    EXPECT_EQ(t.mkdir("/moved"), 0);
    EXPECT_EQ(t.rename("/moved", "/dir/moved", RENAME_WHITEOUT), 0);
    expect_whiteout("/moved");
    EXPECT_EQ(attributes("/").st_nlink, 3u);
    EXPECT_EQ(attributes("/dir").st_nlink, 3u);
    EXPECT_EQ(t.rename("/a", "/b", RENAME_WHITEOUT | RENAME_EXCHANGE), -EINVAL);
    EXPECT_EQ(t.rename("/a", "/b", RENAME_WHITEOUT | RENAME_NOREPLACE), -EEXIST);
    EXPECT_EQ(list("/").size(), 5u);
}
// Leaves of the directory are full, or full of gaps, when the whiteout must stay beside the new name.
TEST_F(Names, WhiteoutsInLargeDirectories) {
    auto name = [](int i, char kind) {
        return "/" + std::string(static_cast<size_t>(i % 90 + 1), kind) + std::to_string(i);
    };
    for (int i = 0; i < 300; ++i)
        make(name(i, 'a'));
    for (int i = 0; i < 300; i += 3)
        EXPECT_EQ(t.unlink(name(i, 'a')), 0);
    for (int i = 1; i < 300; i += 3)
        EXPECT_EQ(t.rename(name(i, 'a'), name(299 - i, 'b'), RENAME_WHITEOUT), 0);
    EXPECT_EQ(list("/").size(), 300u);
    for (int i = 1; i < 300; i += 3) {
        EXPECT_EQ(attributes(name(i, 'a')).st_mode, mode_t{S_IFCHR});
        EXPECT_TRUE(S_ISREG(attributes(name(299 - i, 'b')).st_mode));
    }
}

} // namespace
} // namespace posix
