// Every call of the vocabulary while something runs short that calls take: blocks and inodes, open file descriptions,
// slots of the orphan table, mapping pins. Each is made with 0, 1, 2, … of it left, until it succeeds: its n-th need
// fails for each n. What fails has the errno of that need, changes nothing that can be seen, and keeps nothing: made
// twice it leaves as much. The checker finds nothing, and the same call succeeds at last.
#include "tests/crash/budget.h"
#include "tests/crash/vocabulary.h"
#include "tests/engine_names/block_hog.h"

#include "libpmemfile/check/checker.h"
#include "libpmemfile/journal/call.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/space/allocator.h"

#include <gtest/gtest.h>

#include <cstring>

namespace crash {
namespace {

using namespace pmemfile;

// Takes what is there of one thing, but for some.
class Hog {
public:
    explicit Hog(Pool &pool) : pool_(pool) {}
    virtual ~Hog() = default;
    Hog(const Hog &) = delete;
    Hog &operator=(const Hog &) = delete;
    virtual void leave(Thread &looker, uint64_t count) = 0;
    virtual void release() = 0;
    virtual uint64_t left(Thread &looker) = 0;
    virtual int error_number() const = 0;

protected:
    Pool &pool_;
};

class RoomHog final : public Hog {
public:
    explicit RoomHog(Pool &pool) : Hog(pool), hog_(pool) {}
    void leave(Thread &looker, uint64_t count) override {
        hog_.leave_blocks(looker, count);
        hog_.take_inodes();
    }
    void release() override {
        hog_.release();
    }
    uint64_t left(Thread &looker) override {
        return space_map_free_blocks(looker);
    }
    int error_number() const override {
        return ENOSPC;
    }

private:
    BlockHog hog_;
};

// New descriptions are looked for from the hint on: what is before it is as good as taken.
class DescriptionHog final : public Hog {
public:
    using Hog::Hog;
    void leave(Thread &, uint64_t count) override {
        pool_.segment->open_file_hint.store(static_cast<uint32_t>(max_open_files - count));
    }
    void release() override {
        pool_.segment->open_file_hint.store(0);
    }
    uint64_t left(Thread &) override {
        uint64_t count = 0;
        for (uint32_t index = 0; index < max_open_files; ++index)
            count += pool_.segment->open_files()[index].nonce.load() == 0 ? 1 : 0;
        return count;
    }
    int error_number() const override {
        return ENFILE;
    }
};

class OrphanHog final : public Hog {
public:
    using Hog::Hog;
    void leave(Thread &, uint64_t count) override {
        release();
        for (uint64_t index = count; index < pool_.superblock().orphan_slots; ++index)
            if (claim(index) == 0) {
                claim(index) = taken;
                mine_.push_back(index);
            }
    }
    void release() override {
        for (const uint64_t index : mine_)
            claim(index) = 0;
        mine_.clear();
    }
    uint64_t left(Thread &) override {
        uint64_t count = 0;
        for (uint64_t index = 0; index < pool_.superblock().orphan_slots; ++index)
            count += claim(index) == 0 ? 1 : 0;
        return count;
    }
    int error_number() const override {
        return ENOSPC;
    }

private:
    static constexpr uint32_t taken = max_threads; // the last slot's, which nobody has here
    std::atomic<uint32_t> &claim(uint64_t index) {
        return pool_.segment->orphan_claims()[index];
    }
    std::vector<uint64_t> mine_;
};

class PinHog final : public Hog {
public:
    PinHog(Pool &pool, Thread &thread, InodeNumber inode) : Hog(pool), thread_(thread), inode_(inode) {}
    ~PinHog() override {
        release();
    }
    void leave(Thread &, uint64_t count) override {
        for (;;) {
            auto pin = mapping_pin_add(thread_, inode_, false);
            if (!pin.ok())
                break;
            pins_.push_back(*pin);
        }
        for (; count != 0; --count) {
            mapping_pin_remove(thread_, pins_.back());
            pins_.pop_back();
        }
    }
    void release() override {
        for (const uint32_t pin : pins_)
            mapping_pin_remove(thread_, pin);
        pins_.clear();
    }
    uint64_t left(Thread &) override {
        return max_mapping_pins - pins_.size();
    }
    int error_number() const override {
        return ENOMEM;
    }

private:
    Thread &thread_;
    InodeNumber inode_;
    std::vector<uint32_t> pins_;
};

// With how little it fails, and what it is for.
struct Totals {
    unsigned calls = 0, failures = 0;
};

class Shortage : public testing::Test {
protected:
    Shortage() : explorer_(effort(), 1) {
        for (const Operation &operation : initial_tree())
            explorer_.prepare(operation.work);
        explorer_.mark();
    }
    Thread &thread() {
        return explorer_.thread();
    }
    Pool &pool() {
        return *thread().pool;
    }
    void expect_sound(const std::string &where) {
        const CheckReport report = check_pool(pool().persist, explorer_.superblock(), false);
        for (const CheckProblem &problem : report.problems)
            ADD_FAILURE() << where << ": " << problem.structure << ": " << problem.text;
        EXPECT_EQ(report.blocks_leaked, 0u) << where;
        EXPECT_EQ(report.orphans, 0u) << where;
    }
    // The tree on which the call succeeds when there is enough; false when there is none.
    bool set_up(const Operation &operation) {
        for (unsigned more = 0; more < 2; ++more) {
            rewind(more != 0);
            if (operation.work(thread()).ok()) {
                rewind(more != 0);
                return true;
            }
        }
        return false;
    }
    template <typename MakeHog> void run(const Operation &operation, MakeHog make_hog, Totals &totals) {
        if (operation.is_several)
            return; // each stands in the vocabulary itself
        if (!set_up(operation)) {
            ADD_FAILURE() << operation.name << " never succeeds";
            return;
        }
        const auto hog = make_hog();
        ++totals.calls;
        const Tree before = read_tree(thread());
        for (unsigned left = 0; left < 300; ++left) {
            const std::string where = operation.name + " with " + std::to_string(left) + " left";
            hog->leave(thread(), left);
            uint64_t left_after[2];
            for (uint64_t &after : left_after) {
                const base::Status done = operation.work(thread());
                after = hog->left(thread());
                if (done.ok()) {
                    hog->release();
                    // What the first try has made and kept may be just what was missing.
                    if (&after == &left_after[1] && !operation.in_steps)
                        ADD_FAILURE() << where << ": failed, and then succeeded";
                    return expect_sound(where);
                }
                ++totals.failures;
                EXPECT_EQ(done.error().number(), hog->error_number()) << where;
            }
            hog->release(); // looking takes some as well
            const Tree tree = read_tree(thread());
            if (!is_same_but_space(tree, before) && !(operation.in_steps && is_between(tree, before, before)))
                ADD_FAILURE() << where << ": failed, but has changed something:\n" << difference(tree, before);
            EXPECT_EQ(left_after[0], left_after[1]) << where << ": keeps something each time";
            expect_sound(where);
            if (HasFailure())
                return;
        }
        ADD_FAILURE() << operation.name << " never succeeds, whatever is left";
    }
    void print(const char *what, const Totals &totals) {
        std::printf("%s: %u calls failed %u times\n", what, totals.calls, totals.failures);
    }

