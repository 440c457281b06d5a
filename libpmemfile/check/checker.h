// checker: fsck's engine: reads every structure of a pool and says what is wrong.
//
// Works on a pool nobody is attached to (or on a crash image in memory), after
// journal recovery. Uses the heap; never runs in a hook. Every pointer is
// checked before it is followed: a hostile pool gives problems, not crashes.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/persist/persist.h"

#include <string>
#include <vector>

namespace pmemfile {

struct CheckProblem {
    std::string structure; // "superblock", "group 3", "inode 12345", "directory …", "block 77"
    std::string text;      // what is wrong, for a person
    bool repairable = false;
    bool repaired = false;
};

struct CheckReport {
    std::vector<CheckProblem> problems;
    uint64_t inodes = 0, directories = 0, files = 0, symlinks = 0, orphans = 0;
    uint64_t blocks_total = 0, blocks_used = 0, blocks_leaked = 0;
    bool medium_failed = false; // repairs may not have reached it
    uint64_t blocks_shared = 0; // data of several files, or of several places of one
};

struct RepairPlan;

// Checks superblock, group table, bitmaps, inode masks, every inode reachable from the root
// and the orphan table, block maps, extended attributes, directory tries and leaves, link counts; cross-checks
// bitmaps with what is reachable (leaked or doubly used blocks, lost inodes). With
// `repair`: bitmaps, link counts, entry counts, dangling entries, orphans, damaged extended attributes (they go),
// pointers that lead nowhere; stores through `persist`. What needs names or blocks (lost inodes, damaged directories)
// goes into `plan`, to be done afterwards (repair_plan.h); without a plan nothing is repaired. The first repair marks
// the pool as failed, and the caller takes the mark away when the plan is done. Always succeeds (problems are in the
// report; what is in the plan counts as repaired).
CheckReport check_pool(Persist &persist, PoolOffset superblock_offset, bool repair, RepairPlan *plan = nullptr);

} // namespace pmemfile
