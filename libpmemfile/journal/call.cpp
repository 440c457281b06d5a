// A call's changes are laid down as they will stand in the ring:
//
//   Thread::record   │header│change│payload│change│…│
//        │ commit: LSN, position, checksum
//        ├── non-temporal ──► ring, one fence: the commit point
//        └── record_apply ──► home locations, written back without waiting
//
// The order in commit() is what crash safety and the survival of a killed
// process rest on; docs/design.md, "A call", gives the reasons.
#include "libpmemfile/journal/call.h"

#include "libpmemfile/journal/record.h"
#include "libpmemfile/journal/watermark.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <cstring>

namespace pmemfile {
namespace {

// A ring held for one commit.
struct HeldRing {
    uint64_t index;
    RingState *state;
};

// Which ring is known at run time only: give_ring gives it back.
HeldRing take_ring(Thread &thread) BASE_NO_THREAD_SAFETY_ANALYSIS {
    Segment &segment = *thread.pool->segment;
    const uint64_t ring_count = thread.pool->superblock().ring_count;
    for (uint64_t i = 0; i < ring_count; i++) {
        const uint64_t ring = (thread.preferred_ring + i) % ring_count;
        if (robust_try_lock(thread, segment.rings()[ring].lock)) {
            thread.preferred_ring = static_cast<uint32_t>(ring);
            return {ring, &segment.rings()[ring]};
        }
    }
    RingState &ring = segment.rings()[thread.preferred_ring];
    robust_lock(thread, ring.lock);
    return {thread.preferred_ring, &ring};
}

void give_ring(Thread &thread, const HeldRing &ring) BASE_NO_THREAD_SAFETY_ANALYSIS {
    robust_unlock(thread, ring.state->lock);
}

// Ring space that a record of `length_bytes` needs at `head`: itself, and the
// rest of the ring before it when it would wrap.
uint64_t padding_before(uint64_t head, uint32_t length_bytes, uint64_t ring_size_bytes) {
    const uint64_t rest = ring_size_bytes - head % ring_size_bytes;
    return rest < length_bytes ? rest : 0;
}

// Writes a finished header's checksum and streams the record into its ring.
void write_record(Pool &pool, uint64_t ring, RecordHeader &record) {
    record.checksum = record_checksum(pool.superblock(), ring, record);
    const PoolOffset target =
        ring_offset(pool.superblock(), ring) + record.position % pool.superblock().ring_size_bytes;
    if (is_seeded(SeededFault::record_left_in_cache))
        return pool.persist.store(target, &record, record_written_bytes(record));
    const uint32_t missing = is_seeded(SeededFault::record_end_not_written) ? cache_line_bytes : 0;
    pool.persist.store_nt(target, &record, record_written_bytes(record) - missing);
}

// A record without changes that fills the ring up to its end. Only its first
// line is written; the checksum covers that line alone.
void write_padding(Pool &pool, uint64_t ring, uint64_t position, uint64_t length_bytes, Lsn lsn) {
    alignas(16) std::byte line[cache_line_bytes] = {};
    auto &header = *reinterpret_cast<RecordHeader *>(line);
    header.lsn = lsn;
    header.position = position;
    header.length_bytes = static_cast<uint32_t>(length_bytes);
    header.change_count = padding_change_count;
    write_record(pool, ring, header);
}

// Notes where the ring's sixteenth that `position` opens begins (watermark.cpp reads it).
void set_mark(RingState &ring, uint64_t position, Lsn lsn_before, uint64_t ring_size_bytes) {
    RingMark &mark = ring.marks[position / (ring_size_bytes / ring_mark_count) % ring_mark_count];
    mark.lsn_before.store(lsn_idle, std::memory_order_release);
    mark.position.store(position, std::memory_order_release);
    mark.lsn_before.store(lsn_before, std::memory_order_release);
}

// A thread writes to a ring that another one wrote last: that one's home
// stores may not be durable yet, and a fence completes only its own thread's
// flushes. Flushed again here, they ride on our fence.
void adopt_ring(Thread &thread, const HeldRing &ring) {
    RingState &state = *ring.state;
    if (is_seeded(SeededFault::ring_not_adopted))
        return;
    if (state.last_thread.load() == thread.slot + 1 && state.last_incarnation.load() == thread.pool->incarnation)
        return;
    if (state.last_lsn.load() > state.fenced_lsn.load()) {
        if (const RecordHeader *last = record_at(*thread.pool, ring.index, state.last_position.load()))
            record_flush_targets(*thread.pool, *last);
    }
}

} // namespace

Call::Call(Thread &thread) : thread_(thread) {}

Call::~Call() {
    unlock();
}

// A set of locks that is known at run time only, kept in the call: none for the analysis. So with unlock().
base::Status Call::lock(std::initializer_list<InodeNumber> inodes) BASE_NO_THREAD_SAFETY_ANALYSIS {
    Segment &segment = *pool().segment;
    if (pool().read_only || segment.failed.load(std::memory_order_relaxed) != 0)
        return base::error(EROFS);
    for (InodeNumber inode : inodes)
        if (inode != 0)
            stripes_[stripe_total_++] = stripe_of(inode);
    std::sort(stripes_, stripes_ + stripe_total_);
    stripe_total_ = static_cast<unsigned>(std::unique(stripes_, stripes_ + stripe_total_) - stripes_);
    for (unsigned i = 0; i < stripe_total_; i++)
        robust_lock(thread_, segment.stripes()[stripes_[i]].lock);
    return {};
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
    ThreadSlot &slot = thread_.slot_state();
    if (slot.claim_count.load(std::memory_order_relaxed) != 0 || slot.orphan_claim.load(std::memory_order_relaxed) != 0)
        space_map_undo_claims(thread_, thread_.slot);
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
    auto *change = reinterpret_cast<Change *>(thread_.record + used_bytes_);
    std::memset(change, 0, sizeof(Change));
    change->kind = kind;
    change->length = length;
    change->target = target;
    if (payload_bytes % 8 != 0) // the padding is part of the checksum
        std::memset(thread_.record + used_bytes_ + needed - 8, 0, 8);
    used_bytes_ += static_cast<uint32_t>(needed);
    change_count_++;
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

void Call::zero(PoolOffset target, size_t size_bytes) {
    if (size_bytes != 0)
        add(ChangeKind::zero, target, static_cast<uint32_t>(size_bytes), 0);
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
    if (group != pool().superblock().group_count) {
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

size_t Call::room_bytes() const {
    return refused_ != 0 ? 0 : max_record_bytes - used_bytes_;
}

base::Status Call::fence_data() {
    if (is_seeded(SeededFault::data_not_fenced) || pool().persist.fence())
        return {};
    pool().segment->failed.store(EIO);
    return base::error(EIO);
}

// We hold the stripes' locks, so nobody else writes their counters: no locked instruction.
void Call::begin_direct_stores() {
    for (unsigned i = 0; i < stripe_total_; i++) {
        std::atomic<uint64_t> &sequence = pool().segment->stripes()[stripes_[i]].sequence;
        sequence.store(sequence.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    std::atomic_thread_fence(std::memory_order_release); // odd is seen before any of the stores
}

void Call::end_direct_stores() {
    for (unsigned i = 0; i < stripe_total_; i++) {
        std::atomic<uint64_t> &sequence = pool().segment->stripes()[stripes_[i]].sequence;
        sequence.store(sequence.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
}

base::Status Call::commit() {
    Segment &segment = *pool().segment;
    ThreadSlot &slot = thread_.slot_state();
    if (refused_ != 0 || segment.failed.load(std::memory_order_relaxed) != 0) {
        const int error_number = refused_ != 0 ? refused_ : EROFS;
        discard();
        return base::error(error_number);
    }
    if (change_count_ == 0) {
        discard();
        return {};
    }
    const uint32_t length = (used_bytes_ + 63) & ~uint32_t{63};
    std::memset(thread_.record + used_bytes_, 0, length - used_bytes_);
    auto &record = *reinterpret_cast<RecordHeader *>(thread_.record);
    record.length_bytes = length;
    record.change_count = change_count_;

    // Everything that may wait comes before the LSN is drawn (hazard 15).
    const uint64_t ring_size = pool().superblock().ring_size_bytes;
    const HeldRing ring = take_ring(thread_);
    const uint64_t head = ring.state->head_position.load();
    const uint64_t padding = padding_before(head, length, ring_size);
    if (head + padding + length - ring.state->start_position.load() > ring_size) {
        const base::Status raised = watermark_make_room(thread_, ring.index, padding + length);
        if (!raised.ok()) {
            give_ring(thread_, ring);
            discard();
            return raised;
        }
    }
    adopt_ring(thread_, ring);
    watermark_before_fence(thread_, ring.index);

    // Seen before the draw (hazard 1): who sees a counter with our draw in it sees this store too.
    slot.lower.store(segment.last_lsn.load(), std::memory_order_release);
    const Lsn lsn = segment.last_lsn.fetch_add(1) + 1;
    slot.record_ring.store(static_cast<uint32_t>(ring.index), std::memory_order_release);
    slot.record_position.store(head + padding, std::memory_order_release);
    slot.record_lsn.store(lsn, std::memory_order_release);
    if (padding != 0 && !is_seeded(SeededFault::padding_not_written))
        write_padding(pool(), ring.index, head, padding, lsn);
    record.lsn = lsn;
    record.position = head + padding;
    if (is_seeded(SeededFault::home_before_record))
        record_apply(pool(), record);
    if (is_seeded(SeededFault::freed_before_commit))
        release_after_commit(thread_, record);
    write_record(pool(), ring.index, record);
    const bool is_durable = is_seeded(SeededFault::commit_not_fenced) || pool().persist.fence(); // the commit point
    if (!is_durable)
        segment.failed.store(EIO);

    ring.state->fenced_lsn.store(ring.state->last_lsn.load(), std::memory_order_release);
    if ((head + padding) / (ring_size / ring_mark_count) != (head + padding + length) / (ring_size / ring_mark_count))
        set_mark(*ring.state, head + padding + length, lsn, ring_size);
    ring.state->last_thread.store(thread_.slot + 1, std::memory_order_release);
    ring.state->last_incarnation.store(pool().incarnation, std::memory_order_release);
    ring.state->last_position.store(head + padding, std::memory_order_release);
    ring.state->last_lsn.store(lsn, std::memory_order_release); // before head: a raiser reads head first, then last_lsn
    ring.state->head_position.store(head + padding + length, std::memory_order_release);

    begin_direct_stores();
    record_apply(pool(), record);
    // Before others see it: what they do to it must not be overwritten by a settler.
    slot.applied_lsn.store(lsn, std::memory_order_release);
    end_direct_stores();
    slot.record_lsn.store(0, std::memory_order_release);
    slot.lower.store(lsn_idle, std::memory_order_release);

    // Only now may others have what this call freed (hazard 2).
    space_map_keep_claims(thread_);
    if (has_frees_)
        release_after_commit(thread_, record);
    give_ring(thread_, ring);
    discard();
    return is_durable ? base::Status() : base::Status(base::error(EIO));
}

void release_after_commit(Thread &thread, const RecordHeader &record) {
    record_visit(record, [&](const Change &change, const std::byte *) {
        switch (change.kind) {
        case ChangeKind::free_blocks:
            return space_map_release_blocks(thread, change.target, change.length);
        case ChangeKind::free_inode:
            return space_map_release_inode(thread, change.target);
        case ChangeKind::take_inode_block:
            return space_map_add_inode_block(thread, change.target);
        case ChangeKind::free_inode_block:
            return space_map_remove_inode_block(thread, change.target);
        default:
            return;
        }
    });
}

} // namespace pmemfile
