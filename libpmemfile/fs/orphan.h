// orphan: inodes that have no name any more but are still in use, or whose freeing was cut short.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// An inode may have lost its last reference: frees it if it has no name and nobody
// has it open or mapped.
void orphan_collect(Thread &thread, InodeNumber inode);
// After recovery: finishes everything in the orphan table. EUCLEAN, ENOSPC never.
base::Status orphan_collect_all(Thread &thread);

} // namespace pmemfile
