// What a dead thread left behind is in its slot:
//
//   record_lsn != 0, != applied_lsn   its record: whole → make durable, apply;
//                                     torn → the call never happened
//   claims                            undone (those the record took stay: the
//                                     media's bits say so)
//   held                              its locks, freed last, but a group's first
//
// A settler waits for locks of groups only, and only when the thread it settles
// holds none any more. So two threads that died with a group's lock each, and
// with claims in each other's group, are settled by one survivor (one inside the
// other) or by two, and nobody waits in a circle.
//
// One settler works at a time; its claim on the slot can be taken over when it
// dies too, since each step may be done twice.
#include "libpmemfile/journal/settle.h"

#include "base/raw_syscall.h"
#include "libpmemfile/journal/commit.h"
#include "libpmemfile/journal/record.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/mapping_pin.h"
#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/space_map.h"

#include <climits>
#include <ctime>
#include <linux/futex.h>

namespace pmemfile {
namespace {

bool is_owned_by(const RobustLock &lock, uint32_t slot) {
    return robust_holder(lock) == slot + 1;
}

// Calls each(stripe) for the stripes that the dead thread holds.
template <typename Each> void for_held_stripes(Segment &segment, uint32_t slot, Each &&each) {
    const uint64_t end = segment.stripes_offset + sizeof(Stripe) * stripe_count;
    for (std::atomic<uint64_t> &held : segment.threads()[slot].held) {
        const uint64_t offset = held.load();
        if (offset < segment.stripes_offset || offset >= end)
            continue;
        Stripe &stripe = segment.stripes()[(offset - segment.stripes_offset) / sizeof(Stripe)];
        if (is_owned_by(stripe.lock, slot))
            each(stripe);
    }
}

// Calls each(index) for the open transactions (at most one) of the dead thread.
template <typename Each> void for_transactions(Segment &segment, uint32_t slot, Each &&each) {
    for (uint32_t index = 0, count = segment.transaction_limit(); index < count; index++)
        if (segment.transactions()[index].owner.load() == slot + 1)
            each(index);
}

// The counters of what the dead thread holds: 1 while its changes are stored home, 0 afterwards.
void make_sequences(Segment &segment, uint32_t slot, uint64_t parity) {
    auto make = [parity](std::atomic<uint64_t> &sequence) {
        if ((sequence.load() & 1) != parity)
            sequence.fetch_add(1);
    };
    for_held_stripes(segment, slot, [&](Stripe &stripe) { make(stripe.sequence); });
    if (is_owned_by(segment.transaction.lock, slot))
        make(segment.transaction.sequence);
}

// The dead thread's record is whole: it counts. Makes it durable, brings the
// ring's state up to date and stores the changes home.
void finish_record(Thread &thread, uint32_t slot, const RecordHeader &record) {
    Pool &pool = *thread.pool;
    Segment &segment = *pool.segment;
    ThreadSlot &state = segment.threads()[slot];
    const uint64_t ring_index = state.record_ring.load();
    RingState &ring = segment.rings()[ring_index];
    const PoolOffset ring_begin = ring_offset(pool.superblock(), ring_index);
    const uint64_t head = ring.head_position.load();
    if (head < record.position) // padding
        pool.persist.flush(ring_begin + head % pool.superblock().ring_size_bytes, cache_line_bytes);
    pool.persist.flush(pool.persist.offset_of(&record), record.length_bytes);
    if (!pool.persist.fence())
        pool_mark_failed(pool);

    ring.last_lsn.store(record.lsn);
    ring.head_position.store(record.position + record.length_bytes);

    make_sequences(segment, slot, 1);
    for_held_stripes(segment, slot, [&](Stripe &stripe) { stripe.last_lsn.store(record.lsn); });
    if (is_owned_by(segment.transaction.lock, slot))
        for_transactions(segment, slot, [&](uint32_t index) {
            scope_stamp(segment, {{}, &segment.transactions()[index]}, record.lsn);
        });
    record_apply(pool, record);
    state.applied_lsn.store(record.lsn);
}

// The record is home; its thread may have died while it told the space map.
// Telling it again could give away a block that somebody has claimed since, so
// the groups are rebuilt from the media instead.
void rebuild_space_of(Thread &thread, const RecordHeader &record) {
    Pool &pool = *thread.pool;
    bool has_frees = false;
    record_visit(record, [&](const Change &change, const std::byte *) {
        const bool is_inode = change.kind == ChangeKind::free_inode;
        if (change.kind == ChangeKind::take_inode_block)
            space_map_add_inode_block(thread, change.target);
        if (change.kind != ChangeKind::free_blocks && change.kind != ChangeKind::free_inode_block && !is_inode)
            return;
        const uint64_t group = group_of_block(pool, is_inode ? change.target / inodes_per_block : change.target);
        pool.segment->groups()[group].unsettled.store(1);
        has_frees = true;
    });
    if (has_frees)
        space_map_reconcile(thread);
}

// The dead thread's locks that lie in [begin, end) of the segment.
void free_locks(Segment &segment, uint32_t slot, uint64_t begin, uint64_t end) {
    for (std::atomic<uint64_t> &held : segment.threads()[slot].held) {
        const uint64_t offset = held.load();
        if (offset == 0 || offset < begin || offset >= end)
            continue;
        auto &lock = *segment.table<RobustLock>(offset);
        uint32_t word = lock.word.load();
        if ((word & ~sleepers_bit) == slot + 1) {
            while (!lock.word.compare_exchange_weak(word, 0)) {
            }
            base::raw_syscall(SYS_futex, base::as_long(&lock.word), FUTEX_WAKE, INT_MAX);
        }
        held.store(0);
    }
}

void settle_claimed(Thread &thread, uint32_t slot) {
    Pool &pool = *thread.pool;
    Segment &segment = *pool.segment;
    ThreadSlot &state = segment.threads()[slot];
    const Lsn lsn = state.record_lsn.load();
    const RecordHeader *record = nullptr;
    if (lsn != 0)
        record = record_at(pool, state.record_ring.load(), state.record_position.load());
    const bool is_whole = record != nullptr && record->lsn == lsn;
    if (is_whole && state.applied_lsn.load() != lsn)
        finish_record(thread, slot, *record);
    // Up to here nothing waits; from here on locks of groups are waited for.
    space_map_mend_held_groups(thread, slot);
    free_locks(segment, slot, segment.groups_offset, segment.groups_offset + sizeof(GroupState) * segment.group_count);
    if (is_whole)
        rebuild_space_of(thread, *record);
    make_sequences(segment, slot, 0);
    for_transactions(segment, slot, [&](uint32_t index) {
        state.transaction.store(index + 1);
        space_map_undo_claims(thread, slot);
        state.transaction.store(0);
        segment.transactions()[index].owner.store(0);
    });
    space_map_undo_claims(thread, slot);
    uint32_t carried = slot + 1;
    segment.raise_owner.compare_exchange_strong(carried, 0);
    state.record_lsn.store(0);
    state.lower.store(lsn_idle);
    free_locks(segment, slot, 0, UINT64_MAX);
}

// True when this thread may settle the slot; false when somebody else has done so.
bool claim_slot(Thread &thread, uint32_t slot) {
    ThreadSlot &state = thread.pool->segment->threads()[slot];
    const uint32_t mine = thread.slot + 1;
    for (;;) {
        uint32_t settler = state.settler.load();
        if (state.process_incarnation.load() == 0)
            return false;
        const bool is_claimable = settler == 0 || !thread_alive(*thread.pool, settler - 1);
        if (is_claimable && state.settler.compare_exchange_strong(settler, mine)) {
            if (!thread_alive(*thread.pool, slot))
                return true;
            settler = mine; // settled, and perhaps taken anew, in the meantime
            state.settler.compare_exchange_strong(settler, 0);
            return false;
        }
        const timespec pause = {0, 20'000};
        base::raw_syscall(SYS_nanosleep, base::as_long(&pause));
    }
}

// A thread in a transaction meets the dead, too: what they left is for the pool, and not for the view.
class SharedPool {
public:
    explicit SharedPool(Thread &thread) : thread_(thread), former_(thread.pool) {
        if (former_->shared != nullptr)
            thread_.pool = former_->shared;
    }
    ~SharedPool() {
        thread_.pool = former_;
    }
    SharedPool(const SharedPool &) = delete;
    SharedPool &operator=(const SharedPool &) = delete;

private:
    Thread &thread_;
    Pool *former_;
};

// The slot may be used again. First it stops to be one that needs a settler: were `settler` cleared
// before, a second settler could come and undo the claims of the slot's next owner.
void free_slot(Segment &segment, uint32_t slot) {
    // Nobody must wait for the next owner to finish what the dead one was settling.
    const uint32_t count = segment.thread_high_water.load();
    for (uint32_t other = 0; other < count; other++) {
        uint32_t settler = slot + 1;
        segment.threads()[other].settler.compare_exchange_strong(settler, 0);
    }
    segment.threads()[slot].process_incarnation.store(0);
}

} // namespace

void freed_under_way(Thread &thread, void *context, void (*each)(void *context, BlockRun run)) {
    Segment &segment = *thread.pool->segment;
    const uint32_t count = segment.thread_high_water.load();
    for (uint32_t slot = 0; slot < count; slot++) {
        const ThreadSlot &state = segment.threads()[slot];
        const Lsn lsn = state.record_lsn.load();
        const uint64_t ring = state.record_ring.load();
        if (lsn != 0 && state.applied_lsn.load() != lsn && ring < thread.pool->superblock().ring_count)
            record_freed_unheld(*thread.pool, ring, state.record_position.load(), lsn, context, each);
    }
}

void settle_thread(Thread &thread, uint32_t slot) {
    const SharedPool shared(thread);
    if (slot == thread.slot) // a vfork child died in our slot: there is nobody to race with
        return settle_claimed(thread, slot);
    if (!claim_slot(thread, slot))
        return;
    settle_claimed(thread, slot);
    Segment &segment = *thread.pool->segment;
    free_slot(segment, slot);
    uint32_t settler = thread.slot + 1; // the next owner has cleared it, perhaps
    segment.threads()[slot].settler.compare_exchange_strong(settler, 0);
}

void settle_former_threads(Thread &thread) {
    Segment &segment = *thread.pool->segment;
    const uint32_t count = segment.thread_high_water.load();
    for (uint32_t slot = 0; slot < count; slot++) {
        uint64_t incarnation = thread.pool->incarnation;
        if (slot != thread.slot)
            segment.threads()[slot].process_incarnation.compare_exchange_strong(incarnation,
                                                                                incarnation | incarnation_former_bit);
    }
    // Dead are they only now, and all of them: who settles one may want a lock that another holds.
    for (uint32_t slot = 0; slot < count; slot++)
        if (segment.threads()[slot].process_incarnation.load() == (thread.pool->incarnation | incarnation_former_bit))
            settle_thread(thread, slot);
}

void settle_process(Thread &thread, uint32_t process_slot, void (*ended)(Thread &, InodeNumber)) {
    Segment &segment = *thread.pool->segment;
    ProcessSlot &process = segment.processes()[process_slot];
    const RobustGuard collecting(thread, segment.collect_lock);
    const uint64_t incarnation = process.incarnation.load();
    if (incarnation != 0 && !process_alive(*thread.pool, process_slot)) {
        const uint32_t count = segment.thread_high_water.load();
        for (uint32_t slot = 0; slot < count; slot++)
            if ((segment.threads()[slot].process_incarnation.load() & ~incarnation_former_bit) == incarnation)
                settle_thread(thread, slot);
        advisory_lock_drop_process(thread, incarnation);
        mapping_pin_drop_process(thread, incarnation, ended);
        open_file_drop_process(thread, process_slot, ended);
        process.incarnation.store(0);
    }
}

bool settle_dead_processes(Thread &thread, void (*ended)(Thread &, InodeNumber)) {
    Segment &segment = *thread.pool->segment;
    const uint32_t count = segment.process_high_water.load();
    bool has_settled = false;
    for (uint32_t slot = 0; slot < count; slot++) {
        if (segment.processes()[slot].incarnation.load() == 0 || process_alive(*thread.pool, slot))
            continue;
        settle_process(thread, slot, ended);
        has_settled = true;
    }
    return has_settled;
}

} // namespace pmemfile
