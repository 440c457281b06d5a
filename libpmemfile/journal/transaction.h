// transaction: several calls of one thread that are committed together, or not at all.
//
//     begin ── call ── call ── … ── commit      one record, one commit point
//                                └─ abort       nothing has happened
//
// While it is open its thread sees the pool through a private copy-on-write mapping, in which its calls
// take effect; everybody else sees the pool as it was. Nobody else may change the pool
// meanwhile (runtime/transaction_gate.h): who wants to waits until the transaction has ended, so
// there are no conflicts. Readers never wait. A process that dies in a transaction leaves no
// trace. What is not in the pool is not part of it: offsets of descriptions, advisory locks.
#pragma once

#include "base/result.h"
#include "libpmemfile/runtime/pool.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

// Bytes of changes that fit in a transaction of this pool: a record takes at most half a ring.
// Data of whole blocks is not among them.
uint64_t transaction_max_bytes(const Superblock &superblock);

// One transaction at a time; used by the thread that began it. Several threads may begin in one object:
// the second waits, as it would with an object of its own. About 300 bytes; memory comes with begin().
class Transaction {
public:
    Transaction() = default;
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;

    // Opens it: `thread.pool` is the view afterwards. Waits for another one of this pool and for calls
    // under way. The thread is in no call. Errors: EBUSY (the thread has one open), EROFS (the pool may
    // not be changed), ENOTSUP (the pool cannot be mapped privately: device-dax), ENOMEM.
    base::Status begin(Thread &thread);
    // Makes everything durable and visible at once and closes it. The fresh blocks' data and the record
    // take two fences in all (one if there are no fresh blocks). Afterwards calls orphaned(thread, inode)
    // for each inode that went to the orphan table: its last name is gone, perhaps its last user too.
    // Errors, with nothing done: ENOBUFS when a call has said so, EIO, EROFS.
    base::Status commit(Thread &thread, void (*orphaned)(Thread &, InodeNumber));
    // Forgets everything and closes it.
    void abort(Thread &thread);
    // The errno that commit() will say because a call did not fit; 0 if there is none.
    int refused() const {
        return refused_;
    }

    // From Call::commit: the changes of one call, the first `used_bytes` of `record`. They are stored
    // in the view. ENOBUFS when the transaction would be too large: then it cannot be committed any more.
    base::Status add(Thread &thread, const RecordHeader &record, uint32_t used_bytes);

private:
    base::Status make_view(const Thread &thread);
    base::Status copy_fresh_blocks();
    void close(Thread &thread);
    const RecordHeader &record() const {
        return *reinterpret_cast<const RecordHeader *>(buffer_);
    }

    Pool view_;
    Pool *real_ = nullptr;
    std::byte *buffer_ = nullptr; // the record: header and changes
    uint64_t limit_bytes_ = 0;
    uint64_t used_bytes_ = 0;
    uint32_t change_count_ = 0;
    int refused_ = 0; // errno that commit() will say
};

} // namespace pmemfile
