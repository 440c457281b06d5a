// stripe: the lock and the sequence counter of an inode.
//
// Inodes hash to one of stripe_count stripes. Writers hold the stripe's lock
// (through journal/call.h). Readers take no lock: they read under the sequence
// counter and look again afterwards:
//
//     for (ReadSection section(thread, inode_number); section.next();) {
//         ... copy what is wanted; every pointer and length range-checked ...
//         if (section.valid())
//             break;           // what was copied is consistent
//     }
//
// What was read before valid() said true may be garbage, and must not be acted
// on, but reading it never faults (hazard 17).
#pragma once

#include "libpmemfile/runtime/robust_lock.h"
#include "libpmemfile/runtime/segment.h"
#include "libpmemfile/runtime/thread.h"

namespace pmemfile {

constexpr uint32_t stripe_of(InodeNumber inode) {
    return static_cast<uint32_t>((inode * 0x9E3779B97F4A7C15ull) >> 50); // 14 bits
}
static_assert(stripe_count == 1u << 14);

inline Stripe &stripe_state(const Thread &thread, InodeNumber inode) {
    return thread.pool->segment->stripes()[stripe_of(inode)];
}

// Consistent reading of one inode (and all that hangs on it) without a lock.
// After some failed tries it takes the stripe's lock. If the thread already
// holds the stripe's lock (it is in a Call), the first try is always valid.
class ReadSection {
public:
    ReadSection(Thread &thread, InodeNumber inode);
    ~ReadSection();
    ReadSection(const ReadSection &) = delete;
    ReadSection &operator=(const ReadSection &) = delete;

    // Starts a try. Always true (the loop ends by break or return).
    bool next();
    // True when nothing changed since next().
    bool valid() const;

private:
    Thread &thread_;
    Stripe &stripe_;
    uint64_t sequence_ = 0;
    unsigned tries_ = 0;
    bool locked_ = false;  // took the lock itself
    bool is_held_ = false; // the thread holds it anyway
};

} // namespace pmemfile
