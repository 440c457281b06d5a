// One directory: the trie over the names' hashes, its leaves and their entries.
//
//   inode slots (4 bits) → node (9 bits) → … → leaf of depth d
//
// A table (slots or node) that begins after `bits_before` bits and is
// `width_bits` wide may point to a leaf of depth d from an aligned run of
// 2^(bits_before + width_bits - d) pointers, all the same, and from nowhere
// else. A block is a leaf if it begins with leaf_magic; a node cannot:
// its first word is a block number, and none of a trie's blocks has one that reads as the magic.
#include "libpmemfile/check/pool_checker.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <sys/stat.h>

namespace pmemfile {

// A trie while it is walked.
struct PoolChecker::Trie {
    InodeNumber directory;
    std::string owner; // for problems
    uint64_t leaves = 0, nodes = 0, entries = 0;
    bool damaged = false;                   // some part could not be read: the directory is to be built anew
    bool overlaps = false;                  // some block is somebody else's too: then it is left alone
    std::unordered_set<BlockNumber> blocks; // leaves and nodes; a hostile trie asks for them millions of times
    std::vector<PoolOffset> slot_offsets;   // of the entries that are sound
};

namespace {

constexpr unsigned hash_bits = 64;
constexpr unsigned max_leaf_slots = (block_size_bytes - sizeof(DirectoryLeaf)) / sizeof(DirectorySlot);

// The first `bits` bits of `hash`, left-aligned.
uint64_t prefix_of(uint64_t hash, unsigned bits) {
    return bits == 0 ? 0 : hash >> (hash_bits - bits) << (hash_bits - bits);
}

} // namespace

void PoolChecker::visit_table(Trie &trie, const uint64_t *pointers, unsigned width_bits, unsigned bits_before,
                              uint64_t prefix) {
    unsigned bits_after = bits_before + width_bits;
    unsigned count = 1u << width_bits;
    for (unsigned i = 0; i < count;) {
        uint64_t pointer = pointers[i];
        auto damaged = [&](const std::string &text) {
            repairable(trie.owner, text);
            trie.damaged = true;
        };
        uint64_t here = bits_after > hash_bits ? prefix : prefix | uint64_t{i} << (hash_bits - bits_after);
        if (pointer == 0 || pointer & ~pointer_block_mask) {
            damaged("has a hash trie with a missing or unknown pointer");
            ++i;
            continue;
        }
        if (Reached reached = reach(pointer); reached != Reached::now) {
            std::string block = "block " + std::to_string(pointer);
            bool own = trie.blocks.contains(pointer);
            if (reached == Reached::outside) {
                damaged("points to " + block + ", which is not one that files may use");
            } else if (reached == Reached::inodes) {
                damaged("points to " + block + ", which holds inodes");
            } else if (own) {
                damaged("has a hash trie that leads twice to " + block);
            } else {
                problem(trie.owner, "uses " + block + ", which something else uses too");
                trie.damaged = trie.overlaps = overlaps_ = true;
            }
            // The same wrong pointer again is one problem, not many.
            while (i < count && pointers[i] == pointer)
                ++i;
            continue;
        }
        trie.blocks.insert(pointer);
        const auto &leaf = *at<DirectoryLeaf>(pointer * block_size_bytes);
        if (leaf.magic != leaf_magic) {
            if (bits_after + trie_node_bits > hash_bits) {
                damaged("has a hash trie deeper than a hash is long");
            } else {
                ++trie.nodes;
                visit_table(trie, at<MapNode>(pointer * block_size_bytes)->pointers, trie_node_bits, bits_after, here);
            }
            ++i;
            continue;
        }
        ++trie.leaves;
        if (leaf.depth > bits_after || leaf.depth < bits_before) {
            damaged("has a leaf of a depth that does not fit its place");
            ++i;
            continue;
        }
        unsigned run = 1u << (bits_after - leaf.depth);
        bool whole = i % run == 0;
        for (unsigned k = 0; whole && k < run; ++k)
            whole = pointers[i + k] == pointer;
        if (!whole) {
            damaged("has a leaf that not all the pointers of its run lead to");
            while (i < count && pointers[i] == pointer)
                ++i;
            continue;
        }
        check_leaf(trie, pointer, bits_before, bits_after, here);
        i += run;
    }
}

void PoolChecker::check_leaf(Trie &trie, BlockNumber block, unsigned, unsigned, uint64_t prefix) {
    PoolOffset offset = block * block_size_bytes;
    const auto &leaf = *at<DirectoryLeaf>(offset);
    std::string name = trie.owner + ", leaf " + std::to_string(block);
    if (leaf.prefix != prefix_of(prefix, leaf.depth) || leaf.directory != trie.directory) {
        repairable(name, "belongs elsewhere (wrong prefix or directory)");
        trie.damaged = true;
        return;
    }
    if (leaf.slot_count > max_leaf_slots) {
        repairable(name, "has more slots than fit");
        trie.damaged = true;
        return;
    }
    unsigned heap_begin = sizeof(DirectoryLeaf) + leaf.slot_count * sizeof(DirectorySlot);
    struct Span {
        unsigned begin, end;
    };
    std::vector<Span> spans;
    std::vector<std::string_view> names;
    for (unsigned i = 0; i < leaf.slot_count; ++i) {
        const DirectorySlot &slot = leaf.slots[i];
        if (slot.offset == 0)
            continue;
        auto remove = [&](const std::string &text) {
            // What the entry named keeps its other names; an inode without any is found as lost.
            if (repairable(name, "entry " + std::to_string(i) + " " + text)) {
                uint64_t free_slot = 0;
                repair_bytes(offset + sizeof(DirectoryLeaf) + i * sizeof(DirectorySlot), &free_slot, sizeof(free_slot));
            }
        };
        unsigned end = slot.offset + sizeof(DirectoryEntry) + slot.length;
        if (slot.offset % 8 != 0 || slot.offset < heap_begin || end > block_size_bytes) {
            remove("lies outside its leaf");
            continue;
        }
        const auto &entry = *at<DirectoryEntry>(offset + slot.offset);
        if (prefix_of(entry.hash, leaf.depth) != leaf.prefix) {
            remove("does not belong into its leaf");
            continue;
        }
        std::string_view text(entry.name, slot.length);
        bool bad_name = slot.length == 0 || text == "." || text == ".." || text.find('/') != text.npos ||
                        text.find('\0') != text.npos;
        if (bad_name) {
            remove("has a name that cannot be");
            continue;
        }
        if (XXH3_64bits_withSeed(entry.name, slot.length, superblock_->journal_nonce) != entry.hash ||
            slot.tag != static_cast<uint32_t>(entry.hash)) {
            remove("has a name that does not fit its hash");
            continue;
        }
        if (std::find(names.begin(), names.end(), text) != names.end()) {
            remove("has a name that is there already: " + std::string(text));
            continue;
        }
        if (!check_entry(trie, slot, entry, text)) {
            remove("leads to no inode that could have this name: " + std::string(text));
            continue;
        }
        names.push_back(text);
        trie.slot_offsets.push_back(offset + sizeof(DirectoryLeaf) + i * sizeof(DirectorySlot));
        spans.push_back({slot.offset, end});
        ++trie.entries;
    }
    std::sort(spans.begin(), spans.end(), [](const Span &a, const Span &b) { return a.begin < b.begin; });
    for (size_t i = 1; i < spans.size(); ++i)
        if (spans[i].begin < spans[i - 1].end) {
            repairable(name, "has entries that overlap");
            trie.damaged = true;
            break;
        }
}

// Follows an entry to its inode. False: the entry must go.
bool PoolChecker::check_entry(Trie &trie, const DirectorySlot &slot, const DirectoryEntry &entry, std::string_view) {
    const Inode *inode = readable_inode(entry.inode);
    if (inode == nullptr || (inode->mode & S_IFMT) >> 12 != slot.type)
        return false;
    bool is_directory = S_ISDIR(inode->mode);
    if (is_root(*superblock_, entry.inode))
        return false;
    auto [found, fresh] = facts_.try_emplace(entry.inode);
    InodeFacts &facts = found->second;
    if (is_directory && facts.names > 0)
        return false; // a second name for a directory
    if (fresh) {
        set_bit(inode_blocks_, entry.inode / inodes_per_block);
        queue_.push_back(entry.inode);
    }
    ++facts.names;
    if (is_directory) {
        facts.parent = trie.directory;
        facts.name_hash = entry.hash;
        ++facts_[trie.directory].subdirectories;
    }
    return true;
}

// A trie with a part that cannot be read is given up: the names that can be read are put into a new one.
void PoolChecker::rebuild(const Trie &trie) {
    if (trie.overlaps) {
        incomplete_ = hides_names_ = true;
        return;
    }
    std::string text = "is built anew from the " + std::to_string(trie.slot_offsets.size()) +
                       " names that can be read; what only other names led to goes to lost+found";
    if (!repairable(trie.owner, text))
        return;
    plan_->to_empty.push_back(trie.directory);
    for (PoolOffset place : trie.slot_offsets) {
        const auto &slot = *at<DirectorySlot>(place);
        const auto &entry = *at<DirectoryEntry>(place / block_size_bytes * block_size_bytes + slot.offset);
        plan_->names.push_back({trie.directory, std::string(entry.name, slot.length), entry.inode});
    }
    for (BlockNumber block : trie.blocks)
        reached_[block / 64] &= ~(uint64_t{1} << (block % 64));
}

void PoolChecker::check_directory(InodeNumber number, const Inode &inode) {
    PoolOffset offset = number * inode_size_bytes;
    Trie trie{number, "directory " + std::to_string(number)};
    bool empty = std::all_of(std::begin(inode.content.slots), std::end(inode.content.slots),
                             [](uint64_t pointer) { return pointer == 0; });
    if (inode.flags & inode_inline) {
        problem(trie.owner, "is marked as if its content was in the inode");
        incomplete_ = hides_names_ = true;
        return;
    }
    if (!empty)
        visit_table(trie, inode.content.slots, trie_root_bits, 0, 0);
    if (trie.damaged) { // counts of what could be read mean nothing
        rebuild(trie);
        return;
    }
    auto repair_count = [&](const char *what, uint64_t says, uint64_t right, size_t field) {
        if (says != right && repairable(trie.owner, std::string(what) + " is " + std::to_string(says) + ", should be " +
                                                        std::to_string(right)))
            repair_bytes(offset + field, &right, sizeof(right));
    };
    repair_count("entry count", inode.entry_count, trie.entries, offsetof(Inode, entry_count));
    repair_count("block count", inode.block_count, trie.leaves + trie.nodes, offsetof(Inode, block_count));
    repair_count("size", inode.size_bytes, trie.leaves * block_size_bytes, offsetof(Inode, size_bytes));
}

} // namespace pmemfile
