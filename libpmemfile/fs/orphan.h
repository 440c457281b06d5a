// orphan: inodes that have no name any more but are still in use, or whose freeing was cut short.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// An inode may have lost its last reference: frees it if it has no name and nobody
// has it open or mapped.
void orphan_collect(Thread &thread, InodeNumber inode);
// After recovery: finishes everything in the orphan table that nobody uses. ENOSPC never; EUCLEAN when the
// table names something that is no inode: only the first process of a pool may take that for damage.
base::Status orphan_collect_all(Thread &thread);
// Settles the processes that have died (journal/settle.h), and ends what they left in the orphan table. True when there
// were any.
bool orphan_settle_dead(Thread &thread);

} // namespace pmemfile
