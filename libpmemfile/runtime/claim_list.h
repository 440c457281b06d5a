// claim_list: what calls under way have claimed, entered so that it can be undone when their thread is killed.
//
//   claims[0 … count)     first block << 16 | count, or a tagged number (segment.h)
#pragma once

#include "libpmemfile/runtime/segment.h"
#include "libpmemfile/runtime/thread.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace pmemfile {

// A list of claims: a thread slot's, or the transaction's for the thread that has one open.
struct ClaimList {
    std::atomic<uint32_t> &count;
    std::atomic<uint64_t> *claims;
    uint32_t limit;

    uint32_t length() const {
        return std::min(count.load(), limit);
    }
};

inline ClaimList transaction_list(Segment &segment, uint32_t index) {
    OpenTransaction &transaction = segment.transactions()[index];
    return {transaction.claim_count, transaction.claims, max_transaction_claims};
}

inline ClaimList slot_list(ThreadSlot &state) {
    return {state.claim_count, state.claims, max_claims};
}

// The list that the thread of a slot logs its claims in.
inline ClaimList list_of(Segment &segment, ThreadSlot &state) {
    const uint32_t transaction = state.transaction.load(std::memory_order_relaxed);
    return transaction != 0 ? transaction_list(segment, transaction - 1) : slot_list(state);
}
inline ClaimList list_of(const Thread &thread) {
    return list_of(*thread.pool->segment, thread.slot_state());
}

// Entry first, count last: a settler sees whole entries only.
inline bool log_claim(Thread &thread, uint64_t claim) {
    const ClaimList list = list_of(thread);
    uint32_t count = list.count.load(std::memory_order_relaxed);
    if (count >= list.limit)
        return false;
    list.claims[count].store(claim, std::memory_order_relaxed);
    list.count.store(count + 1, std::memory_order_release);
    return true;
}

// The claim of an orphan slot that a thread has noted: its present call's. It was noted before it was made, so that of a
// thread that was killed it may be somebody else's.
inline void drop_orphan_claim(Thread &thread, ThreadSlot &slot, uint32_t slot_index) {
    const uint64_t noted = slot.orphan_claim.load(std::memory_order_relaxed);
    if (noted == 0)
        return;
    uint32_t owner = slot_index + 1;
    thread.pool->segment->orphan_claims()[noted - 1].compare_exchange_strong(owner, 0);
    slot.orphan_claim.store(0, std::memory_order_release);
}

// All that the thread in a slot has.
inline void drop_orphan_claims(Thread &thread, ThreadSlot &slot, uint32_t slot_index) {
    drop_orphan_claim(thread, slot, slot_index);
    if (slot.keeps_orphan_slots.load(std::memory_order_relaxed) == 0)
        return;
    const uint64_t slots = thread.pool->superblock().orphan_slots;
    for (uint64_t index = 0; index < slots; ++index) {
        std::atomic<uint32_t> &claim = thread.pool->segment->orphan_claims()[index];
        uint32_t owner = slot_index + 1; // one that is being given back is claimed over us
        if (claim.load(std::memory_order_relaxed) == owner)
            claim.compare_exchange_strong(owner, 0);
    }
    slot.keeps_orphan_slots.store(0, std::memory_order_release);
}

} // namespace pmemfile
