// A repair that is cut: at every fence (and between), with any part of what was stored since the last
// one on the media, the next repair ends what is to be done, and loses nothing that the whole one keeps; also where
// somebody uses the pool before it.
//
//   damaged image ─ repair, each store noted ─► cut ─► image ─► use ─► repair ─► check: clean, as many files
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "tests/hostile/atlas.h"
#include "tests/hostile/image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <sys/stat.h>

namespace hostile {

using namespace pmemfile;

namespace {

constexpr unsigned cuts_per_damage = 60;

struct Store {
    PoolOffset target = 0;
    std::vector<std::byte> bytes; // empty: a fence
};

// Notes stores in order. What is flushed or not does not matter here: between fences anything may be missing.
class StoreLog final : public PersistObserver {
public:
    void on_store(PoolOffset target, const void *bytes, size_t size_bytes, bool) override {
        const auto *first = static_cast<const std::byte *>(bytes);
        stores.push_back({target, {first, first + size_bytes}});
    }
    void on_flush(PoolOffset, size_t) override {}
    void on_fence() override {
        stores.push_back({});
    }
    std::vector<Store> stores;
};

bool all_repaired(const CheckReport &report) {
    for (const CheckProblem &problem : report.problems)
        if (!problem.repaired)
            return false;
    return true;
}

std::string text_of(const CheckReport &report) {
    std::string text;
    for (const CheckProblem &problem : report.problems)
        text += problem.structure + ": " + problem.text + "\n";
    return text;
}

using Damage = std::function<void(Image &, const Atlas &)>;

Inode &inode_of(Image &image, InodeNumber number) {
    return *reinterpret_cast<Inode *>(image.base() + number * inode_size_bytes);
}

// The blocks of a structure, in order.
std::vector<BlockNumber> blocks_of(Image &image, const Atlas &atlas, const std::string &structure) {
    std::vector<BlockNumber> blocks;
    for (BlockNumber block = 1; block < image.size_bytes() / block_size_bytes; ++block)
        if (atlas.structure_of(block) == structure)
            blocks.push_back(block);
    return blocks;
}

// Somebody uses the pool between two repairs, wherever it lets him: how many files he is told he has made.
size_t make_files(Image &image, const std::vector<InodeNumber> &directories) {
    Pool pool;
    EXPECT_TRUE(
        pool_attach_image(pool, image.base(), image.size_bytes(), image.superblock(), nullptr, Medium::volatile_memory)
            .ok());
    auto thread = std::make_unique<Thread>();
    const Credentials root;
    thread->credentials = &root;
    EXPECT_TRUE(thread_register(*thread, pool).ok());
    size_t made = 0;
    for (const InodeNumber at : directories) {
        // A directory takes a block for its first name.
        const Inode *inode = pool.inode(at);
        if (inode != nullptr && inode->link_count >= 2 && fs_mkdir(*thread, {at, "between", 0}, 0700).ok())
            made += fs_mknod(*thread, {at, "between/file", 0}, S_IFREG | 0600, 0).ok() ? 1 : 0;
    }
    thread_release(*thread);
    pool_detach(pool);
    return made;
}

const std::pair<const char *, Damage> damages[] = {
    {"every fourth leaf",
     [](Image &image, const Atlas &atlas) {
         const auto leaves = blocks_of(image, atlas, "leaf");
         for (size_t i = 0; i < leaves.size(); i += 4)
             reinterpret_cast<DirectoryLeaf *>(image.base() + leaves[i] * block_size_bytes)->prefix ^= 4;
     }},
    {"the root's leaf",
     [](Image &image, const Atlas &) {
         const auto &sb = *reinterpret_cast<const Superblock *>(image.base() + image.superblock());
         const BlockNumber leaf = inode_of(image, sb.root_inode).content.slots[0];
         reinterpret_cast<DirectoryLeaf *>(image.base() + leaf * block_size_bytes)->slot_count = 60000;
     }},
    {"link counts and bitmaps",
     [](Image &image, const Atlas &atlas) {
         for (BlockNumber block : blocks_of(image, atlas, "inodes"))
             for (uint64_t i = 0; i < inodes_per_block; ++i)
                 if (Inode &inode = inode_of(image, block * inodes_per_block + i); inode.magic == inode_magic)
                     inode.link_count += 3;
         for (BlockNumber block : blocks_of(image, atlas, "block bitmap"))
             std::memset(image.base() + block * block_size_bytes + 8, 0x5a, 200);
     }},
    {"pointers of maps",
     [](Image &image, const Atlas &atlas) {
         for (BlockNumber block : blocks_of(image, atlas, "nodes and symlinks"))
             *reinterpret_cast<uint64_t *>(image.base() + block * block_size_bytes) |= uint64_t{1} << 40;
     }},
};

void cut_repairs(const std::vector<std::byte> &bytes, PoolOffset superblock, const char *name, const Damage &damage) {
    Image image(bytes, superblock);
    const Atlas atlas(bytes.data(), superblock);
    damage(image, atlas);
    const std::vector<std::byte> damaged(image.base(), image.base() + image.size_bytes());

    StoreLog log;
    Persist persist(image.base(), image.size_bytes(), Medium::volatile_memory);
    persist.set_observer(&log);
    const CheckReport whole = fsck_pool(persist, superblock, true).check;
    persist.set_observer(nullptr);
    ASSERT_FALSE(whole.problems.empty()) << name;
    ASSERT_TRUE(all_repaired(whole)) << name << ":\n" << text_of(whole);
    const CheckReport after = fsck_pool(persist, superblock, false).check;
    ASSERT_EQ(text_of(after), "") << name;

    // The fence behind the mark that a repair has begun.
    const PoolOffset mark = superblock + offsetof(Superblock, state);
    const auto marked = std::find_if(log.stores.begin(), log.stores.end(),
                                     [&](const Store &store) { return store.target == mark && !store.bytes.empty(); });
    ASSERT_NE(marked, log.stores.end()) << name;
    const size_t begun = static_cast<size_t>(marked - log.stores.begin()) + 1;
    ASSERT_TRUE(log.stores.at(begun).bytes.empty()) << name;

    // The next one ends what is stored in place: what a damaged directory had is free, and still hangs on it.
    size_t in_place = begun + 1;
    while (!log.stores.at(in_place).bytes.empty())
        ++in_place;

    std::vector<InodeNumber> directories;
    for (BlockNumber block : blocks_of(image, atlas, "inodes"))
        for (uint64_t i = 0; i < inodes_per_block; ++i)
            if (S_ISDIR(inode_of(image, block * inodes_per_block + i).mode))
                directories.push_back(block * inodes_per_block + i);

    std::mt19937 random(17);
    for (unsigned cut = 0; cut < cuts_per_damage; ++cut) {
        const size_t end = cut == 0 ? in_place + 1 : random() % (log.stores.size() + 1);
        size_t last_fence = end;
        while (last_fence > 0 && !log.stores[last_fence - 1].bytes.empty())
            --last_fence;
        image.reset();
        std::memcpy(image.base(), damaged.data(), damaged.size());
        for (size_t i = 0; i < end; ++i)
            if (!log.stores[i].bytes.empty() && (i < last_fence || random() % 2 == 0)) // a fence has no bytes
                std::memcpy(image.base() + log.stores[i].target, log.stores[i].bytes.data(),
                            log.stores[i].bytes.size());
        const size_t made = end > begun ? make_files(image, directories) : 0;
        const CheckReport second = fsck_pool(persist, superblock, true).check;
        const CheckReport third = fsck_pool(persist, superblock, false).check;
        ASSERT_TRUE(all_repaired(second)) << name << ", cut at store " << end << ":\n" << text_of(second);
        ASSERT_EQ(text_of(third), "") << name << ", cut at store " << end << "; repaired:\n" << text_of(second);
        ASSERT_EQ(third.files, after.files + made) << name << ", cut at store " << end;
        ASSERT_EQ(third.symlinks, after.symlinks) << name << ", cut at store " << end;
        ASSERT_GE(third.directories, after.directories) << name << ", cut at store " << end;
    }
    std::printf("%s: %zu problems, %zu stores, %u cuts\n", name, whole.problems.size(), log.stores.size(),
                cuts_per_damage);
}

TEST(RepairCrash, IsRepairedByTheNextOne) {
    const Samples samples = make_samples();
    for (const auto &[name, damage] : damages) {
        cut_repairs(samples.clean, samples.superblock, name, damage);
        if (HasFatalFailure())
            return;
    }
}

} // namespace

} // namespace hostile
