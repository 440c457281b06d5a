// pool_checker: the state of one check while it runs: what has been reached
// so far, and where problems are written down. Private to the check floor.
#pragma once

#include "libpmemfile/check/checker.h"
#include "libpmemfile/check/repair_plan.h"
#include "libpmemfile/runtime/pool.h"

#include <deque>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace pmemfile {

// Problems kept in a report; a hostile pool must not fill the memory with text.
constexpr size_t max_problems = 10000;

// What the walk has learnt of an inode, to be compared with what it says.
struct InodeFacts {
    uint64_t names = 0;          // entries that lead to it
    uint64_t subdirectories = 0; // directories: entries that are directories
    uint64_t orphan_slot = 0;    // index + 1 of the orphan slot that names it
    InodeNumber parent = 0;      // directories: where its name was found, 0 for orphans
    uint64_t name_hash = 0;
    bool is_lost = false; // no name leads to it; it is to get one in lost+found
};

// Whether a block may be followed.
enum class Reached {
    now,     // yes, nobody else has it
    outside, // it is none that files may use
    inodes,  // it holds inodes, say the bitmap, the mask and an inode itself: the pointer alone says otherwise
    shared,  // something else has it too
};

// One group as the (checked) descriptor tells it.
struct GroupExtent {
    uint64_t first_block = 0;
    uint64_t block_count = 0;
    uint64_t metadata_blocks = 0;
};

// One check of one pool. Single-threaded; made for one run().
class PoolChecker {
public:
    PoolChecker(Persist &persist, PoolOffset superblock_offset, bool repair, RepairPlan *plan)
        : persist_(persist), superblock_offset_(superblock_offset), repair_(repair), plan_(plan) {}
    CheckReport run();

private:
    // checker.cpp: the frame, and the cross-check with the bitmaps.
    bool check_superblock();
    bool check_groups();
    void check_orphan_table();
    void check_counts();
    void enter_as_orphan(InodeNumber inode_number);
    void cross_check_group(size_t index);

    // share_check.cpp
    bool is_shared_rightly(InodeNumber number, const Inode &inode, BlockNumber block);
    void note_data_block(InodeNumber number, const Inode &inode, BlockNumber block);
    void check_share_counts();
    void look_into_queue();

    // lost_check.cpp
    void find_lost();
    std::vector<InodeNumber> lost_inodes() const;
    bool is_named_by_lost(InodeNumber number) const;
    void adopt(InodeNumber number);

    // inode_check.cpp
    void check_inode(InodeNumber number);
    void check_file(InodeNumber number, const Inode &inode);
    void check_inode_checksums();
    uint64_t visit_map(InodeNumber number, const Inode &inode, PoolOffset place, unsigned height, uint64_t index,
                       uint64_t *last_index);
    void cut(InodeNumber number, PoolOffset place, unsigned height, uint64_t index, const std::string &why);

    // xattr_check.cpp
    void check_xattrs(InodeNumber number, const Inode &inode);
    const char *xattr_damage(InodeNumber number, const Inode &inode, uint16_t *flags) const;

    // directory_check.cpp
    void check_directory(InodeNumber number, const Inode &inode);
    struct Trie;
    void rebuild(const Trie &trie);
    void visit_table(Trie &trie, const uint64_t *pointers, unsigned width_bits, unsigned bits_before, uint64_t prefix);
    void check_leaf(Trie &trie, BlockNumber block, unsigned bits_before, unsigned bits_after, uint64_t prefix);
    bool check_entry(Trie &trie, const DirectorySlot &slot, const DirectoryEntry &entry, std::string_view name);

    // The inode with this number if it may be read at all, else null: it lies
    // among the blocks that groups hand out, and has the magic.
    const Inode *readable_inode(InodeNumber number) const;
    // Index of the group that hands `block` out, or -1 (out of range, metadata).
    int64_t group_of(BlockNumber block) const;
    // Does the pool itself say that `block`, of a group, holds inodes in use?
    bool holds_inodes(BlockNumber block, int64_t group) const;
    // Notes that `block` is used, if it may be.
    Reached reach(BlockNumber block);

    void problem(std::string structure, std::string text);                      // nothing can be done
    bool repairable(std::string structure, std::string text);                   // true: the caller repairs it now
    void repair_bytes(PoolOffset target, const void *bytes, size_t size_bytes); // durable at the end of run()

    template <typename T> const T *at(PoolOffset offset) const {
        return reinterpret_cast<const T *>(persist_.base() + offset);
    }
    uint64_t block_limit() const {
        return persist_.size_bytes() / block_size_bytes;
    }
    static bool bit(const std::vector<uint64_t> &bits, uint64_t index) {
        return bits[index / 64] >> (index % 64) & 1;
    }
    static void set_bit(std::vector<uint64_t> &bits, uint64_t index) {
        bits[index / 64] |= uint64_t{1} << (index % 64);
    }

    Persist &persist_;
    PoolOffset superblock_offset_;
    bool repair_;
    RepairPlan *plan_;
    bool overlaps_ = false;    // some block has two owners: bitmaps cannot be trusted to be repaired
    bool incomplete_ = false;  // a part of the tree could not be read: what it held must not be freed
    bool hides_names_ = false; // some directory that is left as it is may have names that have not been read
    const Superblock *superblock_ = nullptr;
    Pool pool_;                                     // for the engine's own look-ups
    std::unordered_set<BlockNumber> nodes_of_file_; // of the file that is being walked
    std::vector<GroupExtent> groups_;
    std::vector<uint64_t> reached_;                              // one bit a block: data, nodes, leaves
    std::vector<uint64_t> inode_blocks_;                         // one bit a block: holds a reached inode
    std::vector<uint64_t> shareable_;                            // one bit a block: data of files that may share it
    std::unordered_map<BlockNumber, uint64_t> sharers_;          // pointers to it beside the first
    std::vector<std::pair<InodeNumber, BlockNumber>> unflagged_; // has a block with a count, and not inode_may_share
    std::unordered_map<InodeNumber, InodeFacts> facts_;
    std::deque<InodeNumber> queue_;                   // reached, not yet looked into
    std::unordered_set<InodeNumber> repaired_places_; // where an inode may be whose bytes have been repaired
    size_t suppressed_ = 0, suppressed_repaired_ = 0;
    CheckReport report_;
};

} // namespace pmemfile
