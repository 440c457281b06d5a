// A thread slot is claimed by a CAS of its process incarnation from 0 to
// `incarnation_claiming`; the incarnation itself is stored last, so that who
// sees it finds the rest right. A claimer killed in between leaves a slot that is never
// used again in this attach: small, and harmless.
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

base::Status thread_register(Thread &thread, Pool &pool) {
    Segment &segment = *pool.segment;
    for (uint32_t slot = 0; slot < max_threads; slot++) {
        ThreadSlot &state = segment.threads()[slot];
        uint64_t is_free = 0;
        if (state.process_incarnation.load(std::memory_order_relaxed) != 0)
            continue;
        if (!state.process_incarnation.compare_exchange_strong(is_free, incarnation_claiming))
            continue;
        state.process_slot.store(pool.process_slot);
        uint32_t carried = slot + 1; // a raise that the slot's former owner carried ends here
        segment.raise_owner.compare_exchange_strong(carried, 0);
        state.lower.store(lsn_idle);
        state.record_lsn.store(0);
        state.claim_count.store(0);
        state.orphan_claim.store(0);
        state.keeps_orphan_slots.store(0);
        state.transaction.store(0);
        state.settler.store(0);
        state.process_incarnation.store(pool.incarnation);
        raise_high_water(segment.thread_high_water, slot + 1);
        thread.pool = &pool;
        thread.slot = slot;
        thread.state = &state;
        thread.last_record().lsn = 0; // LSNs of another pool mean nothing here
        const Superblock &superblock = pool.superblock();
        thread.preferred_ring = static_cast<uint32_t>(slot % superblock.ring_count);
        thread.preferred_group = static_cast<uint32_t>(slot % groups_in_use(superblock));
        return {};
    }
    return base::error(EAGAIN);
}

void thread_release(Thread &thread) {
    thread.slot_state().process_incarnation.store(0);
    thread.pool = nullptr;
}

} // namespace pmemfile
