// xattr_area_test: what the cases on all targets cannot see: blocks and their count, bounds of ours, damage and
// its repair, transactions, readers beside a writer.
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/fs/acl.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "libpmemfile/journal/transaction.h"
#include "tests/engine_names/pool_fixture.h"

#include <atomic>
#include <fcntl.h>
#include <sys/xattr.h>
#include <thread>

namespace pmemfile {
namespace {

class XattrAreaTest : public PoolFixture {
protected:
    InodeHandle make(const char *path) {
        return InodeHandle(*fs_mknod(thread(), at(path), S_IFREG | 0644, 0));
    }
    static int number(const base::Status &status) {
        return status.ok() ? 0 : status.error().number();
    }
    int set(InodeHandle handle, const std::string &name, const std::string &value, int flags = 0) {
        return number(fs_setxattr(thread(), handle, name, value.data(), value.size(), flags));
    }
    // The value, or "error N".
    static std::string get(Thread &looker, InodeHandle handle, const std::string &name) {
        std::string value(xattr_value_max_bytes, 0);
        auto length = fs_getxattr(looker, handle, name, value.data(), value.size());
        if (!length.ok())
            return "error " + std::to_string(length.error().number());
        value.resize(*length);
        return value;
    }
    std::string get(InodeHandle handle, const std::string &name) {
        return get(thread(), handle, name);
    }
    uint64_t blocks(InodeHandle handle) {
        return fs_attributes(thread(), handle)->block_count;
    }
    CheckReport check(bool repair) {
        detach();
        Pool looked;
        AttachOptions options;
        options.container_describe = container_describe;
        ContainerMessage message;
        EXPECT_TRUE(pool_attach(looked, path_.c_str(), options, &message).ok()) << message.text;
        CheckReport report = fsck_pool(looked.persist, looked.superblock_offset, repair).check;
        pool_detach(looked);
        attach();
        return report;
    }
    Inode &home(InodeHandle handle) {
        return const_cast<Inode &>(*pool_.inode(handle.number));
    }
    std::byte *area_of(InodeHandle handle) {
        return const_cast<std::byte *>(pool_.block(home(handle).xattr_block));
    }
};

TEST_F(XattrAreaTest, blocks_are_counted_and_come_back) {
    make("first"); // the directory's leaf and the inode block stay
    const uint64_t free_before = space_map_free_blocks(thread());
    const InodeHandle file = make("a");
    EXPECT_EQ(blocks(file), 0u);
    ASSERT_EQ(set(file, "user.small", "1"), 0);
    EXPECT_EQ(blocks(file), 1u);
    ASSERT_EQ(set(file, "user.large", std::string(10000, 'l')), 0);
    EXPECT_EQ(blocks(file), 4u); // a header and three of entries
    EXPECT_EQ(space_map_free_blocks(thread()), free_before - 4);
    ASSERT_EQ(number(fs_removexattr(thread(), file, "user.large")), 0);
    EXPECT_EQ(blocks(file), 1u);
    ASSERT_EQ(number(fs_removexattr(thread(), file, "user.small")), 0);
    EXPECT_EQ(space_map_free_blocks(thread()), free_before);
    ASSERT_EQ(set(file, "user.large", std::string(65536, 'l')), 0);
    ASSERT_EQ(number(fs_unlink(thread(), at("a"))), 0);
    EXPECT_EQ(space_map_free_blocks(thread()), free_before);
}

TEST_F(XattrAreaTest, one_inode_may_have_160_kib) {
    const InodeHandle file = make("a");
    EXPECT_EQ(set(file, "user.one", std::string(65536, '1')), 0);
    EXPECT_EQ(set(file, "user.two", std::string(65536, '2')), 0);
    EXPECT_EQ(set(file, "user.three", std::string(32000, '3')), 0);
    EXPECT_EQ(set(file, "user.four", std::string(4000, '4')), ENOSPC);
    EXPECT_EQ(set(file, "user.three", std::string(40000, '4')), ENOSPC);
    EXPECT_EQ(blocks(file), 41u);
    EXPECT_EQ(get(file, "user.three"), std::string(32000, '3'));
    EXPECT_EQ(number(fs_unlink(thread(), at("a"))), 0);
}

TEST_F(XattrAreaTest, names_fit_in_a_list) {
    const InodeHandle file = make("a");
    unsigned count = 0;
    int error = 0;
    while ((error = set(file, "user." + std::to_string(count) + std::string(240, 'n'), "")) == 0)
        ++count;
    EXPECT_EQ(error, ENOSPC);
    EXPECT_GT(count, 250u);
    std::vector<char> list(xattr_list_max_bytes);
    EXPECT_TRUE(fs_listxattr(thread(), file, list.data(), list.size()).ok());
}

TEST_F(XattrAreaTest, a_damaged_area_is_refused_and_dropped) {
    for (const size_t size : {100u, 9000u}) {
        const std::string name = "a" + std::to_string(size);
        const InodeHandle file = make(name.c_str());
        ASSERT_EQ(set(file, "user.x", std::string(size, 'x')), 0);
        area_of(file)[sizeof(XattrHeader) + 1] ^= std::byte{4}; // of an entry, or of a block's number
        EXPECT_EQ(get(file, "user.x"), "error " + std::to_string(EUCLEAN));
        EXPECT_EQ(set(file, "user.y", "1"), EUCLEAN);
        EXPECT_EQ(number(fs_unlink(thread(), at(name))), EUCLEAN) << "its blocks cannot be told";
        CheckReport report = check(true);
        EXPECT_FALSE(report.problems.empty());
        for (const CheckProblem &problem : report.problems)
            EXPECT_TRUE(problem.repaired) << problem.structure << ": " << problem.text;
        EXPECT_TRUE(check(false).problems.empty());
        EXPECT_EQ(get(file, "user.x"), "error " + std::to_string(ENODATA));
        EXPECT_EQ(blocks(file), 0u);
        EXPECT_EQ(set(file, "user.y", "1"), 0);
    }
}

TEST_F(XattrAreaTest, wrong_pointers_counts_and_flags_are_repaired) {
    const InodeHandle one = make("one"), other = make("other");
    ASSERT_EQ(set(one, "user.x", "of one"), 0);
    ASSERT_EQ(set(other, "user.x", "of the other"), 0);
    const auto mended = [&](const char *what) {
        EXPECT_FALSE(check(true).problems.empty()) << what;
        const CheckReport second = check(false);
        EXPECT_TRUE(second.problems.empty()) << what << ": " << second.problems[0].text;
    };
    home(one).xattr_block_count = 7;
    mended("count");
    home(one).flags |= inode_has_acl;
    mended("flag");
    EXPECT_EQ(get(one, "user.x"), "of one");
    home(one).xattr_block = home(other).xattr_block; // another inode's
    mended("pointer");
    EXPECT_EQ(get(one, "user.x"), "error " + std::to_string(ENODATA));
    EXPECT_EQ(get(other, "user.x"), "of the other");
    home(other).xattr_block = 1;
    mended("pointer out of range");
}

TEST_F(XattrAreaTest, a_lost_access_list_does_not_open_the_file) {
    const InodeHandle file = make("a");
    const struct {
        uint32_t version = acl_version;
        AclEntry entries[5] = {
            {acl_owner, 7, 0}, {acl_user, 7, 1000}, {acl_group_owner, 0, 0}, {acl_mask, 7, 0}, {acl_others, 0, 0}};
    } list;
    ASSERT_EQ(number(fs_setxattr(thread(), file, acl_access_name, &list, sizeof(list), 0)), 0);
    EXPECT_EQ(fs_attributes(thread(), file)->mode & 0777u, 0770u);
    Credentials nobody; // of the file's group
    nobody.uid = nobody.euid = nobody.fsuid = 4711;
    const auto try_to_read = [&] {
        PoolThread other(pool_, &nobody);
        return number(fs_access(*other, file, R_OK, false));
    };
    EXPECT_EQ(try_to_read(), EACCES);
    area_of(file)[sizeof(XattrHeader) + 1] ^= std::byte{4};
    EXPECT_EQ(try_to_read(), EACCES);
    EXPECT_FALSE(check(true).problems.empty());
    EXPECT_EQ(try_to_read(), EACCES);
    EXPECT_EQ(fs_attributes(thread(), file)->mode & 0777u, 0700u);
}

TEST_F(XattrAreaTest, in_a_transaction) {
    const InodeHandle file = make("a");
    for (const bool is_committed : {false, true}) {
        Transaction transaction;
        ASSERT_EQ(number(transaction.begin(thread(), orphan_collect)), 0);
        ASSERT_EQ(set(file, "user.small", "1"), 0);
        ASSERT_EQ(set(file, "user.large", std::string(9000, 'l')), 0);
        ASSERT_EQ(set(file, "user.small", "2"), 0);
        EXPECT_EQ(get(file, "user.small"), "2");
        if (is_committed)
            ASSERT_EQ(number(transaction.commit(thread())), 0);
        else
            transaction.abort(thread());
        EXPECT_EQ(get(file, "user.small"), is_committed ? "2" : "error " + std::to_string(ENODATA));
        EXPECT_EQ(blocks(file), is_committed ? 4u : 0u);
    }
    EXPECT_EQ(get(file, "user.large"), std::string(9000, 'l'));
}

// One thread changes two attributes at a time by turns of size; each reading is of one state.
TEST_F(XattrAreaTest, readers_see_whole_values) {
    const InodeHandle file = make("a");
    ASSERT_EQ(set(file, "user.x", "a"), 0);
    std::atomic<bool> is_over = false;
    std::atomic<unsigned> torn = 0, readings = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i)
        readers.emplace_back([&] {
            PoolThread own(pool_, nullptr);
            while (!is_over) {
                const std::string value = get(*own, file, "user.x");
                if (value.empty() || value.find_first_not_of(value[0]) != value.npos)
                    ++torn;
                ++readings;
            }
        });
    for (unsigned round = 0; round < 3000 || readings < 1000; ++round)
        ASSERT_EQ(set(file, "user.x", std::string(1 + round * 977 % 20000, static_cast<char>('a' + round % 26))), 0);
    is_over = true;
    for (std::thread &reader : readers)
        reader.join();
    EXPECT_EQ(torn, 0u) << "of " << readings;
}

} // namespace
} // namespace pmemfile
