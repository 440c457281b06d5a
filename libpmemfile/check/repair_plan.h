// repair_plan: repairs that need the engine itself: names and blocks. The checker writes
// them down while it reads, fsck has them done when all else is sound.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/thread.h"

#include <string>
#include <vector>

namespace pmemfile {

// A name that an inode is to get. Its link count has it already.
struct Reconnection {
    InodeNumber directory = 0; // 0: lost+found
    std::string name;
    InodeNumber child = 0;
};

struct RepairPlan {
    std::vector<InodeNumber> to_empty; // directories whose trie is given up; their blocks are free already
    std::vector<Reconnection> names;

    bool empty() const {
        return to_empty.empty() && names.empty();
    }
};

// Carries the plan out in a pool that `thread` alone has attached, each step one record. Makes
// /lost+found (mode 0700) when it is needed. Cut at any moment, the next check finds the inodes that
// have no name yet as lost. Stops at the first error: ENOSPC, ENOTDIR (there is a lost+found that is no
// directory), EUCLEAN, EIO.
base::Status repair_plan_apply(Thread &thread, const RepairPlan &plan);

} // namespace pmemfile
