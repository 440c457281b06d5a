// commit: a finished record becomes durable and visible, all of it or nothing.
//
//   record in DRAM ─ LSN, position, checksum
//        ├── non-temporal ──► ring, one fence: the commit point
//        └── record_apply ──► home locations, in the cache: written back by who raises the watermark
//
// The order in here is what crash safety and the survival of a killed
// process rest on; docs/design.md, "A call", gives the reasons.
#include "libpmemfile/journal/commit.h"

#include "libpmemfile/journal/record.h"
#include "libpmemfile/journal/watermark.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/quarantine.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/space_map.h"

#include <atomic>
#include <bit>

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
    uint64_t ring = thread.preferred_ring;
    for (uint64_t i = 0; i < ring_count; i++) {
        if (robust_try_lock(thread, segment.rings()[ring].lock)) {
            thread.preferred_ring = static_cast<uint32_t>(ring);
            return {ring, &segment.rings()[ring]};
        }
        ring = ring + 1 < ring_count ? ring + 1 : 0;
    }
    RingState &preferred = segment.rings()[thread.preferred_ring];
    robust_lock(thread, preferred.lock);
    return {thread.preferred_ring, &preferred};
}

void give_ring(Thread &thread, const HeldRing &ring) BASE_NO_THREAD_SAFETY_ANALYSIS {
    robust_unlock(thread, ring.state->lock);
}

// Ring space that a record of `length_bytes` needs at `head`: itself, and the
// rest of the ring before it when it would wrap.
uint64_t padding_before(uint64_t head, uint32_t length_bytes, uint64_t ring_size_bytes) {
    const uint64_t rest = ring_size_bytes - (head & (ring_size_bytes - 1)); // a power of two
    return rest < length_bytes ? rest : 0;
}

// Writes a finished header's checksum and streams the record into its ring.
void write_record(Thread &thread, uint64_t ring, RecordHeader &record) {
    Pool &pool = *thread.pool;
    record.checksum = record_checksum(thread, ring, record);
    const PoolOffset target =
        ring_offset(pool.superblock(), ring) + record.position % pool.superblock().ring_size_bytes;
    if (is_seeded(SeededFault::record_left_in_cache))
        return pool.persist.store(target, &record, record_written_bytes(record));
    const uint32_t missing = is_seeded(SeededFault::record_end_not_written) ? cache_line_bytes : 0;
    pool.persist.store_nt(target, &record, record_written_bytes(record) - missing);
}

// A record without changes that fills the ring up to its end. Only its first
// line is written; the checksum covers that line alone.
void write_padding(Thread &thread, uint64_t ring, uint64_t position, uint64_t length_bytes, Lsn lsn) {
    alignas(16) std::byte line[cache_line_bytes] = {};
    auto &header = *reinterpret_cast<RecordHeader *>(line);
    header.lsn = lsn;
    header.position = position;
    header.length_bytes = static_cast<uint32_t>(length_bytes);
    header.change_count = padding_change_count;
    write_record(thread, ring, header);
}

// Notes where the ring's sixteenth that `position` opens begins (watermark.cpp reads it).
void set_mark(RingState &ring, uint64_t position, Lsn lsn_before, uint64_t ring_size_bytes) {
    RingMark &mark = ring.marks[position / (ring_size_bytes / ring_mark_count) % ring_mark_count];
    mark.lsn_before.store(lsn_idle, std::memory_order_release);
    mark.position.store(position, std::memory_order_release);
    mark.lsn_before.store(lsn_before, std::memory_order_release);
}

template <typename Each> void for_sequences(Segment &segment, const CommitScope &scope, Each &&each) {
    for (Stripe *stripe : scope.stripes)
        each(stripe->sequence);
    if (scope.transaction != nullptr)
        each(segment.transaction.sequence);
}

// Notes, before anything of the record can be seen, in which groups blocks come free that a mapping may show, and
// for the mappings of what.
uint64_t hold_back_frees(Thread &thread, const RecordHeader &record, const CommitScope &scope) {
    Segment &segment = *thread.pool->segment;
    const uint64_t held_for = scope.transaction != nullptr ? quarantine_of(segment, *scope.transaction)
                                                           : quarantine_of(segment, scope.stripes);
    if (held_for != 0) [[unlikely]]
        record_visit(record, [&](const Change &change, const std::byte *) {
            if (change.kind == ChangeKind::free_blocks)
                space_map_hold_back(thread, group_of_block(*thread.pool, change.target), held_for);
        });
    return held_for;
}

} // namespace

