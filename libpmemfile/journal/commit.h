// commit: how a finished record is written, made durable and stored home.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/thread.h"

#include <atomic>
#include <span>

namespace pmemfile {

// Counters that are odd while a commit's changes are stored home, so that readers look again.
using SequenceCounters = std::span<std::atomic<uint64_t> *const>;

// Makes the counters odd, and even again, around stores that readers may see half done.
void sequences_begin(SequenceCounters sequences);
void sequences_end(SequenceCounters sequences);

// Commits `record`, of which length and change count are set and the tail is zeroed: LSN and place
// in a ring are given to it, one fence, its changes are stored home while `sequences` are odd, this
// thread's claims are kept, and what it frees (has_frees) becomes claimable. The caller holds the
// locks of what is changed. On an error before the commit point nothing is done and the claims stand.
// Errors: EIO (the medium failed; if only with the last fence, the changes are visible all the same).
base::Status record_commit(Thread &thread, RecordHeader &record, SequenceCounters sequences, bool has_frees);

// After a record's home stores: what it freed becomes claimable, what it added
// is known to the space map. Used by a commit and by settling a dead thread.
void release_after_commit(Thread &thread, const RecordHeader &record);

} // namespace pmemfile
