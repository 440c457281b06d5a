// commit: how a finished record is written, made durable and stored home.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/runtime/thread.h"

#include <span>

namespace pmemfile {

// What a commit changes: the locked stripes of a call; or all that a transaction's calls have locked, under the
// transactions' counter.
struct CommitScope {
    std::span<Stripe *const> stripes;
    OpenTransaction *transaction = nullptr;
};

// Makes the scope's counters odd, and even again, around stores that readers may see half done.
void scope_begin(Segment &segment, const CommitScope &scope);
void scope_end(Segment &segment, const CommitScope &scope);

// Commits `record`, of which length and change count are set and the tail is zeroed: LSN and place
// in a ring are given to it, one fence, its changes are stored home while the scope's counters are odd, this
// thread's claims are kept, and what it frees (has_frees) becomes claimable. The caller holds the
// locks of what is changed. On an error before the commit point nothing is done and the claims stand.
// Errors: EIO (the medium failed; if only with the last fence, the changes are visible all the same).
base::Status record_commit(Thread &thread, RecordHeader &record, const CommitScope &scope, bool has_frees);

// The stripes' last LSN becomes `lsn`; their counters are odd.
void scope_stamp(Segment &segment, const CommitScope &scope, Lsn lsn);

// After a record's home stores: what it freed becomes claimable, what it added
// is known to the space map. What is freed of the inodes in `held_for` (quarantine.h) is held back.
void release_after_commit(Thread &thread, const RecordHeader &record, uint64_t held_for);

} // namespace pmemfile