// Who calls holds what guards the counters, so nobody else writes them: no locked instruction.
void scope_begin(Segment &segment, const CommitScope &scope) {
    for_sequences(segment, scope, [](std::atomic<uint64_t> &sequence) {
        sequence.store(sequence.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    });
    std::atomic_thread_fence(std::memory_order_release); // odd is seen before any of the stores
}

void scope_end(Segment &segment, const CommitScope &scope) {
    for_sequences(segment, scope, [](std::atomic<uint64_t> &sequence) {
        sequence.store(sequence.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    });
}

void scope_stamp(Segment &segment, const CommitScope &scope, Lsn lsn) {
    for (Stripe *stripe : scope.stripes)
        stripe->last_lsn.store(lsn, std::memory_order_relaxed);
    if (scope.transaction == nullptr)
        return;
    for (uint32_t word = 0; word < stripe_count / 64; word++)
        for (uint64_t bits = scope.transaction->locked[word].load(); bits != 0; bits &= bits - 1)
            segment.stripes()[word * 64 + static_cast<uint32_t>(std::countr_zero(bits))].last_lsn.store(lsn);
}

base::Status record_commit(Thread &thread, RecordHeader &record, const CommitScope &scope, bool has_frees) {
    Pool &pool = *thread.pool;
    Segment &segment = *pool.segment;
    ThreadSlot &slot = thread.slot_state();
    const uint32_t length = record.length_bytes;

    // Everything that may wait comes before the LSN is drawn (hazard 15).
    const uint64_t held_for = has_frees ? hold_back_frees(thread, record, scope) : 0;
    const uint64_t ring_size = pool.superblock().ring_size_bytes;
    const HeldRing ring = take_ring(thread);
    const uint64_t head = ring.state->head_position.load();
    const uint64_t padding = padding_before(head, length, ring_size);
    if (head + padding + length - ring.state->start_position.load() > ring_size) {
        const base::Status raised = watermark_make_room(thread, ring.index, padding + length);
        if (!raised.ok()) {
            give_ring(thread, ring);
            return raised;
        }
    }
    watermark_before_fence(thread, ring.index);

    // Seen before the draw (hazard 1): who sees a counter with our draw in it sees this store too.
    slot.lower.store(segment.last_lsn.load(), std::memory_order_release);
    const Lsn lsn = segment.last_lsn.fetch_add(1) + 1;
    slot.record_ring.store(static_cast<uint32_t>(ring.index), std::memory_order_release);
    slot.record_position.store(head + padding, std::memory_order_release);
    slot.record_lsn.store(lsn, std::memory_order_release);
    if (padding != 0 && !is_seeded(SeededFault::padding_not_written))
        write_padding(thread, ring.index, head, padding, lsn);
    record.lsn = lsn;
    record.position = head + padding;
    if (is_seeded(SeededFault::home_before_record))
        record_apply(pool, record);
    if (is_seeded(SeededFault::freed_before_commit))
        release_after_commit(thread, record, held_for);
    write_record(thread, ring.index, record);
    const bool is_durable = is_seeded(SeededFault::commit_not_fenced) || pool.persist.fence(); // the commit point
    if (!is_durable)
        pool_mark_failed(pool);

    // Not in the same sixteenth? (The size is a power of two.)
    if (((head + padding) ^ (head + padding + length)) >= ring_size / ring_mark_count)
        set_mark(*ring.state, head + padding + length, lsn, ring_size);
    ring.state->last_lsn.store(lsn, std::memory_order_release); // before head: a raiser reads head first, then last_lsn
    ring.state->head_position.store(head + padding + length, std::memory_order_release);

    scope_begin(segment, scope);
    scope_stamp(segment, scope, lsn);
    record_apply(pool, record);
    // Before others see it: what they do to it must not be overwritten by a settler.
    slot.applied_lsn.store(lsn, std::memory_order_release);
    scope_end(segment, scope);
    slot.record_lsn.store(0, std::memory_order_release);
    slot.lower.store(lsn_idle, std::memory_order_release);

    // Only now may others have what this call freed (hazard 2).
    space_map_keep_claims(thread);
    if (has_frees)
        release_after_commit(thread, record, held_for);
    give_ring(thread, ring);
    return is_durable ? base::Status() : base::Status(base::error(EIO));
}

void release_after_commit(Thread &thread, const RecordHeader &record, uint64_t held_for) {
    record_visit(record, [&](const Change &change, const std::byte *) {
        switch (change.kind) {
        case ChangeKind::free_blocks:
            return space_map_release_blocks(thread, change.target, change.length, held_for);
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
