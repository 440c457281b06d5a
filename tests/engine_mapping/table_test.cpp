// The table of mappings against a model with one word for each page; the engine's pins are counted.
#include "libpmemfile/fs/mapping_calls.h"
#include "libpmemfile/mapping/mapping_table.h"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <sys/mman.h>
#include <utility>

namespace {
std::set<uint32_t> live_pins, pins_of_child;
bool pins_are_full = false;
pmemfile::Thread *the_thread = nullptr;
uint32_t next_pin = 100;
} // namespace

namespace pmemfile {
base::Result<uint32_t> fs_map_begin(Thread &, InodeNumber, uint64_t, uint64_t, bool, bool, uint32_t) {
    live_pins.insert(next_pin);
    return next_pin++;
}
void fs_map_end(Thread &, uint32_t pin) {
    EXPECT_EQ(live_pins.erase(pin), 1u) << "a pin that nobody holds is ended";
}
base::Result<uint32_t> mapping_pin_copy(Thread &, uint32_t pin, uint32_t process_slot, uint64_t incarnation) {
    EXPECT_TRUE(live_pins.contains(pin));
    EXPECT_EQ(process_slot, 5u);
    EXPECT_EQ(incarnation, 6u);
    if (pins_are_full)
        return base::error(ENOMEM);
    pins_of_child.insert(next_pin);
    return next_pin++;
}
} // namespace pmemfile

namespace pmemfile {

namespace {

struct Page {
    InodeNumber inode;
    uint64_t block;
    int protection;
    bool operator==(const Page &) const = default;
};

class MappingTable : public testing::Test {
protected:
    MappingTable() : thread_(std::make_unique<Thread>()) {
        the_thread = thread_.get();
    }
    void TearDown() override {
        {
            MappingLock lock;
            ASSERT_TRUE(mapping_table_reserve(lock, 2));
            mapping_remove(lock, 0, UINT64_MAX & ~(page_bytes - 1));
            EXPECT_EQ(mapping_count(lock), 0u);
        }
        mapping_release_ended(caller_);
        EXPECT_TRUE(live_pins.empty());
        EXPECT_FALSE(mapping_may_overlap(0, UINT64_MAX));
    }
    // As serve_mmap does.
    void map(uint64_t page, uint64_t count, InodeNumber inode, uint64_t block, int protection) {
        base::Result<uint32_t> pin = fs_map_begin(*thread_, inode, 0, 0, true, true);
        bool spare = false;
        {
            MappingLock lock;
            base::Result<uint32_t> held = pinned_file_hold(lock, 0, inode, *pin, true, &spare);
            ASSERT_TRUE(held.ok());
            ASSERT_TRUE(mapping_table_reserve(lock, 3));
            mapping_remove(lock, page * page_bytes, (page + count) * page_bytes);
            Mapping entry;
            entry.address = page * page_bytes;
            entry.length_bytes = count * page_bytes;
            entry.first_block = block;
            entry.pin = *held;
            entry.protection = protection;
            mapping_insert(lock, entry);
            pinned_file_drop(lock, *held);
        }
        if (spare)
            fs_map_end(*thread_, *pin);
        mapping_release_ended(caller_);
    }
    void unmap(uint64_t page, uint64_t count) {
        {
            MappingLock lock;
            ASSERT_TRUE(mapping_table_reserve(lock, 2));
            mapping_remove(lock, page * page_bytes, (page + count) * page_bytes);
        }
        mapping_release_ended(caller_);
    }
    void protect(uint64_t page, uint64_t count, int protection) {
        MappingLock lock;
        ASSERT_TRUE(mapping_table_reserve(lock, 2));
        mapping_change(lock, page * page_bytes, (page + count) * page_bytes,
                       [&](Mapping &entry) { entry.protection = protection; });
    }
    std::map<uint64_t, Page> pages() {
        std::map<uint64_t, Page> seen;
        MappingLock lock;
        uint64_t before = 0;
        for (Mapping *entry = mapping_find(lock, 0); entry != nullptr; entry = mapping_next(lock, entry)) {
            EXPECT_GE(entry->address, before) << "entries overlap or are not sorted";
            EXPECT_NE(entry->length_bytes, 0u);
            before = entry->end();
            for (uint64_t at = entry->address; at < entry->end(); at += page_bytes)
                seen[at / page_bytes] = {pinned_file(lock, entry->pin).inode, entry->block_at(at), entry->protection};
        }
        return seen;
    }
    size_t count() {
        MappingLock lock;
        return mapping_count(lock);
    }

