// acl_test: POSIX access control lists: how they are stored, what they allow, how they are handed on.
#include "tests/posix/case.h"

#include <cstring>
#include <sys/xattr.h>
#include <unistd.h>

namespace posix {
namespace {

constexpr uid_t alice = 12345, bob = 12346;
constexpr const char *access_list = "system.posix_acl_access";
constexpr const char *default_list = "system.posix_acl_default";

struct Entry {
    uint16_t tag, permissions;
    uint32_t id = 0xffffffff;
};
constexpr uint16_t owner = 1, user = 2, group_owner = 4, group = 8, mask = 16, others = 32;

std::string list_of(const std::vector<Entry> &entries, uint32_t version = 2) {
    std::string bytes(reinterpret_cast<const char *>(&version), sizeof(version));
    for (const Entry &entry : entries)
        bytes.append(reinterpret_cast<const char *>(&entry), sizeof(entry));
    return bytes;
}

class Acl : public Case {
protected:
    void SetUp() override {
        ASSERT_EQ(geteuid(), 0u) << "run the suite as root: it changes to other users by itself";
    }
    long set(const std::string &path, const char *name, const std::string &list) {
        return t.setxattr({path}, name, list.data(), list.size(), 0);
    }
    std::string get(const std::string &path, const char *name) {
        std::string value(16384, 0);
        const long length = t.getxattr({path}, name, value.data(), value.size());
        if (length < 0)
            return "error " + std::to_string(-length);
        value.resize(static_cast<size_t>(length));
        return value;
    }
    mode_t mode(const std::string &path) {
        return attributes(path).st_mode & 07777;
    }
};
const std::string none = "error " + std::to_string(ENODATA);

TEST_F(Acl, MinimalListIsTheMode) {
    make("/a");
    EXPECT_EQ(get("/a", access_list), none);
    EXPECT_EQ(t.removexattr({"/a"}, access_list), 0);
    EXPECT_EQ(set("/a", access_list, list_of({{owner, 7}, {group_owner, 5}, {others, 1}})), 0);
    EXPECT_EQ(mode("/a"), 0751u);
    EXPECT_EQ(get("/a", access_list), none);
    EXPECT_EQ(t.listxattr({"/a"}, nullptr, 0), 0);
}
TEST_F(Acl, StoredAndToldBack) {
    make("/a");
    const std::vector<Entry> entries = {{owner, 6, 5}, {user, 7, alice}, {group_owner, 4, 3}, {mask, 6}, {others, 0}};
    ASSERT_EQ(set("/a", access_list, list_of(entries)), 0);
    EXPECT_EQ(mode("/a"), 0660u);
    std::vector<Entry> told = entries;
    told[0].id = told[2].id = 0xffffffff;
    EXPECT_EQ(get("/a", access_list), list_of(told));
    EXPECT_EQ(t.getxattr({"/a"}, access_list, nullptr, 0), 44);
    EXPECT_EQ(t.listxattr({"/a"}, nullptr, 0), static_cast<long>(strlen(access_list)) + 1);
    // The mode's bits are the owner's, the mask's and the others'.
    ASSERT_EQ(t.chmod("/a", 0751), 0);
    told[0].permissions = 7, told[3].permissions = 5, told[4].permissions = 1;
    EXPECT_EQ(get("/a", access_list), list_of(told));
    ASSERT_EQ(set("/a", access_list, ""), 0);
    EXPECT_EQ(get("/a", access_list), none);
    EXPECT_EQ(mode("/a"), 0751u);
}
TEST_F(Acl, WhatIsNoList) {
    make("/a");
    ASSERT_EQ(t.mkdir("/d"), 0);
    const std::vector<Entry> minimal = {{owner, 7}, {group_owner, 5}, {others, 1}};
    const auto refused = [&](const std::vector<Entry> &entries) { return set("/a", access_list, list_of(entries)); };
    EXPECT_EQ(set("/a", access_list, list_of(minimal, 1)), -EOPNOTSUPP);
    EXPECT_EQ(set("/a", access_list, list_of(minimal) + "x"), -EINVAL);
    EXPECT_EQ(set("/a", access_list, "\2"), -EINVAL);
    EXPECT_EQ(set("/a", access_list, list_of({})), 0);
    EXPECT_EQ(refused({{owner, 7}, {group_owner, 5}}), -EINVAL);
    EXPECT_EQ(refused({{owner, 7}, {user, 7, alice}, {group_owner, 5}, {others, 1}}), -EINVAL) << "no mask";
    EXPECT_EQ(refused({{owner, 8}, {group_owner, 5}, {others, 1}}), -EINVAL);
    EXPECT_EQ(refused({{owner, 7}, {user, 7}, {group_owner, 5}, {mask, 7}, {others, 1}}), -EINVAL) << "no id";
    EXPECT_EQ(refused({{group_owner, 5}, {owner, 7}, {others, 1}}), -EINVAL) << "order";
    EXPECT_EQ(refused({{owner, 7}, {group_owner, 5}, {3, 1}, {others, 1}}), -EINVAL) << "tag";
    EXPECT_EQ(refused({{owner, 7}, {group_owner, 5}, {others, 1}, {others, 1}}), -EINVAL);
    EXPECT_EQ(set("/a", default_list, list_of(minimal)), -EACCES);
    EXPECT_EQ(t.removexattr({"/a"}, default_list), 0);
    EXPECT_EQ(get("/a", default_list), none);
    ASSERT_EQ(t.symlink("a", "/l"), 0);
    const std::string list = list_of(minimal);
    EXPECT_EQ(t.setxattr({"/l", -1, false}, access_list, list.data(), list.size(), 0), -EOPNOTSUPP);
    EXPECT_EQ(t.getxattr({"/l", -1, false}, access_list, nullptr, 0), -EOPNOTSUPP);
}
TEST_F(Acl, OnlyTheOwnerSetsIt) {
    make("/a", "", 0666);
    ASSERT_EQ(t.chmod("/a", 0666), 0);
    const auto set_it = [](Target &u) {
        const std::string list = list_of({{owner, 7}, {group_owner, 5}, {others, 1}});
        return u.setxattr({"/a"}, access_list, list.data(), list.size(), 0);
    };
    EXPECT_EQ(t.as_user(alice, alice, set_it), -EPERM);
    EXPECT_EQ(t.as_user(alice, alice, [](Target &u) { return u.removexattr({"/a"}, access_list); }), -EPERM);
    ASSERT_EQ(t.chown("/a", alice, bob), 0);
    ASSERT_EQ(t.chmod("/a", 02777), 0);
    EXPECT_EQ(t.as_user(alice, alice, set_it), 0);
    EXPECT_EQ(mode("/a"), 0751u) << "set-group-id goes: alice is not of the file's group";
}

// /d/a is root's, group bob's, with this list; who is alice or, by group, bob.
struct AclRow {
    const char *name;
    std::vector<Entry> entries;
    uid_t uid;
    gid_t gid;
    int access;
    int error;
};
class AclAccess : public Acl, public testing::WithParamInterface<AclRow> {
protected:
    static int wanted;
};
int AclAccess::wanted = 0;
TEST_P(AclAccess, Errno) {
    const AclRow &row = GetParam();
    ASSERT_EQ(t.mkdir("/d"), 0);
    make("/d/a", "abc");
    ASSERT_EQ(t.chown("/d/a", 0, bob), 0);
    ASSERT_EQ(set("/d/a", access_list, list_of(row.entries)), 0);
    wanted = row.access;
    EXPECT_EQ(t.as_user(row.uid, row.gid, [](Target &u) { return u.access("/d/a", wanted); }), -row.error);
    const bool reads = row.access == R_OK;
    if (reads || row.access == W_OK) {
        const long file =
            t.as_user(row.uid, row.gid, [](Target &u) { return u.open("/d/a", wanted == R_OK ? O_RDONLY : O_WRONLY); });
        EXPECT_EQ(file < 0 ? file : 0, -row.error);
    }
    // The same list on a directory, for its search.
    ASSERT_EQ(t.chown("/d", 0, bob), 0);
    ASSERT_EQ(t.chmod("/d/a", 0777), 0);
    ASSERT_EQ(set("/d", access_list, list_of(row.entries)), 0);
    if (row.access == X_OK) {
        EXPECT_EQ(t.as_user(row.uid, row.gid, [](Target &u) { return u.access("/d/a", F_OK); }), -row.error);
    }
}
INSTANTIATE_TEST_SUITE_P(
    , AclAccess,
    testing::Values(
        AclRow{"NamedUserMore",
               {{owner, 6}, {user, 6, alice}, {group_owner, 0}, {mask, 6}, {others, 0}},
               alice,
               alice,
               W_OK,
               0},
        AclRow{"NamedUserLess",
               {{owner, 6}, {user, 0, alice}, {group_owner, 4}, {mask, 6}, {others, 6}},
               alice,
               alice,
               R_OK,
               EACCES},
        AclRow{"OthersBesideThem",
               {{owner, 6}, {user, 0, bob}, {group_owner, 0}, {mask, 6}, {others, 4}},
               alice,
               alice,
               R_OK,
               0},
        AclRow{"MaskTakesAway",
               {{owner, 6}, {user, 7, alice}, {group_owner, 0}, {mask, 4}, {others, 0}},
               alice,
               alice,
               W_OK,
               EACCES},
        AclRow{"MaskLeaves",
               {{owner, 6}, {user, 7, alice}, {group_owner, 0}, {mask, 4}, {others, 0}},
               alice,
               alice,
               R_OK,
               0},
        AclRow{
            "GroupOwner", {{owner, 6}, {user, 0, 77}, {group_owner, 4}, {mask, 6}, {others, 0}}, alice, bob, R_OK, 0},
        AclRow{"GroupOwnerMasked",
               {{owner, 6}, {user, 0, 77}, {group_owner, 6}, {mask, 4}, {others, 6}},
               alice,
               bob,
               W_OK,
               EACCES},
        AclRow{"NamedGroup",
               {{owner, 6}, {group_owner, 0}, {group, 4, 4711}, {mask, 6}, {others, 0}},
               alice,
               4711,
               R_OK,
               0},
        AclRow{"NamedGroupNotOthers",
               {{owner, 6}, {group_owner, 0}, {group, 0, 4711}, {mask, 6}, {others, 7}},
               alice,
               4711,
               R_OK,
               EACCES},
        AclRow{"EmptyMaskLeavesOthers", // as Linux has it
               {{owner, 6}, {user, 0, alice}, {group_owner, 0}, {mask, 0}, {others, 4}},
               alice,
               alice,
               R_OK,
               0},
        AclRow{
            "Search", {{owner, 7}, {user, 1, alice}, {group_owner, 0}, {mask, 7}, {others, 0}}, alice, alice, X_OK, 0},
        AclRow{"SearchDenied",
               {{owner, 7}, {user, 6, alice}, {group_owner, 0}, {mask, 7}, {others, 1}},
               alice,
               alice,
               X_OK,
               EACCES}),
    [](const auto &info) { return info.param.name; });

TEST_F(Acl, DefaultListIsHandedOn) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    const std::vector<Entry> entries = {{owner, 7}, {user, 7, alice}, {group_owner, 5}, {mask, 6}, {others, 1}};
    ASSERT_EQ(set("/d", default_list, list_of(entries)), 0);
    EXPECT_EQ(mode("/d"), 0755u);
    EXPECT_EQ(get("/d", default_list), list_of(entries));
    EXPECT_EQ(get("/d", access_list), none);
    t.umask(077); // not asked
    make("/d/f", "", 0640);
    EXPECT_EQ(mode("/d/f"), 0640u);
    std::vector<Entry> file = entries;
    file[0].permissions = 6, file[3].permissions = 4, file[4].permissions = 0;
    EXPECT_EQ(get("/d/f", access_list), list_of(file));
    EXPECT_EQ(get("/d/f", default_list), none);
    ASSERT_EQ(t.mkdir("/d/e", 0777), 0);
    EXPECT_EQ(mode("/d/e"), 0761u);
    EXPECT_EQ(get("/d/e", access_list), list_of(entries));
    EXPECT_EQ(get("/d/e", default_list), list_of(entries));
    ASSERT_EQ(t.symlink("f", "/d/l"), 0);
    EXPECT_EQ(t.listxattr({"/d/l", -1, false}, nullptr, 0), 0);
    make("/d/e/deeper");
    EXPECT_EQ(mode("/d/e/deeper"), 0660u);
    EXPECT_EQ(t.removexattr({"/d"}, default_list), 0);
    make("/d/g");
    EXPECT_EQ(mode("/d/g"), 0600u) << "the umask again";
    EXPECT_EQ(get("/d/e", default_list), list_of(entries));
    t.umask(022);
}
TEST_F(Acl, MinimalDefaultListGivesAMode) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    const std::string list = list_of({{owner, 7}, {group_owner, 5}, {others, 1}});
    ASSERT_EQ(set("/d", default_list, list), 0);
    make("/d/f", "", 0666);
    EXPECT_EQ(mode("/d/f"), 0640u);
    EXPECT_EQ(get("/d/f", access_list), none);
    ASSERT_EQ(t.mkdir("/d/e"), 0);
    EXPECT_EQ(mode("/d/e"), 0751u);
    EXPECT_EQ(get("/d/e", default_list), list);
}
TEST_F(Acl, LongListsAreHandedOnToo) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    std::vector<Entry> entries = {{owner, 7}};
    for (uint32_t id = 0; id < 800; ++id)
        entries.push_back({user, 4, id + 20000});
    entries.insert(entries.end(), {{group_owner, 5}, {mask, 7}, {others, 1}});
    ASSERT_EQ(set("/d", default_list, list_of(entries)), 0);
    ASSERT_EQ(t.mkdir("/d/e", 0777), 0);
    EXPECT_TRUE(get("/d/e", access_list) == list_of(entries));
    EXPECT_TRUE(get("/d/e", default_list) == list_of(entries));
}

} // namespace
} // namespace posix
