// The check goes from the fixed to the derived:
//
//   superblock ─ group table ─ orphan table ─┐
//                                            ▼
//        root ──► inodes ──► maps, tries ──► what is reachable ◄──compare──► bitmaps, masks
//                                   └──────► names, subdirectories ◄──────► link counts
//
// Last come the inodes' checksums: a repair may have put back what was damaged.
//
// Each block is followed once (a bit per block), so a cycle or a hostile
// pointer costs no more than the pool's size. When two owners claim one block,
// or a part of the tree cannot be read, bitmaps are reported but no bit is
// cleared: a wrong "free" is the one repair that destroys data.
#include "libpmemfile/check/checker.h"

#include "libpmemfile/check/pool_checker.h"
#include "libpmemfile/runtime/layout_check.h"

#include <algorithm>
#include <sys/stat.h>

namespace pmemfile {

namespace {

std::string number(uint64_t value) {
    return std::to_string(value);
}

} // namespace

void PoolChecker::problem(std::string structure, std::string text) {
    if (report_.problems.size() >= max_problems) {
        ++suppressed_;
        return;
    }
    report_.problems.push_back({std::move(structure), std::move(text), false, false});
}

bool PoolChecker::repairable(std::string structure, std::string text) {
    if (report_.problems.size() < max_problems)
        report_.problems.push_back({std::move(structure), std::move(text), true, repair_});
    else
        ++(repair_ ? suppressed_repaired_ : suppressed_);
    return repair_;
}

void PoolChecker::repair_bytes(PoolOffset target, const void *bytes, size_t size_bytes) {
    // Durable before the first repair: who finds the pool between two of them may not write to it.
    if ((superblock_->state & superblock_state_failed) == 0)
        superblock_set_failed(persist_, superblock_offset_, true);
    persist_.store(target, bytes, size_bytes);
    persist_.flush(target, size_bytes);
    if (group_of(target / block_size_bytes) >= 0)
        repaired_places_.insert(target / inode_size_bytes);
}

int64_t PoolChecker::group_of(BlockNumber block) const {
    auto after = std::upper_bound(groups_.begin(), groups_.end(), block,
                                  [](uint64_t value, const GroupExtent &group) { return value < group.first_block; });
    if (after == groups_.begin())
        return -1;
    const GroupExtent &group = *(after - 1);
    uint64_t index = block - group.first_block;
    return index >= group.metadata_blocks && index < group.block_count ? after - 1 - groups_.begin() : -1;
}

bool PoolChecker::holds_inodes(BlockNumber block, int64_t group) const {
    const BlockNumber first = groups_[static_cast<size_t>(group)].first_block;
    const uint64_t index = block - first;
    if ((at<uint64_t>((first + 1) * block_size_bytes)[index / 64] >> (index % 64) & 1) == 0)
        return false;
    const uint16_t mask = at<uint16_t>((first + 2) * block_size_bytes)[index];
    for (unsigned i = 0; i < inodes_per_block; ++i)
        if ((mask >> i & 1) != 0 && at<Inode>(block * block_size_bytes)[i].magic == inode_magic)
            return true;
    return false;
}

Reached PoolChecker::reach(BlockNumber block) {
    const int64_t group = group_of(block);
    if (group < 0)
        return Reached::outside;
    // Asked before who was first: else one wrong pointer would make all these inodes unreadable, and lost.
    if (holds_inodes(block, group))
        return Reached::inodes;
    if (bit(reached_, block) || bit(inode_blocks_, block))
        return Reached::shared;
    set_bit(reached_, block);
    return Reached::now;
}

const Inode *PoolChecker::readable_inode(InodeNumber number) const {
    BlockNumber block = number / inodes_per_block;
    if (group_of(block) < 0 || bit(reached_, block))
        return nullptr;
    const Inode *inode = at<Inode>(number * inode_size_bytes);
    return inode->magic == inode_magic ? inode : nullptr;
}

bool PoolChecker::check_superblock() {
    LayoutProblem wrong = superblock_problem(persist_, superblock_offset_);
    if (wrong.text != nullptr) {
        problem("superblock", wrong.text);
        return false;
    }
    superblock_ = at<Superblock>(superblock_offset_);
    if (superblock_->state & superblock_state_failed) // taken away by fsck, last of all
        repairable("superblock",
                   "a write error was recorded, or a repair was cut; the pool is read-only until it is checked");
    return true;
}

bool PoolChecker::check_groups() {
    const auto *table = at<GroupDescriptor>(superblock_->group_table_block * block_size_bytes);
    uint64_t next_free = 1;
    for (uint64_t i = 0; i < superblock_->group_count; ++i) {
        const GroupDescriptor &group = table[i];
        LayoutProblem wrong = group_problem(persist_, *superblock_, i, next_free);
        if (wrong.text != nullptr) {
            problem("group " + number(i), wrong.text);
            return false;
        }
        next_free = group.first_block + group.block_count;
        if (i >= groups_in_use(*superblock_))
            continue;
        groups_.push_back({group.first_block, group.block_count, group.metadata_blocks});
        report_.blocks_total += group.block_count;
    }
    return true;
}

void PoolChecker::check_orphan_table() {
    PoolOffset table_offset = superblock_->orphan_table_block * block_size_bytes;
    const auto *table = at<OrphanSlot>(table_offset);
    for (uint64_t i = 0; i < superblock_->orphan_slots; ++i) {
        InodeNumber inode_number = table[i].inode;
        if (inode_number == 0)
            continue;
        const Inode *inode = readable_inode(inode_number);
        const char *wrong = nullptr;
        if (inode == nullptr)
            wrong = "names something that is no inode";
        else if (inode->orphan_slot != i + 1)
            wrong = "names an inode that does not know of it";
        else if (inode->link_count != 0 && !(inode->flags & inode_truncating))
            wrong = "names an inode that is no orphan";
        if (wrong != nullptr) {
            if (repairable("orphan slot " + number(i), wrong)) {
                uint64_t none = 0;
                repair_bytes(table_offset + i * sizeof(OrphanSlot), &none, sizeof(none));
            }
            continue;
        }
        ++report_.orphans;
        auto [entry, fresh] = facts_.try_emplace(inode_number);
        entry->second.orphan_slot = i + 1;
        if (fresh) {
            set_bit(inode_blocks_, inode_number / inodes_per_block);
            queue_.push_back(inode_number);
        }
    }
}

// Gives an inode a free slot of the orphan table: the next first attach ends its truncation. Blocks
// behind the end may not just stay: their old bytes would be seen when the file grows.
void PoolChecker::enter_as_orphan(InodeNumber inode_number) {
    const PoolOffset table = superblock_->orphan_table_block * block_size_bytes;
    for (uint64_t i = 0; i < superblock_->orphan_slots; ++i) {
        if (at<OrphanSlot>(table)[i].inode != 0)
            continue;
        const auto slot = static_cast<uint32_t>(i + 1);
        repair_bytes(table + i * sizeof(OrphanSlot), &inode_number, sizeof(inode_number));
        repair_bytes(inode_number * inode_size_bytes + offsetof(Inode, orphan_slot), &slot, sizeof(slot));
        return;
    }
    problem("orphan table", "has no free slot");
}

// Link counts, and the fields by which an inode and its surroundings point to each other.
void PoolChecker::check_counts() {
    for (auto &[inode_number, facts] : facts_) {
        PoolOffset offset = inode_number * inode_size_bytes;
        const Inode *inode = at<Inode>(offset);
        std::string name = "inode " + number(inode_number);
        bool is_directory = S_ISDIR(inode->mode);
        bool is_root = pmemfile::is_root(*superblock_, inode_number);
        uint64_t links = facts.names;
        if (is_directory && (facts.names > 0 || is_root))
            links = 2 + facts.subdirectories;
        // Too low, the next unlink would free what a name that we have not read leads to.
        if (inode->link_count != links && (inode->link_count < links || !hides_names_) &&
            repairable(name, "link count is " + number(inode->link_count) + ", should be " + number(links))) {
            auto right = static_cast<uint32_t>(links);
            repair_bytes(offset + offsetof(Inode, link_count), &right, sizeof(right));
        }
        // The table was read before the names were known.
        const bool has_work_left = links == 0 || ((inode->flags & inode_truncating) != 0 && S_ISREG(inode->mode));
        if (facts.orphan_slot != 0 && !has_work_left) {
            if (repairable("orphan slot " + number(facts.orphan_slot - 1), "names an inode that has a name")) {
                const uint64_t none = 0;
                const PoolOffset table = superblock_->orphan_table_block * block_size_bytes;
                repair_bytes(table + (facts.orphan_slot - 1) * sizeof(OrphanSlot), &none, sizeof(none));
            }
            facts.orphan_slot = 0;
            --report_.orphans;
        }
        if (inode->orphan_slot != facts.orphan_slot &&
            repairable(name, "points to orphan slot " + number(inode->orphan_slot) + ", should be " +
                                 number(facts.orphan_slot))) {
            auto right = static_cast<uint32_t>(facts.orphan_slot);
            repair_bytes(offset + offsetof(Inode, orphan_slot), &right, sizeof(right));
        }
        if ((inode->flags & inode_truncating) != 0 && !S_ISREG(inode->mode)) {
            if (repairable(name, "is marked half truncated, but is no file")) {
                const auto right = static_cast<uint16_t>(inode->flags & ~inode_truncating);
                repair_bytes(offset + offsetof(Inode, flags), &right, sizeof(right));
            }
        } else if ((inode->flags & inode_truncating) != 0 && facts.orphan_slot == 0 &&
                   repairable(name, "is half truncated, but not in the orphan table")) {
            enter_as_orphan(inode_number);
        }
        if (!is_directory || (facts.names == 0 && !is_root) || facts.is_lost)
            continue;
        InodeNumber parent = is_root ? inode_number : facts.parent;
        if (inode->parent != parent &&
            repairable(name, "its `..` is inode " + number(inode->parent) + ", should be " + number(parent)))
            repair_bytes(offset + offsetof(Inode, parent), &parent, sizeof(parent));
        if (!is_root && inode->name_hash != facts.name_hash &&
            repairable(name, "does not know the hash of its own name"))
            repair_bytes(offset + offsetof(Inode, name_hash), &facts.name_hash, sizeof(facts.name_hash));
    }
}

void PoolChecker::cross_check_group(size_t index) {
    const GroupExtent &group = groups_[index];
    PoolOffset blocks_offset = group.first_block * block_size_bytes;
    PoolOffset inode_blocks_offset = blocks_offset + block_size_bytes;
    PoolOffset masks_offset = inode_blocks_offset + block_size_bytes;
    std::string group_name = "group " + number(index);
    bool may_free = !overlaps_ && !incomplete_;
    auto bit_of = [&](PoolOffset map, uint64_t b) { return at<uint64_t>(map)[b / 64] >> (b % 64) & 1; };
    auto set = [&](PoolOffset map, uint64_t b, bool value) {
        uint64_t word = at<uint64_t>(map)[b / 64];
        word = value ? word | uint64_t{1} << (b % 64) : word & ~(uint64_t{1} << (b % 64));
        repair_bytes(map + b / 64 * 8, &word, sizeof(word));
    };
    for (uint64_t b = 0; b < group.block_count; ++b) {
        BlockNumber block = group.first_block + b;
        std::string name = "block " + number(block);
        bool data = bit(reached_, block);
        bool holds_inodes = bit(inode_blocks_, block);
        bool inode_bit = bit_of(inode_blocks_offset, b);
        bool used_bit = bit_of(blocks_offset, b);
        uint16_t mask = at<uint16_t>(masks_offset)[b];
        bool metadata = b < group.metadata_blocks;
        if (used_bit)
            ++report_.blocks_used;
        if (metadata) {
            if (!used_bit && repairable(group_name, "its own block " + number(block) + " is marked free"))
                set(blocks_offset, b, true);
            if (inode_bit && repairable(group_name, "its own block " + number(block) + " is marked an inode block"))
                set(inode_blocks_offset, b, false);
            continue;
        }
        // Which of the 16 inodes are reachable.
        uint16_t reachable = 0;
        if (holds_inodes)
            for (unsigned i = 0; i < inodes_per_block; ++i)
                if (facts_.count(block * inodes_per_block + i))
                    reachable = static_cast<uint16_t>(reachable | 1u << i);
        if (holds_inodes && !inode_bit && repairable(name, "holds inodes but is not marked an inode block"))
            set(inode_blocks_offset, b, true);
        if (data && inode_bit && repairable(name, "holds data but is marked an inode block"))
            set(inode_blocks_offset, b, false);
        // Without its bit in the inode-block bitmap the mask means nothing.
        uint16_t seen_mask = inode_bit ? mask : 0;
        uint16_t missing = static_cast<uint16_t>(reachable & ~seen_mask);
        uint16_t lost = static_cast<uint16_t>(seen_mask & ~reachable);
        if (missing != 0)
            repairable(name, "inodes in use are marked free (mask " + number(missing) + ")");
        if (lost != 0 && !data) {
            std::string text = "has inodes that no name leads to (mask " + number(lost) + ")";
            if (may_free)
                repairable(name, text);
            else
                problem(name, text);
        }
        if (repair_ && (missing != 0 || (lost != 0 && (may_free || data)))) {
            uint16_t right = may_free || data ? reachable : static_cast<uint16_t>(reachable | seen_mask);
            repair_bytes(masks_offset + b * 2, &right, sizeof(right));
            uint32_t no_magic = 0; // a stale number must not find a lost inode again
            for (unsigned i = 0; i < inodes_per_block && !data; ++i)
                if ((lost & ~right) >> i & 1)
                    repair_bytes((block * inodes_per_block + i) * inode_size_bytes + offsetof(Inode, magic), &no_magic,
                                 sizeof(no_magic));
        }
        // An inode block without inodes is in use too; it waits for the next ones.
        bool in_use = data || holds_inodes || inode_bit;
        if (in_use && !used_bit && repairable(name, "is in use but marked free"))
            set(blocks_offset, b, true);
        if (!in_use && used_bit) {
            ++report_.blocks_leaked;
            if (!may_free)
                problem(name, "is marked in use, but nothing that can be read leads to it");
            else if (repairable(name, "is marked in use but nothing leads to it"))
                set(blocks_offset, b, false);
        }
    }
    // Bits behind the group's end must not hand anything out or be counted.
    for (uint64_t b = group.block_count; b < max_blocks_per_group; ++b)
        if (bit_of(inode_blocks_offset, b)) {
            if (repairable(group_name, "marks inode blocks behind its end"))
                set(inode_blocks_offset, b, false);
            else
                break;
        }
}

void PoolChecker::look_into_queue() {
    while (!queue_.empty()) {
        InodeNumber inode_number = queue_.front();
        queue_.pop_front();
        check_inode(inode_number);
    }
}

CheckReport PoolChecker::run() {
    if (!check_superblock() || !check_groups())
        return std::move(report_);
    pool_.persist = persist_;
    pool_.superblock_offset = superblock_offset_;
    pool_.first_group_block = groups_.front().first_block;
    reached_.assign(block_limit() / 64 + 1, 0);
    inode_blocks_.assign(block_limit() / 64 + 1, 0);
    shareable_.assign(block_limit() / 64 + 1, 0);

    for_roots(*superblock_, [&](InodeNumber root) {
        const Inode *inode = readable_inode(root);
        if (inode == nullptr || !S_ISDIR(inode->mode)) {
            problem("root directory", "is not there");
            incomplete_ = true;
        } else {
            facts_.try_emplace(root);
            set_bit(inode_blocks_, root / inodes_per_block);
            queue_.push_back(root);
        }
    });
    check_orphan_table();
    look_into_queue();
    if (facts_.contains(superblock_->root_inode))
        find_lost();
    check_counts();
    for (size_t i = 0; i < groups_.size(); ++i)
        cross_check_group(i);
    check_share_counts();
    check_inode_checksums();
    if (suppressed_repaired_ > 0)
        report_.problems.push_back({"pool", "and " + number(suppressed_repaired_) + " more problems", true, true});
    if (suppressed_ > 0)
        report_.problems.push_back({"pool", "and " + number(suppressed_) + " more problems", false, false});
    report_.medium_failed = repair_ && !persist_.fence();
    if (report_.medium_failed)
        report_.problems.push_back({"medium", "a write error: repairs may not have reached it", false, false});
    return std::move(report_);
}

CheckReport check_pool(Persist &persist, PoolOffset superblock_offset, bool repair, RepairPlan *plan) {
    return PoolChecker(persist, superblock_offset, repair && plan != nullptr, plan).run();
}

} // namespace pmemfile
