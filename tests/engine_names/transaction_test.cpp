// Transactions beside what the C API cannot do: mappings, and many at a time.
#include "libpmemfile/fs/mapping_calls.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/transaction.h"
#include "tests/engine_names/pool_fixture.h"

#include <fcntl.h>
#include <memory>
#include <string>
#include <vector>

namespace pmemfile {
namespace {

class TransactionTest : public PoolFixture {
protected:
    OpenFileId make(const char *name) {
        auto id = fs_open(thread(), at(name), O_CREAT | O_RDWR, 0644);
        EXPECT_TRUE(id.ok());
        EXPECT_TRUE(write(thread(), *id, std::string(5000, 'o')).ok());
        return *id;
    }
    static base::Result<size_t> write(Thread &thread, OpenFileId id, std::string text) {
        struct iovec vector = {text.data(), text.size()};
        return fs_pwrite(thread, id, {&vector, 1}, 0, UINT64_MAX);
    }
    InodeNumber inode_of(OpenFileId id) {
        return (*open_file_get(thread(), id))->inode.load();
    }
};

// Stores through the mapping would be undone by the transaction's record, were that made after it.
TEST_F(TransactionTest, a_mapping_made_meanwhile_is_a_conflict) {
    const OpenFileId id = make("file");
    PoolThread other(pool_, nullptr);
    Transaction transaction;
    ASSERT_TRUE(transaction.begin(thread(), orphan_collect).ok());
    EXPECT_TRUE(write(thread(), id, "changed").ok());
    const auto pin = fs_map_begin(*other, inode_of(id), 0, 2, true, true);
    ASSERT_TRUE(pin.ok());
    EXPECT_EQ(transaction.commit(thread()).error().number(), EAGAIN);
    ASSERT_TRUE(transaction.begin(thread(), orphan_collect).ok());
    EXPECT_EQ(write(thread(), id, "changed").error().number(), EBUSY);
    transaction.abort(thread());
    fs_map_end(*other, *pin);
    ASSERT_TRUE(transaction.begin(thread(), orphan_collect).ok());
    EXPECT_TRUE(write(thread(), id, "changed").ok());
    EXPECT_TRUE(transaction.commit(thread()).ok());
    fs_close(thread(), id);
}

TEST_F(TransactionTest, a_limited_number_at_a_time) {
    struct One {
        explicit One(Pool &pool) : thread(pool, nullptr) {}
        PoolThread thread;
        Transaction transaction;
    };
    std::vector<std::unique_ptr<One>> all;
    for (unsigned i = 0; i < max_transactions; ++i) {
        all.push_back(std::make_unique<One>(pool_));
        ASSERT_TRUE(all.back()->transaction.begin(*all.back()->thread, orphan_collect).ok());
    }
    Transaction more;
    EXPECT_EQ(more.begin(thread(), orphan_collect).error().number(), EAGAIN);
    for (auto &one : all)
        one->transaction.abort(*one->thread);
    ASSERT_TRUE(more.begin(thread(), orphan_collect).ok());
    EXPECT_EQ(more.begin(thread(), orphan_collect).error().number(), EBUSY);
    EXPECT_TRUE(more.commit(thread()).ok());
}

// What the checker of the tear-down would find: space that an aborted or overtaken one had claimed.
TEST_F(TransactionTest, an_overtaken_one_gives_its_space_back) {
    make("file");
    const auto before = space_map_free_blocks(thread());
    PoolThread other(pool_, nullptr);
    Transaction transaction;
    ASSERT_TRUE(transaction.begin(thread(), orphan_collect).ok());
    auto id = fs_open(thread(), at("made"), O_CREAT | O_RDWR, 0644);
    ASSERT_TRUE(id.ok());
    EXPECT_TRUE(write(thread(), *id, std::string(100000, 'm')).ok());
    fs_close(thread(), *id);
    EXPECT_TRUE(fs_mkdir(*other, at("dir"), 0755).ok());
    EXPECT_EQ(transaction.commit(thread()).error().number(), EAGAIN);
    EXPECT_TRUE(fs_rmdir(*other, at("dir")).ok());
    EXPECT_EQ(space_map_free_blocks(thread()), before);
}

// In the transaction nobody could see that the file had lost its name: the tear-down's checker looks for orphans.
TEST_F(TransactionTest, a_last_use_that_ends_in_it_frees_the_file) {
    for (const bool commits : {false, true}) {
        fs_close(thread(), make("elsewhere"));
        const auto before = space_map_free_blocks(thread());
        const OpenFileId id = make("file");
        PoolThread other(pool_, nullptr);
        EXPECT_TRUE(write(thread(), id, std::string(100000, 'm')).ok());
        Transaction transaction;
        ASSERT_TRUE(transaction.begin(thread(), orphan_collect).ok());
        EXPECT_TRUE(fs_unlink(*other, at("file")).ok());
        fs_close(thread(), id);
        if (commits)
            EXPECT_TRUE(transaction.commit(thread()).ok());
        else
            transaction.abort(thread());
        EXPECT_EQ(space_map_free_blocks(thread()), before);
        EXPECT_TRUE(fs_unlink(thread(), at("elsewhere")).ok());
    }
}

} // namespace
} // namespace pmemfile
