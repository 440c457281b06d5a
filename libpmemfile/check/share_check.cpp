// The counts of shared blocks are derived: how often the maps of files lead to a block, less one. Two files that
// lead to one block are an error unless both are flagged as ones that may share, or the block's count
// says that it is shared: then a flag is what has been lost.
//
//   maps of all files ──► pointers to each block ──compare──► share counts of the groups
#include "libpmemfile/check/pool_checker.h"
#include "libpmemfile/space/share_count.h"

#include <sys/stat.h>

namespace pmemfile {

// The file leads to a data block that nothing has led to before.
void PoolChecker::note_data_block(InodeNumber number, const Inode &inode, BlockNumber block) {
    if (!S_ISREG(inode.mode) || !has_share_counts(pool_))
        return;
    const bool is_flagged = (inode.flags & inode_may_share) != 0;
    const bool has_count = share_count(pool_, block) != 0;
    if (is_flagged || has_count)
        set_bit(shareable_, block);
    if (!is_flagged && has_count)
        unflagged_.emplace_back(number, block);
}

// The file leads to a block that something has led to before. If it may, that is counted.
bool PoolChecker::is_shared_rightly(InodeNumber number, const Inode &inode, BlockNumber block) {
    if (!S_ISREG(inode.mode) || !bit(shareable_, block))
        return false;
    if ((inode.flags & inode_may_share) == 0) {
        if (share_count(pool_, block) == 0)
            return false;
        unflagged_.emplace_back(number, block);
    }
    ++sharers_[block];
    return true;
}

void PoolChecker::check_share_counts() {
    report_.blocks_shared = sharers_.size();
    if (!has_share_counts(pool_))
        return;
    for (const auto &[number, block] : unflagged_) {
        const PoolOffset place = number * inode_size_bytes + offsetof(Inode, flags);
        const auto flags = static_cast<uint16_t>(*at<uint16_t>(place) | inode_may_share);
        if (sharers_.contains(block) && flags != *at<uint16_t>(place) &&
            repairable("inode " + std::to_string(number), "shares blocks, but is not flagged as one that may"))
            repair_bytes(place, &flags, sizeof(flags));
    }
    const bool all_known = !overlaps_ && !incomplete_;
    for (const GroupExtent &group : groups_)
        for (uint64_t b = 0; b < group.block_count; ++b) {
            const BlockNumber block = group.first_block + b;
            const PoolOffset place = share_count_offset(pool_, block);
            const uint64_t found = *at<ShareCount>(place);
            const auto sharers = sharers_.find(block);
            const uint64_t right = sharers == sharers_.end() ? 0 : sharers->second;
            if (found == right)
                continue;
            const std::string name = "block " + std::to_string(block);
            const std::string text = "share count is " + std::to_string(found) + ", should be " + std::to_string(right);
            // Too low, a block would be freed under its other owner; too high, it is only never freed.
            if (right > max_share_count || (right < found && !all_known)) {
                problem(name, text);
            } else if (repairable(name, text)) {
                const auto count = static_cast<ShareCount>(right);
                repair_bytes(place, &count, sizeof(count));
            }
        }
}

} // namespace pmemfile
