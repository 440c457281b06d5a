// recovery: after a crash, brings the pool to the state of the last committed
// record. Run by the first process to attach, alone.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/persist/persist.h"
#include "libpmemfile/runtime/pool.h"

namespace pmemfile {

// What recovery found and did.
struct RecoveryReport {
    uint64_t records_found = 0;   // valid, above the watermark
    uint64_t records_applied = 0; // = found
    uint64_t changes_revoked = 0; // skipped: their block was freed later
    Lsn last_lsn = 0;             // next LSN must be above it
};

// Replays all records above the watermark in LSN order, makes the result
// durable, raises the watermark and moves the rings' starts. Idempotent: a
// crash in the middle leaves the same work to do. `head_positions` receives
// where each ring goes on. Errors: EUCLEAN (tables damaged), EIO.
base::Result<RecoveryReport> journal_recover(Persist &persist, PoolOffset superblock_offset, uint64_t *head_positions);

// Calls each(context, target) for the changes of bytes in all records that recovery would apply. Nobody commits
// meanwhile.
void journal_live_stores(const Pool &pool, void *context, void (*each)(void *context, PoolOffset target));

} // namespace pmemfile
