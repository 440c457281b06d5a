// xattr_test: extended attributes of users, of the trusted and of security.
#include "tests/posix/case.h"

#include <algorithm>
#include <sys/xattr.h>
#include <unistd.h>

namespace posix {
namespace {

constexpr uid_t alice = 12345;

class Xattr : public Case {
protected:
    using Place = Target::Place;

    long set(const Place &place, const std::string &name, const std::string &value, int flags = 0) {
        return t.setxattr(place, name.c_str(), value.data(), value.size(), flags);
    }
    // The value, or "error N".
    std::string get(const Place &place, const std::string &name) {
        std::string value(65536, 0);
        const long length = t.getxattr(place, name.c_str(), value.data(), value.size());
        if (length < 0)
            return "error " + std::to_string(-length);
        EXPECT_EQ(t.getxattr(place, name.c_str(), nullptr, 0), length);
        value.resize(static_cast<size_t>(length));
        return value;
    }
    std::vector<std::string> names(const Place &place) {
        std::string list(65536, 0);
        const long length = t.listxattr(place, list.data(), list.size());
        EXPECT_GE(length, 0);
        EXPECT_EQ(t.listxattr(place, nullptr, 0), length);
        std::vector<std::string> all;
        for (long at = 0; at < length; at += static_cast<long>(all.back().size()) + 1)
            all.emplace_back(list.data() + at);
        std::sort(all.begin(), all.end());
        return all;
    }
};
using Strings = std::vector<std::string>;

TEST_F(Xattr, SetGetListRemove) {
    make("/a", "content");
    const Place a{"/a"};
    EXPECT_EQ(names(a), Strings{});
    EXPECT_EQ(set(a, "user.one", "1"), 0);
    EXPECT_EQ(set(a, "user.two", ""), 0);
    EXPECT_EQ(set(a, "user.one", "other"), 0);
    EXPECT_EQ(get(a, "user.one"), "other");
    EXPECT_EQ(get(a, "user.two"), "");
    EXPECT_EQ(names(a), (Strings{"user.one", "user.two"}));
    EXPECT_EQ(t.removexattr(a, "user.one"), 0);
    EXPECT_EQ(t.removexattr(a, "user.one"), -ENODATA);
    EXPECT_EQ(get(a, "user.one"), "error " + std::to_string(ENODATA));
    EXPECT_EQ(names(a), Strings{"user.two"});
    EXPECT_EQ(t.removexattr(a, "user.two"), 0);
    EXPECT_EQ(names(a), Strings{});
    EXPECT_EQ(content("/a"), "content");
}
TEST_F(Xattr, CreateAndReplace) {
    make("/a");
    const Place a{"/a"};
    EXPECT_EQ(set(a, "user.x", "1", XATTR_REPLACE), -ENODATA);
    EXPECT_EQ(set(a, "user.x", "1", XATTR_CREATE), 0);
    EXPECT_EQ(set(a, "user.x", "2", XATTR_CREATE), -EEXIST);
    EXPECT_EQ(set(a, "user.x", "3", XATTR_REPLACE), 0);
    EXPECT_EQ(get(a, "user.x"), "3");
    EXPECT_EQ(set(a, "user.x", "4", XATTR_CREATE | XATTR_REPLACE), -EEXIST);
    EXPECT_EQ(set(a, "user.y", "4", XATTR_CREATE | XATTR_REPLACE), -ENODATA);
    EXPECT_EQ(set(a, "user.x", "5", 4), -EINVAL);
}
TEST_F(Xattr, NamesAndValuesAtTheirLimits) {
    make("/a");
    const Place a{"/a"};
    const std::string longest = "user." + std::string(250, 'n');
    EXPECT_EQ(set(a, longest, "v"), 0);
    EXPECT_EQ(get(a, longest), "v");
    EXPECT_EQ(set(a, longest + "n", "v"), -ERANGE);
    EXPECT_EQ(get(a, longest + "n"), "error " + std::to_string(ERANGE));
    EXPECT_EQ(t.removexattr(a, (longest + "n").c_str()), -ERANGE);
    EXPECT_EQ(set(a, "", "v"), -ERANGE);
    EXPECT_EQ(set(a, "user.", "v"), -EINVAL);
    EXPECT_EQ(set(a, "trusted.", "v"), -EINVAL);
    EXPECT_EQ(set(a, "other.x", "v"), -EOPNOTSUPP);
    EXPECT_EQ(set(a, "system.x", "v"), -EOPNOTSUPP);
    EXPECT_EQ(get(a, "other.x"), "error " + std::to_string(EOPNOTSUPP));
    EXPECT_EQ(t.removexattr(a, "system.x"), -EOPNOTSUPP);
    EXPECT_EQ(set(a, "user.big", std::string(65537, 'b')), -E2BIG);
    for (size_t size : {1u, 100u, 1900u, 2100u, 3900u, 4100u, 9000u, 40000u, 65536u}) {
        std::string value(size, 'v');
        for (size_t i = 0; i < size; ++i)
            value[i] = static_cast<char>(i * 7 + size);
        ASSERT_EQ(set(a, "user.big", value), 0) << size;
        EXPECT_TRUE(get(a, "user.big") == value) << size;
        EXPECT_EQ(get(a, longest), "v") << size;
    }
    EXPECT_EQ(set(a, "user.big", "small"), 0);
    EXPECT_EQ(get(a, "user.big"), "small");
}
TEST_F(Xattr, ShortBuffers) {
    make("/a");
    const Place a{"/a"};
    ASSERT_EQ(set(a, "user.x", "12345"), 0);
    char buffer[8];
    EXPECT_EQ(t.getxattr(a, "user.x", buffer, 4), -ERANGE);
    EXPECT_EQ(t.getxattr(a, "user.x", buffer, 5), 5);
    EXPECT_EQ(t.listxattr(a, buffer, 6), -ERANGE);
    EXPECT_EQ(t.listxattr(a, buffer, 7), 7);
    if (t.catches_bad_pointers()) {
        EXPECT_EQ(t.setxattr(a, "user.y", reinterpret_cast<void *>(16), 5, 0), -EFAULT);
        EXPECT_EQ(t.setxattr(a, reinterpret_cast<char *>(16), "x", 1, 0), -EFAULT);
        EXPECT_EQ(t.getxattr(a, "user.x", reinterpret_cast<void *>(16), 5), -EFAULT);
        EXPECT_EQ(t.listxattr(a, reinterpret_cast<char *>(16), 7), -EFAULT);
    }
    EXPECT_EQ(names(a), Strings{"user.x"});
}
TEST_F(Xattr, ManyOfOneFile) {
    make("/a", "x");
    const Place a{"/a"};
    Strings all;
    for (unsigned i = 0; i < 200; ++i) {
        all.push_back("user.number" + std::to_string(i));
        ASSERT_EQ(set(a, all.back(), std::string(i * 3, static_cast<char>('a' + i % 26))), 0) << i;
    }
    for (unsigned i = 0; i < 200; i += 3)
        ASSERT_EQ(t.removexattr(a, all[i].c_str()), 0);
    for (unsigned i = 0; i < 200; ++i)
        EXPECT_EQ(get(a, all[i]), i % 3 == 0 ? "error " + std::to_string(ENODATA)
                                             : std::string(i * 3, static_cast<char>('a' + i % 26)));
    for (unsigned i = 0; i < 200; i += 3)
        all[i].clear();
    std::erase(all, "");
    std::sort(all.begin(), all.end());
    EXPECT_EQ(names(a), all);
    EXPECT_EQ(t.unlink("/a"), 0);
}
TEST_F(Xattr, ByDescriptorAndThroughLinks) {
    make("/a");
    ASSERT_EQ(t.symlink("a", "/l"), 0);
    ASSERT_EQ(t.link("/a", "/b"), 0);
    const int file = opened("/a", O_RDONLY);
    EXPECT_EQ(set({"", file}, "user.x", "by number"), 0) << "the file's mode decides, not the descriptor's";
    EXPECT_EQ(get({"/l"}, "user.x"), "by number");
    EXPECT_EQ(get({"/b"}, "user.x"), "by number");
    EXPECT_EQ(get({"/l", -1, false}, "user.x"), "error " + std::to_string(ENODATA));
    EXPECT_EQ(set({"/l", -1, false}, "user.x", "1"), -EPERM);
    EXPECT_EQ(t.removexattr({"/l", -1, false}, "user.x"), -EPERM);
    EXPECT_EQ(set({"/l", -1, false}, "trusted.x", "of the link"), 0);
    EXPECT_EQ(names({"/l", -1, false}), Strings{"trusted.x"});
    EXPECT_EQ(names({"", file}), Strings{"user.x"});
    ASSERT_EQ(t.unlink("/a"), 0);
    ASSERT_EQ(t.unlink("/b"), 0);
    EXPECT_EQ(get({"", file}, "user.x"), "by number") << "as long as it is open";
    EXPECT_EQ(set({"", file}, "user.y", std::string(9000, 'y')), 0);
    EXPECT_EQ(t.removexattr({"", file}, "user.x"), 0);
    EXPECT_EQ(t.close(file), 0);
    EXPECT_EQ(set({"", file}, "user.x", "1"), -EBADF);
    EXPECT_EQ(set({"/a"}, "user.x", "1"), -ENOENT);
    make("/p");
    const int place = opened("/p", O_PATH);
    EXPECT_EQ(set({"", place}, "user.x", "1"), -EBADF);
    EXPECT_EQ(get({"", place}, "user.x"), "error " + std::to_string(EBADF));
    t.close(place);
}
TEST_F(Xattr, OfDirectoriesAndSpecialFiles) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    EXPECT_EQ(set({"/d"}, "user.x", "of a directory"), 0);
    make("/d/inside");
    EXPECT_EQ(get({"/d"}, "user.x"), "of a directory");
    EXPECT_EQ(names({"/d/inside"}), Strings{});
    ASSERT_EQ(t.rename("/d", "/e"), 0);
    EXPECT_EQ(get({"/e"}, "user.x"), "of a directory");
    ASSERT_EQ(t.unlink("/e/inside"), 0);
    EXPECT_EQ(t.unlink("/e", AT_REMOVEDIR), 0);
    make("/from", "new");
    make("/to", "old");
    ASSERT_EQ(set({"/from"}, "user.x", "new"), 0);
    ASSERT_EQ(set({"/to"}, "user.y", "old"), 0);
    ASSERT_EQ(t.rename("/from", "/to"), 0);
    EXPECT_EQ(names({"/to"}), Strings{"user.x"});
}
TEST_F(Xattr, ChangesTheChangeTimeAlone) {
    make("/a");
    for (int step = 0; step < 2; ++step) {
        const struct stat before = attributes("/a");
        usleep(20000);
        EXPECT_EQ(step == 0 ? set({"/a"}, "user.x", "1") : t.removexattr({"/a"}, "user.x"), 0);
        const struct stat after = attributes("/a");
        EXPECT_TRUE(after.st_ctim.tv_sec != before.st_ctim.tv_sec || after.st_ctim.tv_nsec != before.st_ctim.tv_nsec);
        EXPECT_EQ(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
        EXPECT_EQ(after.st_size, 0);
    }
}
TEST_F(Xattr, ContentAndAttributesDoNotDisturbEachOther) {
    make("/a", "tiny");
    ASSERT_EQ(set({"/a"}, "user.x", std::string(5000, 'x')), 0);
    const int file = opened("/a", O_RDWR);
    EXPECT_EQ(t.pwrite(file, std::string(20000, 'd').data(), 20000, 0), 20000);
    EXPECT_EQ(t.ftruncate(file, 3), 0);
    EXPECT_EQ(t.pwrite(file, "abc", 3, 0), 3);
    EXPECT_EQ(t.ftruncate(file, 0), 0);
    EXPECT_EQ(t.pwrite(file, "new", 3, 0), 3);
    t.close(file);
    EXPECT_EQ(content("/a"), "new");
    EXPECT_TRUE(get({"/a"}, "user.x") == std::string(5000, 'x'));
}

// What alice may do; root has made /a (mode as given) with user.x, trusted.x and security.x.
struct XattrRow {
    const char *name;
    mode_t mode;
    long (*work)(Target &);
    long result;
};
class XattrPermission : public Xattr, public testing::WithParamInterface<XattrRow> {};
TEST_P(XattrPermission, Result) {
    ASSERT_EQ(geteuid(), 0u);
    make("/a");
    ASSERT_EQ(t.mkdir("/sticky"), 0);
    ASSERT_EQ(t.chmod("/sticky", 01777), 0);
    for (const char *name : {"user.x", "trusted.x", "security.x"})
        ASSERT_EQ(set({"/a"}, name, "value"), 0);
    ASSERT_EQ(t.chmod("/a", GetParam().mode), 0);
    EXPECT_EQ(t.as_user(alice, alice, GetParam().work), GetParam().result);
}
long set_on(Target &t, const char *path, const char *name) {
    return t.setxattr({path}, name, "v", 1, 0);
}
long get_of(Target &t, const char *name) {
    char value[16];
    return t.getxattr({"/a"}, name, value, sizeof(value));
}
INSTANTIATE_TEST_SUITE_P(
    , XattrPermission,
    testing::Values(
        XattrRow{"ReadUser", 0644, [](Target &t) { return get_of(t, "user.x"); }, 5},
        XattrRow{"ReadUserDenied", 0600, [](Target &t) { return get_of(t, "user.x"); }, -EACCES},
        XattrRow{"ListNeedsNothing", 0600, [](Target &t) { return t.listxattr({"/a"}, nullptr, 0); }, 7 + 11},
        XattrRow{"WriteUser", 0666, [](Target &t) { return set_on(t, "/a", "user.y"); }, 0},
        XattrRow{"WriteUserDenied", 0644, [](Target &t) { return set_on(t, "/a", "user.y"); }, -EACCES},
        XattrRow{"RemoveUserDenied", 0644, [](Target &t) { return t.removexattr({"/a"}, "user.x"); }, -EACCES},
        XattrRow{"RemoveUser", 0666, [](Target &t) { return t.removexattr({"/a"}, "user.x"); }, 0},
        XattrRow{"WriteStickyDirectory", 0644, [](Target &t) { return set_on(t, "/sticky", "user.y"); }, -EPERM},
        XattrRow{"ReadTrusted", 0666, [](Target &t) { return get_of(t, "trusted.x"); }, -ENODATA},
        XattrRow{"WriteTrusted", 0666, [](Target &t) { return set_on(t, "/a", "trusted.x"); }, -EPERM},
        XattrRow{"RemoveTrusted", 0666, [](Target &t) { return t.removexattr({"/a"}, "trusted.x"); }, -EPERM},
        XattrRow{"ReadSecurity", 0600, [](Target &t) { return get_of(t, "security.x"); }, 5},
        XattrRow{"WriteSecurity", 0666, [](Target &t) { return set_on(t, "/a", "security.x"); }, -EPERM},
        XattrRow{"RemoveSecurity", 0666, [](Target &t) { return t.removexattr({"/a"}, "security.x"); }, -EPERM}),
    [](const auto &info) { return info.param.name; });

TEST_F(Xattr, FileCapabilities) {
    make("/a", "program");
    const Place a{"/a"};
    const std::string capability("\0\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    EXPECT_EQ(set(a, "security.capability", "nonsense"), -EINVAL);
    EXPECT_EQ(set(a, "security.capability", std::string(20, 'x')), -EINVAL);
    ASSERT_EQ(set(a, "security.capability", capability), 0);
    EXPECT_EQ(get(a, "security.capability"), capability);
    const auto is_there = [&] { return names(a) == Strings{"security.capability"}; };
    EXPECT_TRUE(is_there());
    EXPECT_EQ(t.chmod("/a", 0755), 0);
    EXPECT_TRUE(is_there());
    const int file = opened("/a", O_WRONLY);
    EXPECT_EQ(t.write(file, "x", 1), 1);
    EXPECT_FALSE(is_there()) << "after a write";
    ASSERT_EQ(set(a, "security.capability", capability), 0);
    EXPECT_EQ(t.ftruncate(file, 2), 0);
    EXPECT_FALSE(is_there()) << "after ftruncate";
    make("/other", "other's");
    const int source = opened("/other", O_RDONLY);
    ASSERT_EQ(set(a, "security.capability", capability), 0);
    EXPECT_EQ(t.copy_range(source, nullptr, file, nullptr, 0), 0);
    EXPECT_TRUE(is_there());
    EXPECT_EQ(t.copy_range(source, nullptr, file, nullptr, 3), 3);
    EXPECT_FALSE(is_there()) << "after copy_file_range";
    t.close(source);
    t.close(file);
    ASSERT_EQ(set(a, "security.capability", capability), 0);
    EXPECT_EQ(t.chown("/a", alice, alice), 0);
    EXPECT_FALSE(is_there()) << "after chown";
    ASSERT_EQ(set(a, "security.capability", capability), 0);
    t.close(opened("/a", O_WRONLY | O_TRUNC));
    EXPECT_FALSE(is_there()) << "after O_TRUNC";
    ASSERT_EQ(t.chmod("/a", 0666), 0);
    const auto set_it = [](Target &u) {
        return u.setxattr({"/a"}, "security.capability", "\0\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0);
    };
    EXPECT_EQ(t.as_user(alice, alice, set_it), -EPERM);
}

} // namespace
} // namespace posix
