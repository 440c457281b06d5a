// A process that dies at a chosen store, and what those who live on do before anybody settles it.
#include "libpmemfile/file/block_map.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/record.h"
#include "libpmemfile/journal/settle.h"
#include "tests/engine_names/pool_fixture.h"

#include <cstring>
#include <fcntl.h>
#include <random>

namespace pmemfile {
namespace {

// Ends the process at the first store after the one to `target`.
class DieAfter final : public PersistObserver {
public:
    explicit DieAfter(PoolOffset target) : target_(target) {}
    void on_store(PoolOffset target, const void *, size_t, bool) override {
        if (seen_)
            _exit(7);
        seen_ = target == target_;
    }
    void on_flush(PoolOffset, size_t) override {}
    void on_fence() override {}

private:
    PoolOffset target_;
    bool seen_ = false;
};

class SettleTest : public PoolFixture {
protected:
    PoolOffset orphan_slot(uint32_t slot_plus_one) const {
        return pool_.superblock().orphan_table_block * block_size_bytes + (slot_plus_one - 1) * sizeof(OrphanSlot);
    }
    // An open file without a name.
    OpenFileId open_orphan(Thread &thread, const char *name, InodeNumber *inode) {
        auto id = fs_open(thread, at(name), O_CREAT | O_EXCL | O_RDWR, 0600);
        EXPECT_TRUE(id.ok() && fs_unlink(thread, at(name)).ok());
        *inode = (*open_file_get(thread, *id))->inode.load();
        return *id;
    }
};

TEST_F(SettleTest, a_slot_of_the_orphan_table_is_not_cleared_under_its_next_owner) {
    // Frees an orphan and dies when its slot is 0 and the rest of the record not yet home.
    const pid_t child = start_child([this](Thread &thread) -> int {
        InodeNumber inode = 0;
        const OpenFileId id = open_orphan(thread, "a", &inode);
        DieAfter observer(orphan_slot(thread.pool->inode(inode)->orphan_slot));
        thread.pool->persist.set_observer(&observer);
        fs_close(thread, id);
        _exit(2);
    });
    ASSERT_EQ(wait_for_child(child), 7);
    InodeNumber inode = 0;
    const OpenFileId id = open_orphan(thread(), "b", &inode);
    settle_dead_processes(thread(), orphan_collect);
    const uint32_t slot = pool_.inode(inode)->orphan_slot;
    ASSERT_NE(slot, 0u);
    EXPECT_EQ(pool_.at<OrphanSlot>(orphan_slot(slot))->inode, inode);
    fs_close(thread(), id);
}

// A record is half home, its thread dead: blocks that it frees are clear on the media already. Who
// settles it clears them again, so nobody may have them before.
TEST_F(SettleTest, blocks_of_a_half_applied_record_are_not_handed_out) {
    const auto a = fs_open(thread(), at("a"), O_CREAT | O_RDWR, 0600);
    const auto b = fs_open(thread(), at("b"), O_CREAT | O_RDWR, 0600);
    ASSERT_TRUE(a.ok() && b.ok());
    const InodeNumber number = (*open_file_get(thread(), *a))->inode.load();
    const InodeNumber other = (*open_file_get(thread(), *b))->inode.load();
    ASSERT_TRUE(data_allocate(thread(), number, 0, 0, 64 * block_size_bytes).ok());
    uint64_t end = 0; // all the rest goes to the other file
    for (uint64_t step : {64 * block_size_bytes, block_size_bytes})
        while (data_allocate(thread(), other, 0, end, step).ok())
            end += step;
    const BlockNumber block = map_lookup(pool_, *pool_.inode(number), 0, 1).block;
    const GroupDescriptor &group = group_descriptor(pool_, group_of_block(pool_, block));
    const PoolOffset bits = group.first_block * block_size_bytes + (block - group.first_block) / 64 * 8;
    const pid_t child = start_child([&](Thread &thread) -> int {
        DieAfter observer(bits);
        thread.pool->persist.set_observer(&observer);
        static_cast<void>(data_truncate(thread, number, 0));
        _exit(2);
    });
    ASSERT_EQ(wait_for_child(child), 7);
    ASSERT_EQ(pool_.at<uint64_t>(bits)[0] >> ((block - group.first_block) % 64) & 1, 0u);
    EXPECT_FALSE(data_allocate(thread(), other, 0, end, block_size_bytes).ok()); // rebuilds the copies
    settle_dead_processes(thread(), orphan_collect);
    // What the settled record has freed is there to be had.
    EXPECT_TRUE(data_allocate(thread(), number, 0, 0, 32 * block_size_bytes).ok());
    fs_close(thread(), *a);
    fs_close(thread(), *b);
} // the tear-down checks that no block of the other file is marked free

// One process carries a raise, another takes it over and dies in its first step, in which it has noted a higher
// watermark: the first one does not go on with that, for nobody has written back what it would make dead.
TEST_F(SettleTest, a_raise_that_was_taken_over_and_left_begins_anew) {
    class DieAtFlush final : public PersistObserver {
    public:
        void on_store(PoolOffset, const void *, size_t, bool) override {}
        void on_flush(PoolOffset, size_t) override {
            _exit(7);
        }
        void on_fence() override {}
    };
    ASSERT_TRUE(fs_mkdir(thread(), at("ours"), 0755).ok() && fs_mkdir(thread(), at("theirs"), 0755).ok());
    const auto change_mode = [this](Thread &thread, const char *name, unsigned mode) {
        const auto place = walk(thread, root_, name, 0);
        return place.ok() && fs_chmod(thread, place->handle(), 0700 + mode % 2).ok();
    };
    const Segment &segment = *pool_.segment;
    unsigned calls = 0;
    while (segment.raise_owner.load() != thread().slot + 1)
        ASSERT_TRUE(change_mode(thread(), "ours", ++calls));
    const Lsn carried = segment.last_lsn.load();
    const Lsn before = pool_.superblock().watermark;
    ASSERT_LT(before, carried);
    const pid_t child = start_child([&](Thread &thread) -> int {
        DieAtFlush observer;
        thread.pool->persist.set_observer(&observer);
        for (unsigned i = 0; change_mode(thread, "theirs", i);)
            ++i;
        _exit(2);
    });
    ASSERT_EQ(wait_for_child(child), 7);
    ASSERT_EQ(segment.raise_lock.word.load() != 0, true) << "it died elsewhere";
    settle_dead_processes(thread(), orphan_collect);
    ASSERT_TRUE(change_mode(thread(), "ours", ++calls));
    EXPECT_LE(pool_.superblock().watermark, carried);
}

// Whoever raises the watermark reads the records of all rings, and writes back the lines they name: whatever a damaged
// one says, it is no line outside of the pool. (It ended processes with SIGSEGV.)
TEST_F(SettleTest, a_damaged_record_leads_nowhere) {
    const Superblock &superblock = pool_.superblock();
    const uint64_t ring = superblock.ring_count - 1;
    std::byte *place = pool_.persist.base() + ring_offset(superblock, ring);
    const std::vector<std::byte> before(place, place + max_record_bytes);
    std::mt19937_64 random(1);
    class Watch final : public PersistObserver {
    public:
        explicit Watch(uint64_t size_bytes) : limit_bytes_(size_bytes) {}
        void on_store(PoolOffset, const void *, size_t, bool) override {
            ADD_FAILURE() << "a store";
        }
        void on_flush(PoolOffset target, size_t size_bytes) override {
            ASSERT_LE(size_bytes, limit_bytes_);
            ASSERT_LE(target, limit_bytes_ - size_bytes);
        }
        void on_fence() override {}

    private:
        uint64_t limit_bytes_;
    };
    Watch watch(pool_.persist.size_bytes());
    pool_.persist.set_observer(&watch);
    for (int round = 0; round < 2000; ++round) {
        for (size_t at = sizeof(RecordHeader); at + sizeof(Change) <= max_record_bytes; at += sizeof(Change)) {
            Change change = {};
            change.kind = static_cast<ChangeKind>(random() % 10);
            change.length = static_cast<uint32_t>(random() >> (32 + random() % 32));
            change.target = random() >> (random() % 64);
            std::memcpy(place + at, &change, sizeof(change));
        }
        RecordHeader header = {random(), 5, 0, static_cast<uint32_t>(random()), static_cast<uint32_t>(random())};
        if (round % 8 != 0) { // at least its header is as it should be
            header.length_bytes = static_cast<uint32_t>(random() % (max_record_bytes / cache_line_bytes) + 1) *
                                  static_cast<uint32_t>(cache_line_bytes);
            header.change_count = static_cast<uint32_t>(random() % 4);
        }
        std::memcpy(place, &header, sizeof(header));
        uint64_t recent[16] = {};
        record_flush_chain(pool_, ring, 0, max_record_bytes, 5, recent);
        record_flush_chain(pool_, ring, 0, max_record_bytes, 4, recent); // it is above the watermark
    }
    pool_.persist.set_observer(nullptr);
    std::memcpy(place, before.data(), before.size());
}

} // namespace
} // namespace pmemfile
