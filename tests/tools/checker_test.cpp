// The checker on an image made by hand: clean when clean, and each kind of
// damage is seen, named, and (where it can be) repaired so that a second check
// is clean. Then bytes are flipped at random: nothing may crash or hang.
#include "libpmemfile/check/fsck.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/walk.h"
#include "tests/tools/pool_by_hand.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>

namespace tests {

namespace {

CheckReport check(PoolByHand &pool, bool repair) {
    Persist persist(pool.base(), pool.size_bytes(), Medium::volatile_memory);
    return fsck_pool(persist, PoolByHand::superblock_block * block_size_bytes, repair).check;
}

std::string text(const CheckReport &report) {
    std::string all;
    for (const auto &problem : report.problems)
        all += problem.structure + ": " + problem.text + "\n";
    return all;
}

TEST(Checker, CleanPoolIsClean) {
    PoolByHand pool;
    CheckReport report = check(pool, false);
    EXPECT_EQ(text(report), "");
    EXPECT_EQ(report.inodes, 6u);
    EXPECT_EQ(report.directories, 2u);
    EXPECT_EQ(report.files, 3u);
    EXPECT_EQ(report.symlinks, 1u);
    EXPECT_EQ(report.orphans, 1u);
    EXPECT_EQ(report.blocks_used, PoolByHand::metadata_blocks + 7);
}

struct Damage {
    const char *name;
    std::function<void(PoolByHand &)> make;
    const char *seen; // part of a problem
    bool repaired;    // a second check is clean
};

using P = PoolByHand;
const Damage damages[] = {
    {"magic", [](P &p) { p.superblock().magic ^= 1; }, "no magic", false},
    {"checksum", [](P &p) { p.superblock().uuid[3] ^= 1; }, "wrong checksum", false},
    {"version",
     [](P &p) {
         p.superblock().version = 2;
         p.seal();
     },
     "format version", false},
    {"feature",
     [](P &p) {
         p.superblock().features.incompatible = 1u << 31;
         p.seal();
     },
     "features", false},
    {"truncated",
     [](P &p) {
         p.superblock().pool_size_bytes *= 2;
         p.seal();
     },
     "truncated", false},
    {"group table",
     [](P &p) {
         p.superblock().group_table_block = UINT64_MAX;
         p.seal();
     },
     "group table", false},
    {"place", // a pool that is stored in a file of this one
     [](P &p) {
         p.superblock().group_table_block += 1;
         p.seal();
     },
     "another place", false},
    {"group count",
     [](P &p) {
         p.superblock().group_count = UINT64_MAX;
         p.seal();
     },
     "group table", false},
    {"orphan slots",
     [](P &p) {
         p.superblock().orphan_slots = UINT64_MAX;
         p.seal();
     },
     "orphan table", false},
    {"rings",
     [](P &p) {
         p.superblock().ring_count = UINT64_MAX / 2;
         p.seal();
     },
     "ring", false},
    {"ring size",
     [](P &p) {
         p.superblock().ring_size_bytes = 3;
         p.seal();
     },
     "rings", false},
    {"root",
     [](P &p) {
         p.superblock().root_inode = UINT64_MAX;
         p.seal();
     },
     "root directory", false},
    {"failed state", [](P &p) { p.superblock().state = superblock_state_failed; }, "write error", true},
    {"group descriptor", [](P &p) { p.at<GroupDescriptor>(P::group_table * 4096).block_count++; }, "checksum", false},
    {"leaked block", [](P &p) { p.block_bits(700) |= p.bit_of(700); }, "nothing leads to it", true},
    {"used block free", [](P &p) { p.block_bits(P::file_data) &= ~p.bit_of(P::file_data); }, "marked free", true},
    {"metadata free", [](P &p) { p.block_bits(P::group_first) &= ~uint64_t{1}; }, "its own block", true},
    {"inode marked free", [](P &p) { p.masks()[3] &= ~2; }, "inodes in use are marked free", true},
    {"lost inode", [](P &p) { p.masks()[3] |= 0x8000; }, "no name leads to", true},
    {"inode block bit", [](P &p) { p.at<uint64_t>((P::group_first + 1) * 4096) = 0; }, "not marked an inode block",
     true},
    {"data marked as inodes", [](P &p) { p.at<uint64_t>((P::group_first + 1) * 4096) |= 1 << 5; }, "holds data", true},
    {"link count of a file", [](P &p) { p.inode(P::file).link_count = 7; }, "link count is 7, should be 2", true},
    {"link count of a directory", [](P &p) { p.inode(P::root).link_count = 2; }, "link count is 2, should be 3", true},
    {"entry count", [](P &p) { p.inode(P::root).entry_count = 9; }, "entry count", true},
    {"directory size", [](P &p) { p.inode(P::root).size_bytes = 0; }, "size is 0", true},
    {"block count", [](P &p) { p.inode(P::big).block_count = 1; }, "block count", true},
    {"parent", [](P &p) { p.inode(P::sub).parent = P::sub; }, "its `..`", true},
    {"name hash", [](P &p) { p.inode(P::sub).name_hash ^= 1; }, "hash of its own name", true},
    {"orphan slot of garbage", [](P &p) { p.at<OrphanSlot>(P::orphan_table * 4096 + 8).inode = 77; }, "no inode", true},
    {"orphan twice", [](P &p) { p.at<OrphanSlot>(P::orphan_table * 4096 + 8).inode = P::orphan; }, "does not know",
     true},
    {"orphan is no orphan",
     [](P &p) {
         p.at<OrphanSlot>(P::orphan_table * 4096 + 8).inode = P::file;
         p.inode(P::file).orphan_slot = 2;
     },
     "no orphan", true},
    {"orphan has a name", [](P &p) { p.entry(1).inode = P::orphan; }, "link count is 0, should be 1", true},
    {"half truncated directory",
     [](P &p) {
         p.inode(P::sub).flags |= inode_truncating;
         p.inode(P::sub).orphan_slot = 2;
         p.at<OrphanSlot>(P::orphan_table * 4096 + 8).inode = P::sub;
     },
     "is no file", true},
    {"half truncated", [](P &p) { p.inode(P::big).flags |= inode_truncating; }, "half truncated", true},
    {"lost orphan", [](P &p) { p.at<OrphanSlot>(P::orphan_table * 4096).inode = 0; }, "no name leads to", true},
    {"inode magic", [](P &p) { p.inode(P::link).magic = 0; }, "leads to no inode", true},
    {"inode type", [](P &p) { p.inode(P::link).mode = S_IFREG; }, "leads to no inode", true},
    {"file type",
     [](P &p) {
         p.inode(P::link).mode = 0;
         p.slot(2).type = 0;
     },
     "no file type", false},
    {"height", [](P &p) { p.inode(P::big).height = 200; }, "levels high", false},
    {"pointer out of range", [](P &p) { p.inode(P::file).content.slots[3] = 1u << 30; }, "not one that files may use",
     true},
    {"pointer to metadata", [](P &p) { p.inode(P::file).content.slots[3] = P::group_first; },
     "not one that files may use", true},
    {"pointer flags", [](P &p) { p.inode(P::file).content.slots[3] = pointer_huge | 700; }, "unknown flags", true},
    {"shared block", [](P &p) { p.inode(P::file).content.slots[3] = P::big_data; }, "something else uses", false},
    {"node cycle", [](P &p) { p.at<MapNode>(P::big_node * 4096).pointers[0] = P::big_node; },
     "leads back to its own node", true},
    {"inline too long", [](P &p) { p.inode(P::link).size_bytes = 129; }, "bytes are in the inode", false},
    {"empty symlink", [](P &p) { p.inode(P::link).size_bytes = 0; }, "symlink of 0 bytes", false},
    {"leaf depth", [](P &p) { p.at<DirectoryLeaf>(P::root_leaf * 4096).depth = 60; }, "depth", true},
    {"leaf prefix", [](P &p) { p.at<DirectoryLeaf>(P::root_leaf * 4096).prefix = 1; }, "belongs elsewhere", true},
    {"leaf directory", [](P &p) { p.at<DirectoryLeaf>(P::root_leaf * 4096).directory = 1; }, "belongs elsewhere", true},
    {"leaf slots", [](P &p) { p.at<DirectoryLeaf>(P::root_leaf * 4096).slot_count = 60000; }, "more slots", true},
    {"trie hole", [](P &p) { p.inode(P::root).content.slots[5] = 0; }, "pointers of its run", true},
    {"slot offset", [](P &p) { p.slot(2).offset = 4090; }, "outside its leaf", true},
    {"slot tag", [](P &p) { p.slot(1).tag ^= 1; }, "does not fit its hash", true},
    {"name bytes", [](P &p) { p.entry(1).name[0] = 'F'; }, "does not fit its hash", true},
    {"name with a slash", [](P &p) { p.entry(1).name[0] = '/'; }, "cannot be", true},
    {"entry to nowhere", [](P &p) { p.entry(1).inode = UINT64_MAX / 300; }, "leads to no inode", true},
    {"entry to the root", [](P &p) { p.entry(3).inode = P::root; }, "leads to no inode", true},
    {"duplicate name", [](P &p) { p.slot(1) = p.slot(0); }, "is there already", true},
    {"leaf also data", [](P &p) { p.inode(P::file).content.slots[5] = P::root_leaf; }, "something else uses", false},
};

class CheckerDamage : public testing::TestWithParam<Damage> {};

TEST_P(CheckerDamage, IsSeenAndRepairedWherePossible) {
    PoolByHand pool;
    GetParam().make(pool);
    CheckReport looked = check(pool, false);
    EXPECT_NE(text(looked).find(GetParam().seen), std::string::npos) << GetParam().name << ":\n" << text(looked);
    for (const auto &problem : looked.problems)
        EXPECT_FALSE(problem.repaired);
    // Inodes that a removed entry leaves without a name are found in the same run.
    CheckReport repaired = check(pool, true);
    CheckReport after = check(pool, false);
    if (GetParam().repaired)
        EXPECT_EQ(text(after), "") << GetParam().name << ": repaired:\n" << text(repaired);
    else
        EXPECT_NE(text(after), "") << GetParam().name;
}

INSTANTIATE_TEST_SUITE_P(Each, CheckerDamage, testing::ValuesIn(damages), [](const auto &info) {
    std::string name;
    for (const char *c = info.param.name; *c != '\0'; ++c)
        name += *c == ' ' ? '_' : *c;
    return name;
});

TEST(Checker, LookingChangesNothing) {
    for (const Damage &damage : damages) {
        PoolByHand pool;
        damage.make(pool);
        std::vector<std::byte> before(pool.base(), pool.base() + pool.size_bytes());
        check(pool, false);
        EXPECT_EQ(std::memcmp(before.data(), pool.base(), pool.size_bytes()), 0) << damage.name;
    }
}

TEST(Checker, NothingIsFreedWhileTwoOwnTheSameBlock) {
    PoolByHand pool;
    pool.inode(P::file).content.slots[3] = P::big_data;
    pool.block_bits(700) |= pool.bit_of(700); // leaked, or the other owner's
    check(pool, true);
    EXPECT_NE(pool.block_bits(700) & pool.bit_of(700), 0u);
    EXPECT_EQ(pool.masks()[P::metadata_blocks], 0x3f);
}

// What is at `path` after the repair; inode 0: nothing.
Inode inode_at(PoolByHand &pool, const std::string &path) {
    Pool attached;
    EXPECT_TRUE(
        pool_attach_image(attached, pool.base(), pool.size_bytes(), P::superblock_block * block_size_bytes).ok());
    auto thread = std::make_unique<Thread>();
    EXPECT_TRUE(thread_register(*thread, attached).ok());
    auto found = walk(*thread, P::root, path, 0);
    Inode inode = {};
    if (found.ok())
        inode = *attached.inode(found->inode);
    thread_release(*thread);
    pool_detach(attached);
    return inode;
}

TEST(Checker, WhatAnUnreadableLeafNamedGoesToLostAndFound) {
    PoolByHand pool;
    pool.at<DirectoryLeaf>(P::root_leaf * block_size_bytes).prefix = 1;
    check(pool, true);
    EXPECT_EQ(text(check(pool, false)), "");
    const std::string place = "/lost+found/#";
    EXPECT_EQ(inode_at(pool, "/lost+found").mode, S_IFDIR | 0700u);
    EXPECT_EQ(inode_at(pool, "/lost+found").entry_count, 4u);
    const Inode file = inode_at(pool, place + std::to_string(P::file));
    EXPECT_EQ(file.size_bytes, 8000u);
    EXPECT_EQ(file.content.slots[1], P::file_data + 1);
    EXPECT_EQ(file.link_count, 1u);
    const Inode sub = inode_at(pool, place + std::to_string(P::sub));
    EXPECT_TRUE(S_ISDIR(sub.mode));
    EXPECT_EQ(inode_at(pool, "/").link_count, 3u); // lost+found
    EXPECT_TRUE(S_ISLNK(inode_at(pool, place + std::to_string(P::link)).mode));
}

TEST(Checker, NamesThatCanBeReadStay) {
    PoolByHand pool;
    pool.inode(P::root).content.slots[5] = 0;
    pool.at<DirectoryLeaf>(P::root_leaf * block_size_bytes).slots[0].offset = 0; // /file; /file2 stays
    check(pool, true);
    EXPECT_EQ(text(check(pool, false)), "");
    // A trie whose pointers disagree: its leaf cannot be trusted, what it named is found all the same.
    EXPECT_TRUE(S_ISDIR(inode_at(pool, "/lost+found").mode));
    EXPECT_EQ(inode_at(pool, "/lost+found").entry_count, 4u);
}

TEST(Checker, ADirectoryWithoutANameBringsWhatIsBelowIt) {
    PoolByHand pool;
    // /sub/ gets the leaf that names the others; then its own name goes.
    pool.inode(P::sub).content = pool.inode(P::root).content;
    pool.inode(P::sub).size_bytes = block_size_bytes;
    pool.inode(P::sub).block_count = 1;
    pool.inode(P::sub).entry_count = 4;
    pool.at<DirectoryLeaf>(P::root_leaf * block_size_bytes).directory = P::sub;
    pool.slot(3).offset = 0;
    std::memset(&pool.inode(P::root).content, 0, sizeof(Inode::Content));
    pool.inode(P::root).size_bytes = pool.inode(P::root).block_count = pool.inode(P::root).entry_count = 0;
    pool.inode(P::root).link_count = 2;
    check(pool, true);
    EXPECT_EQ(text(check(pool, false)), "");
    const std::string place = "/lost+found/#" + std::to_string(P::sub);
    EXPECT_EQ(inode_at(pool, place + "/file2").link_count, 2u);
    EXPECT_EQ(inode_at(pool, "/lost+found").link_count, 3u);
    EXPECT_EQ(inode_at(pool, "/lost+found").entry_count, 1u);
}

TEST(Checker, LostAndFoundIsNotGuessed) {
    PoolByHand pool;
    // Somebody has a file of that name.
    pool.slot(0).offset = 0;
    auto &leaf = pool.at<DirectoryLeaf>(P::root_leaf * block_size_bytes);
    const std::string name = "lost+found";
    const uint16_t offset = 3000;
    leaf.slots[0] = {static_cast<uint32_t>(P::hash(name)), offset, static_cast<uint8_t>(name.size()), 8};
    auto &entry = pool.at<DirectoryEntry>(P::root_leaf * block_size_bytes + offset);
    entry.inode = P::file;
    entry.hash = P::hash(name);
    std::memcpy(entry.name, name.data(), name.size());
    pool.slot(4).offset = 0; // /big
    const CheckReport report = check(pool, true);
    EXPECT_NE(text(report).find("not all could be put there"), std::string::npos) << text(report);
    EXPECT_EQ(pool.inode(P::big).content.slots[0], P::big_node); // and nothing of it is lost
    EXPECT_NE(pool.block_bits(P::big_data) & pool.bit_of(P::big_data), 0u);
}

// /sub/deep, whose inode stands in a block of inodes of its own.
constexpr uint64_t deep_inodes = P::inode_block + 10, sub_leaf = P::inode_block + 11;
constexpr InodeNumber deep = deep_inodes * inodes_per_block;

void add_deep_file(PoolByHand &pool) {
    pool.block_bits(deep_inodes) |= pool.bit_of(deep_inodes) | pool.bit_of(sub_leaf);
    pool.at<uint64_t>((P::group_first + 1) * block_size_bytes) |= pool.bit_of(deep_inodes);
    pool.masks()[deep_inodes - P::group_first] = 1;
    Inode &file = pool.inode(deep);
    file.magic = inode_magic;
    file.mode = S_IFREG | 0644;
    file.link_count = 1;
    file.flags = inode_inline;
    file.size_bytes = 4;
    std::memcpy(file.content.bytes, "deep", 4);
    auto &leaf = pool.at<DirectoryLeaf>(sub_leaf * block_size_bytes);
    leaf.magic = leaf_magic;
    leaf.directory = P::sub;
    leaf.slot_count = 1;
    leaf.slots[0] = {static_cast<uint32_t>(P::hash("deep")), 4000, 4, 8};
    auto &entry = pool.at<DirectoryEntry>(sub_leaf * block_size_bytes + 4000);
    entry.inode = deep;
    entry.hash = P::hash("deep");
    std::memcpy(entry.name, "deep", 4);
    Inode &sub = pool.inode(P::sub);
    std::fill_n(sub.content.slots, inode_slots, sub_leaf);
    sub.size_bytes = block_size_bytes;
    sub.block_count = sub.entry_count = 1;
}

// One bit of a pointer turns over, and the walk comes to that file before it comes to the inodes.
TEST(Checker, APointerToABlockOfInodesCostsNoInode) {
    PoolByHand pool;
    add_deep_file(pool);
    ASSERT_EQ(text(check(pool, false)), "");
    pool.inode(P::file).content.slots[1] = deep_inodes;
    EXPECT_NE(text(check(pool, true)).find("which holds inodes"), std::string::npos);
    EXPECT_EQ(text(check(pool, false)), "");
    const Inode found = inode_at(pool, "/sub/deep");
    EXPECT_EQ(found.size_bytes, 4u);
    EXPECT_EQ(std::memcmp(found.content.bytes, "deep", 4), 0);
    EXPECT_EQ(inode_at(pool, "/file").content.slots[1], 0u);
}

// A file's pointer leads to a directory's leaf, and the walk comes to the file first. Nobody can tell whose it is, so
// the names in it may still be good: a second one in lost+found, or a link count without them, would free
// the inode under a name by the next unlink.
TEST(Checker, WhoseNamesMayBeInABlockOfTwoOwnersIsLeftAlone) {
    PoolByHand pool;
    add_deep_file(pool);
    pool.entry(4).inode = deep; // /big is /sub/deep too
    pool.inode(deep).link_count = 2;
    pool.inode(P::file).content.slots[1] = sub_leaf;
    EXPECT_NE(text(check(pool, true)).find("something else uses"), std::string::npos);
    EXPECT_EQ(inode_at(pool, "/lost+found").magic, 0u);
    EXPECT_EQ(inode_at(pool, "/sub/deep").link_count, 2u);
    EXPECT_EQ(pool.inode(P::big).magic, inode_magic);
}

TEST(Checker, WhatADirectoryOfAWrongHeightNamesKeepsItsName) {
    for (const bool is_inline : {false, true}) {
        PoolByHand pool;
        add_deep_file(pool);
        if (is_inline)
            pool.inode(P::sub).flags = inode_inline;
        else
            pool.inode(P::sub).height = 64;
        check(pool, true);
        EXPECT_EQ(inode_at(pool, "/lost+found").magic, 0u);
        EXPECT_EQ(inode_at(pool, "/sub/deep").link_count, 1u);
    }
}

// Flips bytes where structures are. The seed is fixed: a failure can be run again.
TEST(Checker, RandomDamageNeverCrashes) {
    std::mt19937_64 random(20261123);
    const uint64_t blocks[] = {P::superblock_block, P::group_table, P::orphan_table, P::group_first, P::group_first + 1,
                               P::group_first + 2,  P::inode_block, P::root_leaf,    P::big_node};
    unsigned seen = 0;
    for (unsigned round = 0; round < 3000; ++round) {
        PoolByHand pool;
        for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
            uint64_t block = blocks[random() % std::size(blocks)];
            // Half of them near the start, where the used bytes are.
            uint64_t offset = random() % (random() % 2 ? 512 : block_size_bytes);
            pool.at<uint8_t>(block * block_size_bytes + offset) ^= static_cast<uint8_t>(1 + random() % 255);
        }
        if (random() % 2)
            pool.seal(); // past the first line of defence
        seen += !check(pool, true).problems.empty();
        check(pool, false);
    }
    EXPECT_GT(seen, 1000u);
}

} // namespace

} // namespace tests
