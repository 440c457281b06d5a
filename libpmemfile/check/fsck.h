// fsck: all that a check of a pool does, in order: the tables, the journal's rings,
// recovery, and the tree. What the tool `pmemfile fsck` runs, and the tests.
#pragma once

#include "libpmemfile/check/checker.h"
#include "libpmemfile/journal/recovery.h"

namespace pmemfile {

struct FsckReport {
    CheckReport check;       // all problems, the rings' first
    RecoveryReport recovery; // of the journal
    bool replayed = false;   // false: tables or rings are damaged, so the tree was looked at without recovery
};

// Checks a pool that nobody is attached to. Recovery changes the pool's bytes, also without
// `repair`: to look only, give it a private copy. With `repair` what can be repaired is; each
// problem says whether it was. A crash at any moment of it leaves a pool that the next run can repair.
// Uses the heap. Always succeeds.
FsckReport fsck_pool(Persist &persist, PoolOffset superblock_offset, bool repair);

} // namespace pmemfile
