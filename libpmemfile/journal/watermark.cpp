// A raise has three steps, and between two of them lies a fence. Riding, the
// carrier does one step before the fence of each of its next commits, so that
// the fences cost nothing; in a hurry (make_room, raise_all) it fences itself:
//
//   flush homes ─fence─► store w ─fence─► store ring starts ─fence─► space is free
//
// w never passes a call under way: every slot publishes a lower bound of its
// LSN before it draws it (hazard 1), and w is the least of them. But where that keeps others waiting (its process is
// stopped, hazard 14) w passes it by name: the record is written into its ring's header, durably, before w is. What
// it changes is locked or claimed until it is home, so no record that w makes dead stands in its way; a record
// that changes the same afterwards is above w.
//
//   flush homes ─fence─► exempt records ─fence─► store w ─fence─► starts of the other rings ─fence─► space is free
#include "libpmemfile/journal/watermark.h"

#include "base/raw_syscall.h"
#include "libpmemfile/journal/inode_checksum.h"
#include "libpmemfile/journal/record.h"
#include "libpmemfile/journal/settle.h"
#include "libpmemfile/persist/seeded_fault.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/robust_lock.h"

#include <cstddef>
#include <cstring>
#include <ctime>
#include <span>

namespace pmemfile {
namespace {

enum Phase : uint32_t { none = 0, flushed = 1, stored = 2, starts_stored = 3 };

// Records that a raise passes although they may not be home; 0: none of this ring.
struct Exempt {
    Lsn lsn[max_rings] = {};
};

// The record of a call under way, if it is drawn; 0 if not, or if the call has ended meanwhile.
Lsn record_under_way(const ThreadSlot &slot, Lsn lower, uint32_t *ring) {
    const Lsn lsn = slot.record_lsn.load();
    *ring = slot.record_ring.load();
    return lsn > lower && slot.lower.load() == lower && slot.record_lsn.load() == lsn ? lsn : 0;
}

// The highest w such that every call with an LSN <= w is over, or is in `exempt` (may be null).
Lsn lowest_bound(Segment &segment, Exempt *exempt) {
    Lsn bound = segment.last_lsn.load(); // first the counter, then the slots
    const uint32_t count = segment.thread_high_water.load();
    for (uint32_t i = 0; i < count; i++) {
        ThreadSlot &slot = segment.threads()[i];
        const uint64_t incarnation = slot.process_incarnation.load();
        if (incarnation == 0 || incarnation == incarnation_claiming || is_seeded(SeededFault::watermark_passes_calls))
            continue;
        const Lsn lower = slot.lower.load();
        uint32_t ring = 0;
        const Lsn lsn = lower < bound && exempt != nullptr ? record_under_way(slot, lower, &ring) : 0;
        if (lsn != 0 && ring < max_rings)
            exempt->lsn[ring] = lsn;
        else
            bound = lower < bound ? lower : bound;
    }
    return bound;
}

const RingHeader &ring_header(const Pool &pool, uint64_t ring) {
    return pool.at<RingHeader>(pool.superblock().ring_table_block * block_size_bytes)[ring];
}

// Which lines a raise has flushed: in the buffer of the thread's last record, which has no other use now.
std::span<uint64_t> flushed_lines(Thread &thread) {
    constexpr size_t line_count = 512;
    RecordHeader &last = thread.last_record();
    static_assert(line_count * sizeof(uint64_t) <= max_record_bytes && offsetof(RecordHeader, lsn) % 8 == 0);
    std::memset(static_cast<void *>(&last), 0, line_count * sizeof(uint64_t));
    return {reinterpret_cast<uint64_t *>(&last), line_count};
}

// Step 1: what records up to w changed is on its way to the media. Nobody has written it back before: a line that
// many calls change, a directory's inode or a word of a bitmap, is so written once a raise and not once a call.
// False, and nothing to do, when w would be below the watermark, which may have passed a call by name that is still
// under way. It never goes back: rings begin behind what is dead, so that of what lived again a part would be missing.
// (Where it stays, a call that it passed may have ended: its name goes, and its ring's start moves.)
bool flush_homes(Thread &thread, Exempt *exempt) BASE_REQUIRES(thread.pool->segment->raise_lock) {
    Pool &pool = *thread.pool;
    Segment &segment = *pool.segment;
    const Lsn w = lowest_bound(segment, exempt);
    if (w < segment.durable_watermark.load() && !is_seeded(SeededFault::watermark_goes_back))
        return false;
    // A raise that rode elsewhere ends here, before it could go on with our w: we may be killed in the middle of this.
    segment.raise_owner.store(0);
    thread.pool->segment->raise_candidate.store(w);
    const bool has_work = pool.persist.has_write_back() || has_inode_checksums(pool.superblock());
    if (!has_work || is_seeded(SeededFault::watermark_without_homes))
        return true;
    const std::span<uint64_t> recent = flushed_lines(thread);
    for (uint64_t ring = 0; ring < pool.superblock().ring_count; ring++) {
        RingState &state = segment.rings()[ring];
        const uint64_t head = state.head_position.load(); // before last_lsn: see commit()
        const bool is_left = is_seeded(SeededFault::homes_of_other_rings_left) && ring != thread.preferred_ring;
        if (state.last_lsn.load() <= state.fenced_lsn.load() || is_left)
            continue;
        // From the start on, for a record that an earlier raise passed by name keeps it where it is.
        record_flush_chain(pool, ring, state.start_position.load(), head,
                           is_seeded(SeededFault::homes_of_last_records_left) ? w - 1 : w, recent);
    }
    return true;
}

// Between steps 1 and 2, with fences around it. What an earlier raise has named is named anew, for a higher watermark:
// until that one is durable the name holds for the present one as well. Entries of lower watermarks mean nothing.
void store_exempt(Thread &thread, const Exempt &exempt) BASE_REQUIRES(thread.pool->segment->raise_lock) {
    Pool &pool = *thread.pool;
    const Lsn w = thread.pool->segment->raise_candidate.load();
    for (uint64_t ring = 0; ring < pool.superblock().ring_count; ring++) {
        if (exempt.lsn[ring] == 0 || is_seeded(SeededFault::exempt_records_forgotten))
            continue;
        const PoolOffset header = pool.persist.offset_of(&ring_header(pool, ring));
        pool.persist.store64(header + offsetof(RingHeader, exempt_lsn), exempt.lsn[ring]);
        pool.persist.store64(header + offsetof(RingHeader, exempt_watermark), w);
        pool.persist.flush(header, sizeof(RingHeader));
    }
}

// Names that w does not need: of calls that a raise passed which stayed where it is now, or which never came to its
// watermark. What they changed is home by now.
void drop_exempt(Thread &thread, Lsn w, const Exempt *exempt) {
    Pool &pool = *thread.pool;
    for (uint64_t ring = 0; ring < pool.superblock().ring_count; ring++) {
        const RingHeader &header = ring_header(pool, ring);
        if (header.exempt_lsn == 0 || header.exempt_watermark < w || (exempt != nullptr && exempt->lsn[ring] != 0))
            continue;
        const PoolOffset target = pool.persist.offset_of(&header.exempt_lsn);
        pool.persist.store64(target, 0);
        pool.persist.flush(target, sizeof(Lsn));
    }
}

// Step 2.
void store_watermark(Thread &thread, const Exempt *exempt) BASE_REQUIRES(thread.pool->segment->raise_lock) {
    Pool &pool = *thread.pool;
    const PoolOffset target = pool.superblock_offset + offsetof(Superblock, watermark);
    const Lsn w = thread.pool->segment->raise_candidate.load();
    drop_exempt(thread, w, exempt);
    pool.persist.store64(target, w);
    if (!is_seeded(SeededFault::watermark_not_flushed))
        pool.persist.flush(target, sizeof(Lsn));
}

// Where the ring's chain may begin when all records up to w are dead, but for those in `exempt` (may be null).
uint64_t new_start(RingState &ring, Lsn w, Lsn exempt) {
    uint64_t best = ring.start_position.load();
    if (exempt != 0 && !is_seeded(SeededFault::exempt_record_cut_off))
        return best;
    const uint64_t head = ring.head_position.load(); // before last_lsn: see commit()
    if (ring.last_lsn.load() <= w)
        return head;
    for (RingMark &mark : ring.marks) {
        const Lsn before = mark.lsn_before.load();
        const uint64_t position = mark.position.load();
        if (before == mark.lsn_before.load() && before <= w && position > best && position <= head)
            best = position;
    }
    return best;
}

// Step 3.
void store_starts(Thread &thread, const Exempt *exempt) BASE_REQUIRES(thread.pool->segment->raise_lock) {
    Pool &pool = *thread.pool;
    const Superblock &superblock = pool.superblock();
    const Lsn w = thread.pool->segment->raise_candidate.load();
    pool.segment->durable_watermark.store(w);
    for (uint64_t ring = 0; ring < superblock.ring_count; ring++) {
        RingState &state = pool.segment->rings()[ring];
        const uint64_t start = new_start(state, w, exempt != nullptr ? exempt->lsn[ring] : 0);
        state.next_start.store(start);
        if (exempt == nullptr || exempt->lsn[ring] == 0)
            state.fenced_lsn.store(w);
        if (start == state.start_position.load())
            continue;
        const PoolOffset target = superblock.ring_table_block * block_size_bytes + ring * sizeof(RingHeader);
        pool.persist.store64(target, start);
        if (!is_seeded(SeededFault::ring_starts_not_flushed))
            pool.persist.flush(target, sizeof(uint64_t));
    }
}

void publish_starts(Thread &thread) {
    Segment &segment = *thread.pool->segment;
    for (uint64_t ring = 0; ring < thread.pool->superblock().ring_count; ring++)
        segment.rings()[ring].start_position.store(segment.rings()[ring].next_start.load());
}

// All steps at once. With `passes_calls` calls under way are passed by name.
bool raise_now(Thread &thread, bool passes_calls) BASE_REQUIRES(thread.pool->segment->raise_lock) {
    Persist &persist = thread.pool->persist;
    Exempt exempt;
    if (!flush_homes(thread, passes_calls ? &exempt : nullptr))
        return true;
    if (!persist.sync_all())
        return false;
    if (passes_calls) {
        store_exempt(thread, exempt);
        if (!is_seeded(SeededFault::exempt_records_too_late) && !persist.fence())
            return false;
    }
    store_watermark(thread, &exempt);
    if (!persist.fence())
        return false;
    store_starts(thread, &exempt);
    if (!is_seeded(SeededFault::ring_space_freed_early) && !persist.fence())
        return false;
    publish_starts(thread);
    return true;
}

base::Status raise_in_a_hurry(Thread &thread, unsigned tries) {
    constexpr unsigned patient_tries = 3; // calls are short; it costs a fence more, and leaves their rings as they are
    const bool passes_calls =
        tries >= patient_tries && (thread.pool->superblock().features.incompatible & feature_exempt_records) != 0;
    bool is_durable = false;
    {
        const RobustGuard raising(thread, thread.pool->segment->raise_lock);
        is_durable = raise_now(thread, passes_calls);
    }
    if (is_durable)
        return {};
    pool_mark_failed(*thread.pool);
    return base::error(EIO);
}

// Some call under way holds w back: settle it if its process has died, and give the others time.
void wait_for_calls(Thread &thread) {
    Segment &segment = *thread.pool->segment;
    const uint32_t count = segment.thread_high_water.load();
    for (uint32_t i = 0; i < count; i++)
        if (segment.threads()[i].lower.load() != lsn_idle && !thread_alive(*thread.pool, i))
            settle_thread(thread, i);
    const timespec pause = {0, 50'000};
    base::raw_syscall(SYS_nanosleep, base::as_long(&pause));
}

} // namespace

void watermark_before_fence(Thread &thread, uint64_t ring) {
    Segment &segment = *thread.pool->segment;
    const RingState &state = segment.rings()[ring];
    const uint32_t mine = thread.slot + 1;
    const uint64_t used =
        state.head_position.load(std::memory_order_relaxed) - state.start_position.load(std::memory_order_relaxed);
    const uint64_t ring_size = thread.pool->superblock().ring_size_bytes;
    const uint32_t owner = segment.raise_owner.load(std::memory_order_relaxed);
    const bool begin = owner != mine && used > (owner == 0 ? ring_size / 2 : ring_size / 4 * 3);
    // On ordinary files step 1 is a sync of the whole pool: only in a hurry.
    if ((owner != mine && !begin) || thread.pool->persist.medium() == Medium::ordinary_file)
        return;
    if (!robust_try_lock(thread, thread.pool->segment->raise_lock))
        return;
    if (segment.raise_owner.load() == mine) {
        // A fence of ours lies between the last step and this one.
        switch (thread.pool->segment->raise_phase.load()) {
        case flushed:
            store_watermark(thread, nullptr);
            thread.pool->segment->raise_phase.store(stored);
            if (!is_seeded(SeededFault::ring_starts_with_watermark))
                break;
            [[fallthrough]];
        case stored:
            store_starts(thread, nullptr);
            thread.pool->segment->raise_phase.store(starts_stored);
            break;
        case starts_stored:
            publish_starts(thread);
            thread.pool->segment->raise_phase.store(none);
            segment.raise_owner.store(0);
            break;
        }
    } else if (begin && flush_homes(thread, nullptr)) {
        thread.pool->segment->raise_phase.store(flushed);
        if (is_seeded(SeededFault::watermark_with_homes)) {
            store_watermark(thread, nullptr);
            thread.pool->segment->raise_phase.store(stored);
        }
        segment.raise_owner.store(mine);
    }
    robust_unlock(thread, thread.pool->segment->raise_lock);
}

base::Status watermark_make_room(Thread &thread, uint64_t ring, uint64_t size_bytes) {
    const RingState &state = thread.pool->segment->rings()[ring];
    const uint64_t ring_size = thread.pool->superblock().ring_size_bytes;
    for (unsigned tries = 0;; tries++) {
        BASE_TRY(raise_in_a_hurry(thread, tries));
        if (state.head_position.load() + size_bytes - state.start_position.load() <= ring_size)
            return {};
        wait_for_calls(thread);
    }
}

base::Status watermark_raise_all(Thread &thread) {
    Segment &segment = *thread.pool->segment;
    const Lsn target = segment.last_lsn.load();
    for (unsigned tries = 0;; tries++) {
        BASE_TRY(raise_in_a_hurry(thread, tries));
        if (segment.durable_watermark.load() >= target)
            return {};
        wait_for_calls(thread);
    }
}

} // namespace pmemfile
