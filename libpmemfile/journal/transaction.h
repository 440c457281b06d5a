// transaction: several calls of one thread that are committed together, or not at all.
//
//     begin ── call ── call ── … ── commit      one record, one commit point
//                                └─ abort       nothing has happened
//
// While it is open its thread sees the pool through a private copy-on-write mapping, in which its calls
// take effect; everybody else sees the pool as it was, and may change it: an idle transaction holds nobody up. What
// the transaction looks at must be as it was at its beginning, or it ends with EAGAIN and the
// program begins anew (optimistic concurrency, Kung and Robinson 1981). A process that dies in one leaves
// no trace. What is not in the pool is not part of it: offsets of descriptions, advisory locks.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/pool.h"
#include "libpmemfile/runtime/thread.h"
#include "libpmemfile/runtime/transaction_gate.h"

namespace pmemfile {

// Bytes of changes that fit in a transaction of this pool: a record takes at most half a ring.
// Data of whole blocks is not among them.
uint64_t transaction_max_bytes(const Superblock &superblock);

// One at a time, of one thread. About 2.5 KiB; more memory comes with begin().
class Transaction {
public:
    Transaction() = default;
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;

    // Opens it: `thread.pool` is the view afterwards. Waits for calls under way. The thread is in no call.
    // When it has ended, orphaned(thread, inode) is called for each inode that may have lost its last name and
    // its last user in it.
    // Errors: EBUSY (the thread has one open), EAGAIN (max_transactions are), EROFS (the pool may
    // not be changed), ENOTSUP (the pool cannot be mapped privately: device-dax), ENOMEM.
    base::Status begin(Thread &thread, void (*orphaned)(Thread &, InodeNumber));
    // Makes everything durable and visible at once and closes it. The fresh blocks' data and the record
    // take two fences in all (one if there are no fresh blocks).
    // Errors, with nothing done: EAGAIN when others have changed what it has looked at, ENOBUFS when a
    // call has said so, EIO, EROFS.
    base::Status commit(Thread &thread);
    // Forgets everything and closes it.
    void abort(Thread &thread);
    // The errno that commit() will say because of what a call has met; 0 if there is none so far. What calls gave
    // since then may be a mixture.
    int refused() const {
        return reads_.is_stale ? EAGAIN : refused_;
    }

    // From Call::commit: the changes of one call, the first `used_bytes` of `record`. They are stored
    // in the view. ENOBUFS when the transaction would be too large: then it cannot be committed any more.
    base::Status add(Thread &thread, const RecordHeader &record, uint32_t used_bytes);
    // A last use has ended in it, of an inode that others may have taken the last name from meanwhile. Only
    // the pool knows, not the view.
    void note_ended_use() {
        has_ended_uses_ = true;
    }

private:
    base::Status make_view(const Thread &thread);
    base::Status copy_fresh_blocks();
    base::Status commit_record(Thread &thread);
    bool is_as_it_was() const;
    void close(Thread &thread);
    const RecordHeader &record() const {
        return *reinterpret_cast<const RecordHeader *>(buffer_);
    }

    Pool view_;
    TransactionReads reads_ = {};
    Pool *real_ = nullptr;
    std::byte *buffer_ = nullptr; // the record: header and changes
    uint64_t limit_bytes_ = 0;
    uint64_t used_bytes_ = 0;
    uint32_t change_count_ = 0;
    int refused_ = 0; // ENOBUFS
    bool has_ended_uses_ = false;
    void (*orphaned_)(Thread &, InodeNumber) = nullptr;
};

} // namespace pmemfile
