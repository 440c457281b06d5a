// block_hog: takes the blocks and inodes of a pool but for some, by other threads' claims, which are as good as used
// and end without a trace.
#pragma once

#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/runtime/thread.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <vector>

namespace pmemfile {

class BlockHog {
    void add_thread() {
        threads_.push_back(std::make_unique<Thread>());
        if (!thread_register(*threads_.back(), pool_).ok())
            throw std::runtime_error("no thread slot");
    }
    // What `one` claims for a thread of ours that has room in its list.
    template <typename Claim> auto claim(Claim &&one) {
        if (threads_.empty())
            add_thread();
        auto claimed = one(*threads_.back());
        if (!claimed.ok()) { // its list is full
            add_thread();
            claimed = one(*threads_.back());
        }
        return *claimed;
    }

public:
    explicit BlockHog(Pool &pool) : pool_(pool) {}
    ~BlockHog() {
        release();
    }
    BlockHog(const BlockHog &) = delete;
    BlockHog &operator=(const BlockHog &) = delete;
    void leave_blocks(Thread &looker, uint64_t count) {
        for (uint64_t free = space_map_free_blocks(looker); free > count; free = space_map_free_blocks(looker))
            for (uint64_t group = 0; group < groups_in_use(pool_.superblock()) && free > count; ++group) {
                const auto want = static_cast<uint32_t>(std::min<uint64_t>(free - count, 32768));
                free -= claim([&](Thread &thread) { return space_map_claim_blocks(thread, group, want); }).count;
            }
    }
    void take_inodes() {
        for (uint64_t group = 0; group < groups_in_use(pool_.superblock()); ++group)
            while (claim([&](Thread &thread) { return space_map_claim_inode(thread, group); }) != 0) {
            }
    }
    void release() {
        for (auto &thread : threads_) {
            space_map_undo_claims(*thread, thread->slot);
            thread_release(*thread);
        }
        threads_.clear();
    }

private:
    Pool &pool_;
    std::vector<std::unique_ptr<Thread>> threads_;
};

} // namespace pmemfile
