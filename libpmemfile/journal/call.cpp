// A call's changes are laid down as they will stand in the ring:
//
//   Thread::record   │header│change│payload│change│…│
//        │ commit
//        ├── record_commit ─────► ring, home locations (commit.cpp)
//        └── or, in a transaction ─► its list (transaction.cpp)
#include "libpmemfile/journal/call.h"

#include "libpmemfile/journal/commit.h"
#include "libpmemfile/journal/record.h"
#include "libpmemfile/journal/transaction.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/runtime/stripe.h"
#include "libpmemfile/runtime/transaction_gate.h"

#include <algorithm>
#include <cstring>

namespace pmemfile {

Call::Call(Thread &thread) : thread_(thread) {}

Call::~Call() {
    unlock();
}

base::Status Call::lock(std::initializer_list<InodeNumber> inodes) {
    if (pool().read_only || pool().segment->failed.load(std::memory_order_relaxed) != 0)
        return base::error(EROFS);
    lock_volatile(inodes);
    return pool().transaction == nullptr ? base::Status() : lock_in_transaction(inodes);
}

// What the call is about must be as it was when the transaction began, and what it may change is noted.
bool Call::note_in_transaction() {
    Segment &segment = *pool().segment;
    OpenTransaction &transaction = segment.transactions()[thread_.slot_state().transaction.load() - 1];
    for (unsigned i = 0; i < stripe_total_; i++) {
        transaction_look(*pool().reads, segment, segment.stripes()[stripes_[i]]);
        std::atomic<uint64_t> &word = transaction.locked[stripes_[i] / 64];
        word.store(word.load(std::memory_order_relaxed) | uint64_t{1} << (stripes_[i] % 64));
    }
    return !pool().reads->is_stale;
}

base::Status Call::lock_in_transaction(std::initializer_list<InodeNumber> inodes) {
    if (!note_in_transaction())
        return base::error(EAGAIN);
    // Stores through a mapping reach the pool at once: no part of what may be undone.
    for (InodeNumber inode : inodes)
        if (inode != 0 && is_mapped_writable(thread_, inode))
            return base::error(EBUSY);
    return {};
}

// Keeps them in order, each once.
void Call::add_stripe(uint32_t stripe) {
    unsigned i = stripe_total_;
    while (i > 0 && stripes_[i - 1] > stripe)
        --i;
    if (i > 0 && stripes_[i - 1] == stripe)
        return;
    std::copy_backward(stripes_ + i, stripes_ + stripe_total_, stripes_ + stripe_total_ + 1);
    stripes_[i] = stripe;
    ++stripe_total_;
}

// A set of locks that is known at run time only, kept in the call: none for the analysis. So with unlock().
void Call::lock_volatile(std::initializer_list<InodeNumber> inodes) BASE_NO_THREAD_SAFETY_ANALYSIS {
    Segment &segment = *pool().segment;
    for (InodeNumber inode : inodes)
        if (inode != 0)
            add_stripe(stripe_of(inode));
    for (;;) {
        for (unsigned i = 0; i < stripe_total_; i++)
            robust_lock(thread_, segment.stripes()[stripes_[i]].lock);
        if (!transaction_bars(thread_))
            return;
        for (unsigned i = stripe_total_; i > 0; i--)
            robust_unlock(thread_, segment.stripes()[stripes_[i - 1]].lock);
        transaction_wait(thread_);
    }
}

// Last in the order of stripes. Who commits a transaction waits until the call gives its first stripe back, so
// the gate, once passed, need not be looked at again.
base::Status Call::lock_share_counts() BASE_NO_THREAD_SAFETY_ANALYSIS {
    constexpr uint32_t last = stripe_count - 1;
    if (stripe_total_ != 0 && stripes_[stripe_total_ - 1] == last)
        return {};
    robust_lock(thread_, pool().segment->stripes()[last].lock);
    stripes_[stripe_total_++] = last;
    return pool().transaction == nullptr || note_in_transaction() ? base::Status() : base::error(EAGAIN);
}

void Call::lock_rename() BASE_NO_THREAD_SAFETY_ANALYSIS {
    robust_lock(thread_, pool().segment->rename_lock);
    rename_locked_ = true;
}

bool Call::holds(InodeNumber inode) const {
    return std::find(stripes_, stripes_ + stripe_total_, stripe_of(inode)) != stripes_ + stripe_total_;
}

void Call::unlock() BASE_NO_THREAD_SAFETY_ANALYSIS {
    discard();
    Segment &segment = *pool().segment;
    while (stripe_total_ > 0)
        robust_unlock(thread_, segment.stripes()[stripes_[--stripe_total_]].lock);
    if (rename_locked_)
        robust_unlock(thread_, segment.rename_lock);
    rename_locked_ = false;
}

// Forgets the changes that were not committed and undoes their claims.
void Call::discard() {
    if (space_map_has_claims(thread_))
        space_map_undo_claims(thread_, thread_.slot);
    forget();
}

// Where there are no claims to undo: they have been kept.
void Call::forget() {
    change_count_ = 0;
    used_bytes_ = sizeof(RecordHeader);
    refused_ = 0;
    has_frees_ = false;
}

Change *Call::add(ChangeKind kind, uint64_t target, uint32_t length, size_t payload_bytes) {
    const size_t needed = sizeof(Change) + ((payload_bytes + 7) & ~size_t{7});
    if (refused_ != 0 || used_bytes_ + needed > max_record_bytes) {
        if (refused_ == 0)
            refused_ = ENOBUFS;
        return nullptr;
    }
    auto *change = reinterpret_cast<Change *>(thread_.record() + used_bytes_);
    std::memset(change, 0, sizeof(Change));
    change->kind = kind;
    change->length = length;
    change->target = target;
    if (payload_bytes % 8 != 0) // the padding is part of the checksum
        std::memset(thread_.record() + used_bytes_ + needed - 8, 0, 8);
    used_bytes_ += static_cast<uint32_t>(needed);
    change_count_++;
    if (kind <= ChangeKind::fill_pointers) // its home is fetched while the fence is waited for
        asm volatile("prefetchw %0" : : "m"(*pool().at<char>(target)));
    return change;
}

void Call::store(PoolOffset target, const void *bytes, size_t size_bytes) {
    if (std::byte *place = store_in_place(target, size_bytes))
        std::memcpy(place, bytes, size_bytes);
}

std::byte *Call::store_in_place(PoolOffset target, size_t size_bytes) {
    Change *change = add(ChangeKind::store, target, static_cast<uint32_t>(size_bytes), size_bytes);
    return change == nullptr ? nullptr : reinterpret_cast<std::byte *>(change + 1);
}

// A change for each block: recovery leaves out those of blocks that have been freed since, and no others.
void Call::zero(PoolOffset target, size_t size_bytes) {
    while (size_bytes != 0) {
        const size_t part_bytes = std::min<size_t>(size_bytes, block_size_bytes - target % block_size_bytes);
        add(ChangeKind::zero, target, static_cast<uint32_t>(part_bytes), 0);
        target += part_bytes;
        size_bytes -= part_bytes;
    }
}

void Call::fill_pointers(PoolOffset target, uint32_t count, uint64_t first_value, uint64_t stride) {
    if (Change *change = add(ChangeKind::fill_pointers, target, count, sizeof(PointerFill)))
        *reinterpret_cast<PointerFill *>(change + 1) = {first_value, stride};
}

void Call::take_blocks(BlockRun run) {
    if (is_seeded(SeededFault::taken_blocks_not_recorded))
        return;
    add(ChangeKind::take_blocks, run.first, run.count, 0);
}

// Bitmap words are computed from what is freed: outside a group they would lie anywhere. The space map is
// told that something of the group comes back.
bool Call::may_free(BlockRun run) {
    const uint64_t group = group_of_block(pool(), run.first);
    if (group < groups_in_use(pool().superblock())) {
        const GroupDescriptor &descriptor = group_descriptor(pool(), group);
        const uint64_t index = run.first - descriptor.first_block;
        if (index >= descriptor.metadata_blocks && run.count <= descriptor.block_count - index) {
            space_map_expect_release(thread_, group);
            return true;
        }
    }
    refused_ = EUCLEAN;
    return false;
}

bool Call::may_change_mapped() const {
    if (pool().transaction != nullptr)
        return true;
    return std::any_of(stripes_, stripes_ + stripe_total_, [this](uint32_t stripe) {
        return pool().segment->stripes()[stripe].pin_hint.load() != 0;
    });
}

void Call::free_blocks(BlockRun run) {
    if (!may_free(run))
        return;
    has_frees_ = true;
    if (!is_seeded(SeededFault::freed_blocks_not_recorded))
        add(ChangeKind::free_blocks, run.first, run.count, 0);
}

void Call::take_inode_block(BlockNumber block) {
    has_frees_ = true; // the space map learns of it after commit, like of frees
    add(ChangeKind::take_inode_block, block, 1, 0);
}

void Call::free_inode_block(BlockNumber block) {
    if (!may_free({block, 1}))
        return;
    has_frees_ = true;
    add(ChangeKind::free_inode_block, block, 1, 0);
}

void Call::take_inode(InodeNumber inode) {
    if (is_seeded(SeededFault::taken_inode_not_recorded))
        return;
    add(ChangeKind::take_inode, inode, 1, 0);
}

void Call::free_inode(InodeNumber inode) {
    if (!may_free({inode / inodes_per_block, 1}))
        return;
    has_frees_ = true;
    add(ChangeKind::free_inode, inode, 1, 0);
}

void Call::load_pending(PoolOffset target, void *bytes, size_t size_bytes) const {
    std::memcpy(bytes, pool().at<std::byte>(target), size_bytes);
    const std::byte *at = thread_.record() + sizeof(RecordHeader);
    for (uint32_t i = 0; i < change_count_; i++) {
        const auto &change = *reinterpret_cast<const Change *>(at);
        const std::byte *payload = at + sizeof(Change);
        at = payload + change_payload_bytes(change.kind, change.length);
        const PoolOffset begin = std::max(target, change.target);
        const PoolOffset end = std::min(target + size_bytes, change.target + change.length);
        if (change.kind == ChangeKind::store && begin < end)
            std::memcpy(static_cast<std::byte *>(bytes) + (begin - target), payload + (begin - change.target),
                        end - begin);
    }
}

size_t Call::room_bytes() const {
    return refused_ != 0 ? 0 : max_record_bytes - used_bytes_;
}

base::Status Call::fence_data() {
    if (is_seeded(SeededFault::data_not_fenced) || pool().persist.fence())
        return {};
    pool_mark_failed(pool().shared != nullptr ? *pool().shared : pool());
    return base::error(EIO);
}

// The locked stripes.
CommitScope Call::scope() {
    for (unsigned i = 0; i < stripe_total_; i++)
        places_[i] = &pool().segment->stripes()[stripes_[i]];
    return {std::span<Stripe *const>(places_, stripe_total_), nullptr};
}

void Call::begin_direct_stores() {
    scope_begin(*pool().segment, scope());
}

void Call::end_direct_stores() {
    scope_end(*pool().segment, scope());
}

base::Status Call::commit() {
    if (refused_ != 0 || pool().segment->failed.load(std::memory_order_relaxed) != 0) {
        const int error_number = refused_ != 0 ? refused_ : EROFS;
        discard();
        return base::error(error_number);
    }
    if (change_count_ == 0) {
        discard();
        return {};
    }
    const uint32_t length = (used_bytes_ + 63) & ~uint32_t{63};
    std::memset(thread_.record() + used_bytes_, 0, length - used_bytes_);
    auto &record = *reinterpret_cast<RecordHeader *>(thread_.record());
    record.lsn = 0; // not committed yet
    record.length_bytes = length;
    record.change_count = change_count_;
    base::Status done;
    if (Transaction *transaction = pool().transaction) {
        done = transaction->add(thread_, record, used_bytes_);
    } else {
        done = record_commit(thread_, record, scope(), has_frees_);
        thread_.record_index ^= 1; // the next commit asks for this one
    }
    if (done.ok())
        forget();
    else
        discard();
    return done;
}

} // namespace pmemfile
