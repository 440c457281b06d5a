// Inodes that are in use, by mask, magic and link count, and that no name leads to. They
// are put into lost+found, directories with all that is below them:
//
//     1. directories that no other lost one names     (they bring their subtrees)
//     2. the rest of the directories                  (circles: the first one is taken, its second name goes)
//     3. what is still without a name
#include "libpmemfile/check/pool_checker.h"

#include "libpmemfile/names/directory.h"

#include <sys/stat.h>

namespace pmemfile {

namespace {

const char *kind_of(uint32_t mode) {
    return S_ISDIR(mode) ? "directory" : S_ISREG(mode) ? "file" : S_ISLNK(mode) ? "symlink" : "special file";
}

bool has_type(uint32_t mode) {
    return S_ISDIR(mode) || S_ISREG(mode) || S_ISLNK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) ||
           S_ISBLK(mode);
}

} // namespace

std::vector<InodeNumber> PoolChecker::lost_inodes() const {
    std::vector<InodeNumber> lost;
    for (const GroupExtent &group : groups_) {
        const auto *inode_blocks = at<uint64_t>((group.first_block + 1) * block_size_bytes);
        const auto *masks = at<uint16_t>((group.first_block + 2) * block_size_bytes);
        for (uint64_t b = group.metadata_blocks; b < group.block_count; ++b) {
            if ((inode_blocks[b / 64] >> (b % 64) & 1) == 0)
                continue;
            for (unsigned i = 0; i < inodes_per_block; ++i) {
                InodeNumber number = (group.first_block + b) * inodes_per_block + i;
                if ((masks[b] >> i & 1) == 0 || facts_.contains(number))
                    continue;
                const Inode *inode = readable_inode(number);
                // Without a link it was removed while it was open: nothing to keep.
                if (inode != nullptr && inode->link_count != 0 && has_type(inode->mode))
                    lost.push_back(number);
            }
        }
    }
    return lost;
}

// True when a lost directory has an entry for this one.
bool PoolChecker::is_named_by_lost(InodeNumber number) const {
    const Inode *inode = readable_inode(number);
    if (inode == nullptr || inode->parent == number || facts_.contains(inode->parent))
        return false;
    const Inode *parent = readable_inode(inode->parent);
    if (parent == nullptr || !S_ISDIR(parent->mode) || parent->link_count == 0)
        return false;
    char name[name_max_bytes + 1];
    auto length = directory_name_of(pool_, *parent, inode->name_hash, number, name);
    return length.ok() && *length != 0;
}

void PoolChecker::adopt(InodeNumber number) {
    const Inode *inode = readable_inode(number);
    if (inode == nullptr || facts_.contains(number) || hides_names_) // it may have a name still
        return;
    std::string name = "#" + std::to_string(number);
    InodeFacts &facts = facts_[number];
    facts.names = 1;
    facts.is_lost = true;
    set_bit(inode_blocks_, number / inodes_per_block);
    if (repairable("inode " + std::to_string(number), std::string("is a ") + kind_of(inode->mode) +
                                                          " that no name leads to; it becomes lost+found/" + name))
        plan_->names.push_back({0, name, number});
    queue_.push_back(number);
    look_into_queue();
}

void PoolChecker::find_lost() {
    const std::vector<InodeNumber> lost = lost_inodes();
    auto is_directory = [&](InodeNumber number) { return S_ISDIR(at<Inode>(number * inode_size_bytes)->mode); };
    for (InodeNumber number : lost)
        if (is_directory(number) && !is_named_by_lost(number))
            adopt(number);
    for (InodeNumber number : lost)
        if (is_directory(number))
            adopt(number);
    for (InodeNumber number : lost)
        adopt(number);
}

} // namespace pmemfile
