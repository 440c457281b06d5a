// call: one filesystem call that changes the pool, from its first lock to its last unlock.
//
//   lock inodes → look → claim blocks, write fresh ones → add changes → commit() → unlock
//
// commit() is the only place where the pool changes (but for fresh blocks):
// it writes one record with one fence, stores the changes home and starts
// their write-back. A call that never commits leaves no trace: its claims are
// undone by the destructor. commit() may be called several times for long work
// in steps; the locks stay.
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"
#include "libpmemfile/journal/commit.h"
#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/runtime/thread.h"

#include <initializer_list>

namespace pmemfile {

class Call {
public:
    explicit Call(Thread &thread);
    ~Call(); // undoes claims that were not committed, unlocks
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;

    Thread &thread() const {
        return thread_;
    }
    Pool &pool() const {
        return *thread_.pool;
    }

    // Locks the stripes of these inodes in order (0s and repeats are skipped).
    // Called once; to lock another set, unlock() first. At most 8 inodes.
    // Waits while another thread's transaction commits. EROFS when the pool is read-only or has
    // failed. In a transaction EAGAIN when one of them, or anything looked at before, has been changed since it
    // began; EBUSY when one of them is mapped shared and writable by somebody.
    base::Status lock(std::initializer_list<InodeNumber> inodes);
    // The same for a call that changes only what is volatile: also on a pool that may not be changed.
    void lock_volatile(std::initializer_list<InodeNumber> inodes);
    // Takes the lock of all share counts, if the call does not hold it: it is the last stripe, so it may be
    // taken after lock(). Given back with the others. EAGAIN, in a transaction, as lock().
    base::Status lock_share_counts();
    // Takes the pool-wide lock of directory renames; before lock().
    void lock_rename();
    bool holds(InodeNumber inode) const;
    // Is one of the locked inodes mapped by anybody, or one that shares a stripe with it? In a transaction one may be
    // when it commits: always true.
    bool may_change_mapped() const;
    // Undoes uncommitted claims and changes and gives all locks back.
    void unlock();

    // Changes, in the order in which they are applied. The bytes are copied
    // now. Nothing is seen at home before commit(). Too many changes for one
    // record: the call remembers it and commit() says ENOBUFS.
    void store(PoolOffset target, const void *bytes, size_t size_bytes);
    void store64(PoolOffset target, uint64_t value) {
        store(target, &value, sizeof(value));
    }
    void zero(PoolOffset target, size_t size_bytes);
    // `count` consecutive 64-bit words: first_value, first_value + stride, ...
    void fill_pointers(PoolOffset target, uint32_t count, uint64_t first_value, uint64_t stride);
    // Reserves a `store` of `size_bytes` and returns where its bytes go, so that application
    // memory is read once, straight into the record (hazard 7). Null when the record is full.
    std::byte *store_in_place(PoolOffset target, size_t size_bytes);
    // A claimed run becomes allocated / an allocated run becomes free. Freed
    // blocks are handed out again only after commit and home stores (hazard 2). What is freed was
    // read from the media: when it is none of a group's blocks, commit() says EUCLEAN and does nothing.
    void take_blocks(BlockRun run);
    void free_blocks(BlockRun run);
    void take_inode_block(BlockNumber block);
    void free_inode_block(BlockNumber block);
    void take_inode(InodeNumber inode);
    void free_inode(InodeNumber inode);

    // What stands at `target`, with what the stores of this record so far will put there (its fills and
    // zeros are not looked at).
    void load_pending(PoolOffset target, void *bytes, size_t size_bytes) const;

    // Bytes that still fit in the record (a change costs 16 + its payload
    // rounded up to 8).
    size_t room_bytes() const;
    bool empty() const {
        return change_count_ == 0;
    }

    // Fence for fresh data that must be durable before the record that points
    // to it is (data in fresh blocks; two fences in all). False → EIO.
    base::Status fence_data();

    // For stores that are seen by readers but do not go through a record
    // (files under a writable shared mapping): makes the sequence counters of
    // the locked inodes odd and even again.
    void begin_direct_stores();
    void end_direct_stores();

    // Makes all changes at once, durably; in a transaction, adds them to it. Afterwards the call is empty again
    // and its locks are still held. Errors: ENOBUFS (too many changes, nothing
    // done), EUCLEAN (damage: something is freed that cannot be; nothing done), EROFS (medium failed), EIO (the medium
    // failed now).
    base::Status commit();
    // Undoes uncommitted claims and changes; the locks are still held.
    void discard();

private:
    Change *add(ChangeKind kind, uint64_t target, uint32_t length, size_t payload_bytes);
    void forget();
    bool may_free(BlockRun run);
    base::Status lock_in_transaction(std::initializer_list<InodeNumber> inodes);
    bool note_in_transaction();
    void add_stripe(uint32_t stripe);
    CommitScope scope();

    Thread &thread_;
    static constexpr unsigned max_stripes = 9; // 8 inodes, and the share counts

    uint32_t stripes_[max_stripes];
    Stripe *places_[max_stripes]; // filled by scope()
    unsigned stripe_total_ = 0;
    bool rename_locked_ = false;
    int refused_ = 0; // errno that commit() will say
    bool has_frees_ = false;
    uint32_t change_count_ = 0;
    uint32_t used_bytes_ = sizeof(RecordHeader);
};

} // namespace pmemfile