    MappingCaller caller_ = {nullptr, [](void *, uint64_t) -> base::Result<Thread *> { return the_thread; }};
    PoolPlace child_places_[1] = {};
    std::unique_ptr<Thread> thread_;
};

TEST_F(MappingTable, HoleInTheMiddleSplitsAndKeepsThePin) {
    map(10, 10, 7, 0, 1);
    unmap(13, 2);
    EXPECT_EQ(count(), 2u);
    EXPECT_EQ(pages().at(15), (Page{7, 5, 1}));
    EXPECT_EQ(live_pins.size(), 1u);
    unmap(10, 3);
    EXPECT_EQ(live_pins.size(), 1u);
    unmap(15, 5);
    EXPECT_TRUE(live_pins.empty());
}

TEST_F(MappingTable, ProtectionSplitsAndJoinsAgain) {
    map(10, 10, 7, 0, 1);
    protect(12, 3, 3);
    EXPECT_EQ(count(), 3u);
    protect(12, 3, 1);
    EXPECT_EQ(count(), 1u);
    map(20, 4, 7, 10, 1); // continues it
    EXPECT_EQ(count(), 1u);
    map(24, 4, 7, 99, 1); // does not
    EXPECT_EQ(count(), 2u);
}

TEST_F(MappingTable, BoundsFollowTheEntries) {
    map(10, 2, 7, 0, 1);
    map(100, 2, 8, 0, 1);
    EXPECT_TRUE(mapping_may_overlap(50 * page_bytes, 1));
    EXPECT_FALSE(mapping_may_overlap(102 * page_bytes, 1));
    EXPECT_FALSE(mapping_may_overlap(0, 10 * page_bytes));
    EXPECT_TRUE(mapping_may_overlap(0, 10 * page_bytes + 1));
    unmap(100, 2);
    EXPECT_FALSE(mapping_may_overlap(50 * page_bytes, 1));
    EXPECT_TRUE(mapping_may_overlap(11 * page_bytes, 0)) << "a length of 0 asks for one byte";
}

TEST_F(MappingTable, ForkPinsAnewAndLeavesOutWhatTheChildDoesNotGet) {
    map(10, 4, 7, 0, 1);
    map(20, 4, 8, 0, 1);
    {
        MappingLock lock;
        ASSERT_TRUE(mapping_table_reserve(lock, 2));
        mapping_change(lock, 20 * page_bytes, 24 * page_bytes, [](Mapping &entry) { entry.not_in_child = true; });
    }
    child_places_[0].process_slot = 5;
    child_places_[0].incarnation = 6;
    for (bool full : {false, true}) {
        pins_are_full = full;
        pins_of_child.clear();
        mapping_table_before_fork(caller_, child_places_);
        EXPECT_EQ(pins_of_child.size(), full ? 0u : live_pins.size()) << "held before the child exists";
        std::set<uint32_t> of_parent = std::exchange(live_pins, pins_of_child); // we are the child
        mapping_table_after_fork(caller_);
        EXPECT_EQ(pages().size(), 4u);
        ASSERT_EQ(live_pins.size(), 1u);
        EXPECT_FALSE(of_parent.contains(*live_pins.begin()));
    }
    pins_are_full = false;
}

TEST_F(MappingTable, ParentKeepsItsPinsOverAFork) {
    map(10, 4, 7, 0, 1);
    child_places_[0].process_slot = 5;
    child_places_[0].incarnation = 6;
    std::set<uint32_t> before = live_pins;
    mapping_table_before_fork(caller_, child_places_);
    mapping_table_fork_done();
    EXPECT_EQ(live_pins, before);
    unmap(10, 4);
    EXPECT_TRUE(live_pins.empty());
}

TEST_F(MappingTable, RandomCallsAgainstAModel) {
    std::mt19937 random(42);
    std::map<uint64_t, Page> model;
    for (int step = 0; step < 20000; step++) {
        uint64_t page = 1 + random() % 200;
        uint64_t length = 1 + random() % (step % 7 == 0 ? 100 : 12);
        switch (random() % 3) {
        case 0: {
            InodeNumber inode = 1 + random() % 4;
            uint64_t block = page + random() % 2; // often continues a neighbour
            int protection = 1 + static_cast<int>(random() % 2);
            map(page, length, inode, block, protection);
            for (uint64_t i = 0; i < length; i++)
                model[page + i] = {inode, block + i, protection};
            break;
        }
        case 1:
            unmap(page, length);
            model.erase(model.lower_bound(page), model.lower_bound(page + length));
            break;
        default:
            protect(page, length, 5);
            for (auto at = model.lower_bound(page); at != model.end() && at->first < page + length; ++at)
                at->second.protection = 5;
        }
        ASSERT_EQ(pages(), model) << "step " << step;
        std::set<InodeNumber> inodes;
        for (const auto &[number, value] : model)
            inodes.insert(value.inode);
        ASSERT_EQ(live_pins.size(), inodes.size()) << "one pin for each file, step " << step;
    }
    size_t least = 0; // neighbours that continue each other are one entry
    const Page *before = nullptr;
    uint64_t before_number = 0;
    for (const auto &[number, value] : model) {
        if (before == nullptr || before_number + 1 != number || before->inode != value.inode ||
            before->block + 1 != value.block || before->protection != value.protection)
            least++;
        before = &value;
        before_number = number;
    }
    EXPECT_EQ(count(), least);
}

} // namespace
} // namespace pmemfile