    Explorer explorer_;

private:
    // With `more`, names that some of the calls need.
    void rewind(bool more) {
        explorer_.rewind();
        if (more)
            for (const Operation &operation : {create("A/new"), make_directory("A/directory"),
                                               make_symlink("far", "A/long"), make_directory("B/gone")})
                explorer_.prepare(operation.work);
    }
};

TEST_F(Shortage, OfBlocks) {
    Totals totals;
    for (const Operation &operation : sequence_vocabulary()) {
        run(
            operation, [&] { return std::make_unique<RoomHog>(pool()); }, totals);
        if (HasFailure())
            return;
    }
    print("blocks", totals);
    EXPECT_GT(totals.failures, 200u);
}

TEST_F(Shortage, OfOpenFileDescriptions) {
    Totals totals;
    for (const Operation &operation : sequence_vocabulary())
        run(
            operation, [&] { return std::make_unique<DescriptionHog>(pool()); }, totals);
    print("descriptions", totals);
    EXPECT_GT(totals.failures, 80u);
}

TEST_F(Shortage, OfOrphanSlots) {
    Totals totals;
    std::vector<Operation> operations = sequence_vocabulary();
    operations.push_back(while_open("A/inline", {rename_name("B/large", "A/inline")}));
    for (const Operation &operation : operations)
        run(
            operation, [&] { return std::make_unique<OrphanHog>(pool()); }, totals);
    print("orphan slots", totals);
    EXPECT_GT(totals.failures, 10u);
}

TEST_F(Shortage, OfMappingPins) {
    Totals totals;
    for (const Operation &operation : {write_at("A/small", 100, 5000, 'm'), unlink_name("A/small")})
        run(
            while_mapped("A/small", operation),
            [&] {
                auto file = walk(thread(), explorer_.root(), "B/full/inside", 0);
                return std::make_unique<PinHog>(pool(), thread(), file->inode);
            },
            totals);
    print("mapping pins", totals);
    EXPECT_GE(totals.failures, 4u);
}

} // namespace
} // namespace crash
