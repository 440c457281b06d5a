// Random writes, truncates and reads of a file against a vector of bytes; after
// each step the space map's free blocks and the file's map must agree.
#include "libpmemfile/file/data.h"
#include "libpmemfile/file/inode_change.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/space/allocator.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

extern uint64_t fences_seen;

using namespace pmemfile;

namespace {

constexpr int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

class DataModel : public testing::Test {
protected:
    static constexpr uint64_t pool_blocks = 12 * 1024; // 48 MiB
    static constexpr uint64_t group_blocks = 4096;
    Pool pool;
    std::unique_ptr<Thread> thread = std::make_unique<Thread>();
    std::vector<uint8_t> model;
    InodeNumber file = 0;
    uint64_t free_at_start = 0;
    size_t segment_bytes = 16 << 20;

    void SetUp() override {
        auto *base = static_cast<std::byte *>(
            mmap(nullptr, pool_blocks * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        pool.persist = Persist(base, pool_blocks * 4096, Medium::volatile_memory);
        pool.superblock_offset = 4096;
        auto *sb = reinterpret_cast<Superblock *>(base + 4096);
        sb->group_count = 2;
        sb->group_table_block = 2;
        sb->orphan_table_block = 3;
        sb->orphan_slots = 512;
        auto *groups = reinterpret_cast<GroupDescriptor *>(base + 2 * 4096);
        for (uint64_t g = 0; g < 2; ++g) {
            groups[g].first_block = 512 + g * group_blocks;
            groups[g].block_count = group_blocks;
            groups[g].metadata_blocks = 2 + group_blocks * 2 / 4096;
            base[groups[g].first_block * 4096] = std::byte{0x0f};
        }
        auto *memory = mmap(nullptr, segment_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        auto *segment = static_cast<Segment *>(memory);
        uint64_t at = sizeof(Segment) + 4096;
        auto place = [&](uint64_t bytes) {
            uint64_t offset = (at + 4095) / 4096 * 4096;
            at = offset + bytes;
            return offset;
        };
        segment->threads_offset = place(sizeof(ThreadSlot) * 4);
        segment->stripes_offset = place(sizeof(Stripe) * stripe_count);
        segment->mapping_pins_offset = place(sizeof(MappingPin) * max_mapping_pins);
        segment->groups_offset = place(sizeof(GroupState) * 2);
        segment->bitmaps_stride = 2 * 4096 + 65536;
        segment->bitmaps_offset = place(2 * segment->bitmaps_stride);
        segment->orphan_claims_offset = place(4096);
        ASSERT_LE(at, segment_bytes);
        segment->thread_high_water = 2;
        segment->threads()[0].process_incarnation = 7;
        pool.segment = segment;
        thread->pool = &pool;
        thread->state = &segment->threads()[0];

        Call call(*thread);
        auto inode = allocate_inode(call);
        ASSERT_TRUE(inode.ok());
        file = *inode;
        Inode fresh{};
        fresh.magic = inode_magic;
        fresh.mode = S_IFREG | 0644;
        fresh.link_count = 1;
        call.store(file * inode_size_bytes, &fresh, sizeof(fresh));
        ASSERT_TRUE(call.commit().ok());
        free_at_start = space_map_free_blocks(*thread);
        ASSERT_GT(free_at_start, 4096u);
    }
    void TearDown() override {
        munmap(pool.segment, segment_bytes);
        munmap(pool.persist.base(), pool_blocks * 4096);
    }
    void write(uint64_t offset, size_t size, unsigned seed) {
        std::vector<uint8_t> bytes(size);
        for (size_t i = 0; i < size; ++i)
            bytes[i] = static_cast<uint8_t>(seed * 31 + i * 7 + (i >> 8) + 1);
        size_t cut = size / 3;
        iovec vectors[2] = {{bytes.data(), cut}, {bytes.data() + cut, size - cut}};
        auto done = data_write(*thread, file, &offset, {vectors, 2}, false);
        ASSERT_TRUE(done.ok()) << done.error().number();
        ASSERT_EQ(*done, size);
        if (size != 0 && model.size() < offset + size)
            model.resize(offset + size);
        std::copy(bytes.begin(), bytes.end(), model.begin() + static_cast<ptrdiff_t>(offset));
    }
    void truncate(uint64_t size) {
        auto done = data_truncate(*thread, file, size);
        ASSERT_TRUE(done.ok()) << done.error().number();
        model.resize(size);
    }
    void make_zeros(int mode, uint64_t offset, uint64_t size) {
        auto done = data_allocate(*thread, file, mode, offset, size);
        ASSERT_TRUE(done.ok()) << done.error().number();
        if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && model.size() < offset + size)
            model.resize(offset + size);
        if (offset < model.size())
            std::fill_n(model.begin() + static_cast<ptrdiff_t>(offset), std::min(size, model.size() - offset), 0);
    }
    // COLLAPSE_RANGE or INSERT_RANGE, in blocks.
    void shift(int mode, uint64_t first, uint64_t count) {
        const uint64_t fences = fences_seen;
        auto done = data_allocate(*thread, file, mode, first * 4096, count * 4096);
        ASSERT_TRUE(done.ok()) << done.error().number();
        EXPECT_GE(fences_seen - fences, 2u);
        const auto at = model.begin() + static_cast<ptrdiff_t>(first * 4096);
        if (mode == FALLOC_FL_COLLAPSE_RANGE)
            model.erase(at, at + static_cast<ptrdiff_t>(count * 4096));
        else
            model.insert(at, count * 4096, 0);
    }
    int shift_error(int mode, uint64_t offset, uint64_t size) {
        return data_allocate(*thread, file, mode, offset, size).error().number();
    }
    void copy(uint64_t from, uint64_t to, uint64_t size) {
        auto done = data_copy(*thread, file, from, file, to, size);
        ASSERT_TRUE(done.ok()) << done.error().number();
        const uint64_t expected = from < model.size() ? std::min(size, model.size() - from) : 0;
        ASSERT_EQ(*done, expected);
        if (expected != 0 && model.size() < to + expected)
            model.resize(to + expected);
        std::copy_n(model.begin() + static_cast<ptrdiff_t>(from), expected, model.begin() + static_cast<ptrdiff_t>(to));
    }
    void check() {
        std::vector<uint8_t> bytes(model.size() + 100, 0xee);
        iovec vector{bytes.data(), bytes.size()};
        auto done = data_read(*thread, file, 0, {&vector, 1});
        ASSERT_TRUE(done.ok()) << done.error().number();
        ASSERT_EQ(*done, model.size());
        bytes.resize(model.size());
        auto differs = std::mismatch(bytes.begin(), bytes.end(), model.begin());
        ASSERT_TRUE(differs.first == bytes.end()) << "at byte " << differs.first - bytes.begin();
        uint64_t hanging = 0;
        const Inode *inode = pool.inode(file);
        if (uint64_t tail = inode->size_bytes % 4096; tail != 0 && !(inode->flags & inode_inline)) {
            MappedRun run = map_lookup(pool, *inode, inode->size_bytes / 4096, 1);
            for (; run.block != 0 && tail < 4096; ++tail)
                ASSERT_EQ(pool.block(run.block)[tail], std::byte{0}) << "beyond the end";
        }
        map_visit(
            pool, *inode, [](void *c, BlockNumber, int64_t) { return ++*static_cast<uint64_t *>(c) != 0; }, &hanging);
        ASSERT_EQ(hanging, inode->block_count);
        ASSERT_EQ(space_map_free_blocks(*thread) + hanging, free_at_start);
    }
    void random_run(unsigned seed, unsigned steps, uint64_t reach) {
        std::mt19937 random(seed);
        for (unsigned step = 0; step < steps; ++step) {
            SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
            uint64_t limit = random() % 4 == 0 ? 300 : random() % 2 ? 20000 : reach;
            uint64_t at = random() % limit;
            if (random() % 5 == 0)
                truncate(random() % 3 == 0 ? at & ~uint64_t{4095} : at);
            else if (const uint64_t blocks = model.size() / 4096; blocks > 2 && random() % 6 == 0)
                shift(random() % 2 ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE, random() % (blocks - 1), 1);
            else if (blocks > 2 && random() % 6 == 0) {
                const uint64_t first = random() % (blocks - 1);
                const uint64_t count = 1 + random() % (blocks - first - 1);
                shift(count < 300 && random() % 2 ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE, first,
                      first + count == blocks ? count - 1 : count);
            } else if (random() % 6 == 0) {
                const uint64_t size = 1 + random() % (random() % 2 ? 3000 : limit);
                copy(at, random() % 2 ? at + size : at >= size ? at - size : at + size + 5000, size);
            } else if (random() % 5 == 0)
                make_zeros(random() % 2   ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                           : random() % 2 ? FALLOC_FL_ZERO_RANGE
                                          : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                           random() % 3 == 0 ? at & ~uint64_t{4095} : at, 1 + random() % (random() % 2 ? 5000 : limit));
            else
                write(random() % 3 == 0 ? model.size() % reach : at,
                      1 + random() % (random() % 3 == 0 ? 200'000
                                      : random() % 2    ? 6000
                                                        : 150),
                      random());
            ASSERT_FALSE(HasFatalFailure());
            check();
            ASSERT_FALSE(HasFatalFailure());
        }
    }
};

TEST_F(DataModel, RandomSmallFile) {
    for (unsigned seed = 1; seed <= 8; ++seed)
        random_run(seed, 150, 100'000);
}

TEST_F(DataModel, RandomTallFile) {
    for (unsigned seed = 20; seed <= 23; ++seed)
        random_run(seed, 80, 6'000'000);
}

TEST_F(DataModel, RandomUnderWritableMapping) {
    auto pin = mapping_pin_add(*thread, file, true);
    ASSERT_TRUE(pin.ok());
    uint64_t offset = 0;
    uint8_t bytes[512] = {};
    iovec vector{bytes, sizeof(bytes)};
    EXPECT_EQ(data_write(*thread, file, &offset, {&vector, 1}, false, UINT64_MAX, true).error().number(), EOPNOTSUPP)
        << "such a write can be torn";
    std::mt19937 random(5);
    for (int i = 0; i < 60 && !HasFatalFailure(); ++i) {
        // Freed blocks are held back while the pin lives: only writes, so that the counts agree.
        write(random() % 90'000, 1 + random() % 9000, random());
        check();
    }
    mapping_pin_remove(*thread, *pin);
    check();
}

TEST_F(DataModel, FreedUnderPinComesBackWithTheLastPin) {
    write(0, 50'000, 1);
    auto pin = mapping_pin_add(*thread, file + 1, false);
    ASSERT_TRUE(pin.ok());
    truncate(0);
    EXPECT_EQ(space_map_free_blocks(*thread), free_at_start - 13);
    mapping_pin_remove(*thread, *pin);
    check();
}

TEST_F(DataModel, FencesPerCall) {
    write(0, 8192, 1);
    auto fences = [&](auto work) {
        uint64_t before = fences_seen;
        work();
        return fences_seen - before;
    };
    EXPECT_EQ(fences([&] { write(100, 64, 2); }), 1u);
    EXPECT_EQ(fences([&] { write(8192, 64, 3); }), 1u);
    EXPECT_EQ(fences([&] { write(4096, 4096, 4); }), 2u);
    EXPECT_EQ(fences([&] { write(8256, 4096, 5); }), 2u);
    EXPECT_EQ(fences([&] { truncate(5000); }), 1u);
    EXPECT_EQ(fences([&] { check(); }), 0u);
}

TEST_F(DataModel, SparseFarWriteAndFree) {
    write(10, 100, 1);
    uint64_t far = uint64_t{1} << 40;
    uint8_t bytes[5000];
    memset(bytes, 9, sizeof(bytes));
    iovec vector{bytes, sizeof(bytes)};
    auto done = data_write(*thread, file, &far, {&vector, 1}, false);
    ASSERT_TRUE(done.ok() && *done == sizeof(bytes));
    auto data = data_seek(*thread, file, 8192, false);
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(*data, far);
    truncate(110);
    check();
    write(0, 3'000'000, 2);
    Call call(*thread);
    ASSERT_TRUE(data_free_inode(call, file).ok());
    EXPECT_EQ(space_map_free_blocks(*thread), free_at_start);
    EXPECT_EQ(pool.inode(file), nullptr);
}

TEST_F(DataModel, FullPoolWritesShortThenENOSPCAndFreesAll) {
    std::vector<uint8_t> bytes(4 << 20, 3);
    iovec vector{bytes.data(), bytes.size()};
    uint64_t at = 0;
    for (int i = 0; i < 20; ++i) {
        uint64_t offset = at;
        auto done = data_write(*thread, file, &offset, {&vector, 1}, false);
        if (!done.ok()) {
            EXPECT_EQ(done.error().number(), ENOSPC);
            break;
        }
        at += *done;
    }
    EXPECT_GT(at, (free_at_start - 100) * 4096);
    EXPECT_LE(space_map_free_blocks(*thread), 40u);
    truncate(0);
    check();
}

TEST_F(DataModel, AllocateFillsHoles) {
    ASSERT_TRUE(data_allocate(*thread, file, 0, 5000, 100'000).ok());
    model.resize(105'000);
    check();
    auto hole = data_seek(*thread, file, 4096, true);
    ASSERT_TRUE(hole.ok());
    EXPECT_EQ(*hole, 105'000u);
}

TEST_F(DataModel, PunchedBlocksAndNodesComeBack) {
    write(0, 9 << 20, 1); // nodes of 2 MiB below the slots
    const uint64_t blocks = pool.inode(file)->block_count;
    make_zeros(punch, 100, (8 << 20) - 200);
    check();
    EXPECT_LE(pool.inode(file)->block_count, blocks - 2046 - 2) << "the nodes in between, too";
    auto hole = data_seek(*thread, file, 0, true);
    ASSERT_TRUE(hole.ok());
    EXPECT_EQ(*hole, 4096u);
    make_zeros(punch, 0, 1 << 30);
    check();
    EXPECT_EQ(pool.inode(file)->size_bytes, 9u << 20);
    EXPECT_EQ(pool.inode(file)->block_count, 0u);
}

TEST_F(DataModel, ZeroedRangesAreAllocated) {
    make_zeros(FALLOC_FL_ZERO_RANGE, 5000, 20000);
    check();
    EXPECT_EQ(pool.inode(file)->block_count, 6u);
    make_zeros(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 20000, 40000);
    EXPECT_EQ(pool.inode(file)->size_bytes, 25000u);
    write(30000, 10, 1);
    check();
}

TEST_F(DataModel, HolesInScatteredFilesTakeSeveralRecords) {
    for (uint64_t i = 0; i < 3000; i += 2)
        write(i * 4096, 4096, static_cast<unsigned>(i));
    for (uint64_t i = 1; i < 3000; i += 2)
        write(i * 4096, 4096, static_cast<unsigned>(i));
    make_zeros(punch, 1000, 2500 * 4096);
    check();
}

TEST_F(DataModel, MappedFilesAreZeroedInPlace) {
    write(0, 50'000, 1);
    const uint64_t blocks = pool.inode(file)->block_count;
    auto pin = mapping_pin_add(*thread, file, false);
    ASSERT_TRUE(pin.ok());
    make_zeros(punch, 5000, 20000);
    check();
    EXPECT_EQ(pool.inode(file)->block_count, blocks) << "every mapping must see the zeros";
    mapping_pin_remove(*thread, *pin);
    make_zeros(punch, 5000, 20000);
    check();
    EXPECT_LT(pool.inode(file)->block_count, blocks);
}

TEST_F(DataModel, SmallHolesAreOneFence) {
    write(0, 50'000, 1);
    uint64_t before = fences_seen;
    make_zeros(punch, 4000, 20000);
    EXPECT_EQ(fences_seen - before, 1u);
    EXPECT_EQ(data_allocate(*thread, file, FALLOC_FL_PUNCH_HOLE, 0, 1).error().number(), EOPNOTSUPP);
}

TEST_F(DataModel, CollapseTakesBlocksOut) {
    write(0, 50'000, 1);
    shift(FALLOC_FL_COLLAPSE_RANGE, 3, 2);
    check();
    EXPECT_EQ(pool.inode(file)->block_count, 11u + 1u) << "and a node, for what hung behind the end";
    EXPECT_EQ(pool.inode(file)->orphan_slot, 0u);
    shift(FALLOC_FL_COLLAPSE_RANGE, 0, 1);
    check();
    // 9 << 20 bytes: nodes below the slots; what is taken out goes over several of them.
    write(0, 9 << 20, 2);
    shift(FALLOC_FL_COLLAPSE_RANGE, 100, 1500);
    check();
    truncate(0);
    check();
}

TEST_F(DataModel, InsertPutsAHoleIn) {
    write(0, 100, 1); // inline
    shift(FALLOC_FL_INSERT_RANGE, 0, 2);
    check();
    EXPECT_EQ(pool.inode(file)->block_count, 1u);
    write(0, 50'000, 1);
    shift(FALLOC_FL_INSERT_RANGE, 5, 2000);
    check();
    auto hole = data_seek(*thread, file, 0, true);
    ASSERT_TRUE(hole.ok());
    EXPECT_EQ(*hole, 5u * 4096);
    shift(FALLOC_FL_COLLAPSE_RANGE, 5, 2000);
    check();
    shift(FALLOC_FL_INSERT_RANGE, 12, 1); // before the last, partial block
    check();
}

TEST_F(DataModel, ShiftOfBlocksBehindTheEnd) {
    write(0, 20'000, 1);
    ASSERT_TRUE(data_allocate(*thread, file, FALLOC_FL_KEEP_SIZE, 0, 100'000).ok());
    EXPECT_EQ(pool.inode(file)->block_count, 25u + 1u);
    shift(FALLOC_FL_COLLAPSE_RANGE, 1, 1);
    check();
    EXPECT_EQ(pool.inode(file)->block_count, 4u + 1u) << "they go, as with truncate";
}

TEST_F(DataModel, ShiftErrors) {
    write(0, 50'000, 1);
    constexpr int collapse = FALLOC_FL_COLLAPSE_RANGE, insert = FALLOC_FL_INSERT_RANGE;
    EXPECT_EQ(shift_error(collapse, 100, 4096), EINVAL);
    EXPECT_EQ(shift_error(collapse, 4096, 100), EINVAL);
    EXPECT_EQ(shift_error(collapse, 0, 50'000 / 4096 * 4096 + 4096), EINVAL) << "to the end: a truncation";
    EXPECT_EQ(shift_error(collapse, 4096, 1 << 20), EINVAL);
    EXPECT_EQ(shift_error(collapse | FALLOC_FL_KEEP_SIZE, 0, 4096), EOPNOTSUPP); // EINVAL before Linux 6.12
    EXPECT_EQ(shift_error(collapse | insert, 0, 4096), EOPNOTSUPP);
    EXPECT_EQ(shift_error(insert, 53'248, 4096), EINVAL) << "behind the end";
    EXPECT_EQ(shift_error(insert, 1, 4096), EINVAL);
    EXPECT_EQ(shift_error(insert, 0, file_max_bytes), EFBIG);
    auto pin = mapping_pin_add(*thread, file, false);
    ASSERT_TRUE(pin.ok());
    EXPECT_EQ(shift_error(collapse, 0, 4096), EBUSY);
    mapping_pin_remove(*thread, *pin);
    check();
    truncate(0);
    EXPECT_EQ(shift_error(insert, 0, 4096), EINVAL);
}

TEST_F(DataModel, ShiftOfSparseTallFiles) {
    uint64_t far = uint64_t{1} << 40;
    write(0, 5000, 1);
    uint8_t bytes[5000];
    memset(bytes, 9, sizeof(bytes));
    iovec vector{bytes, sizeof(bytes)};
    ASSERT_TRUE(data_write(*thread, file, &far, {&vector, 1}, false).ok());
    ASSERT_TRUE(data_allocate(*thread, file, FALLOC_FL_INSERT_RANGE, 4096, far - 4096).ok());
    auto data = data_seek(*thread, file, 4096, false);
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(*data, far);
    ASSERT_TRUE(data_allocate(*thread, file, FALLOC_FL_COLLAPSE_RANGE, 4096, far - 4096).ok());
    ASSERT_TRUE(data_allocate(*thread, file, FALLOC_FL_COLLAPSE_RANGE, 8192, far - 8192).ok());
    model.resize(8192);
    model.insert(model.end(), std::begin(bytes), std::end(bytes));
    check();
}

TEST_F(DataModel, ShiftInAFullPoolChangesNothing) {
    write(0, 3 << 20, 1);
    EXPECT_EQ(shift_error(FALLOC_FL_KEEP_SIZE, 4 << 20, 100 << 20), ENOSPC);
    uint64_t offset = 4 << 20; // that leaves what a step of it needs
    while (data_allocate(*thread, file, FALLOC_FL_KEEP_SIZE, offset, 4096).ok())
        offset += 4096;
    EXPECT_EQ(shift_error(FALLOC_FL_COLLAPSE_RANGE, 4096, 4096), ENOSPC);
    check();
    truncate(3 << 20);
    shift(FALLOC_FL_COLLAPSE_RANGE, 1, 1);
    check();
}

TEST_F(DataModel, CopyIsOneStepUpToTheAtomicSize) {
    for (uint64_t i = 0; i < 64; i += 2)
        write(i * 4096, 4096, static_cast<unsigned>(i));
    for (uint64_t i = 1; i < 64; i += 2)
        write(i * 4096, 4096, static_cast<unsigned>(i));
    const uint64_t before = fences_seen;
    copy(100, 140'000, atomic_write_bytes);
    EXPECT_EQ(fences_seen - before, 2u);
    check();
}

TEST_F(DataModel, UncommittedClaimsAreUndone) {
    {
        Call call(*thread);
        ASSERT_TRUE(allocate_run(call, 700).ok());
        ASSERT_TRUE(allocate_inode(call).ok());
        ASSERT_TRUE(orphan_slot_take(call, file).ok());
        EXPECT_EQ(space_map_free_blocks(*thread), free_at_start - 700);
        space_map_reconcile(*thread, true); // live claims must survive a rebuild
        EXPECT_EQ(space_map_free_blocks(*thread), free_at_start - 700);
    }
    EXPECT_EQ(space_map_free_blocks(*thread), free_at_start);
    EXPECT_EQ(pool.segment->orphan_claims()[0].load(), 0u);
}

TEST_F(DataModel, DeadThreadsClaimIsUndoneUnderItsOwnLock) {
    // Killed after logging the claim, before its bits were set, holding the group's lock.
    ThreadSlot &dead = pool.segment->threads()[1];
    auto run = [&] {
        Call call(*thread);
        return *allocate_run(call, 5);
    }();
    dead.claims[0] = run.first << 16 | run.count;
    dead.claim_count = 1;
    RobustLock &lock = pool.segment->groups()[group_of_block(pool, run.first)].lock;
    lock.word = 2;
    space_map_undo_claims(*thread, 1);
    EXPECT_EQ(lock.word.load(), 2u);
    lock.word = 0;
    EXPECT_EQ(dead.claim_count.load(), 0u);
    EXPECT_EQ(space_map_free_blocks(*thread), free_at_start);
}

} // namespace
