// The idea: a flat table; a pin belongs to the process whose incarnation stands
// in `owner`. The count of all pins is raised before a pin is taken and lowered after it
// is gone, and so is its stripe's: a kill in between holds blocks back too long, never too short.
#include "libpmemfile/runtime/mapping_pin.h"

#include "libpmemfile/runtime/open_file.h"
#include "libpmemfile/runtime/quarantine.h"
#include "libpmemfile/runtime/space_map.h"
#include "libpmemfile/runtime/stripe.h"

#include <algorithm>

namespace pmemfile {
namespace {

uint64_t incarnation_of(const Thread &thread) {
    return thread.slot_state().process_incarnation.load();
}

uint32_t high_water(Segment &segment) {
    return std::min<uint32_t>(segment.pin_high_water.load(), max_mapping_pins);
}

// True when it was the last one: then they miss nothing any more.
bool count_down(Segment &segment) {
    uint64_t count = segment.pin_count.load();
    for (;;) {
        const uint64_t rest = count - 1;
        const bool is_last = (rest & ~pins_miss_blocks_bit) == 0;
        if (segment.pin_count.compare_exchange_weak(count, is_last ? 0 : rest))
            return is_last;
    }
}

void drop(Thread &thread, MappingPin &pin) {
    Segment &segment = *thread.pool->segment;
    InodeNumber inode = pin.inode.load();
    pin.writable_shared.store(0);
    pin.inode.store(0);
    pin.owner.store(0);
    uint64_t gone = 0; // stripes without a pin from now on
    if (inode != 0) {
        Stripe &stripe = stripe_state(thread, inode);
        stripe.open_hint.fetch_sub(1);
        if (stripe.pin_hint.fetch_sub(1) == 1)
            gone = quarantine_bit(stripe_of(inode));
    }
    if (count_down(segment))
        gone = quarantine_all;
    if ((segment.quarantined.load() & gone) != 0)
        space_map_reconcile(thread);
}

base::Result<uint32_t> add(Thread &thread, InodeNumber inode, bool writable_shared, uint32_t process_slot,
                           uint64_t incarnation) {
    Segment &segment = *thread.pool->segment;
    segment.pin_count.fetch_add(1);
    for (uint32_t i = 0; i < max_mapping_pins; ++i) {
        MappingPin &pin = segment.mapping_pins()[i];
        uint64_t free = 0;
        if (pin.owner.load(std::memory_order_relaxed) != 0 || !pin.owner.compare_exchange_strong(free, incarnation))
            continue;
        raise_high_water(segment.pin_high_water, i + 1);
        stripe_state(thread, inode).open_hint.fetch_add(1);
        stripe_state(thread, inode).pin_hint.fetch_add(1);
        pin.process_slot.store(process_slot);
        pin.writable_shared.store(writable_shared ? 1 : 0);
        pin.inode.store(inode);
        return i;
    }
    count_down(segment);
    return base::error(ENOMEM);
}

} // namespace

base::Result<uint32_t> mapping_pin_add(Thread &thread, InodeNumber inode, bool writable_shared) {
    return add(thread, inode, writable_shared, thread.pool->process_slot, incarnation_of(thread));
}

InodeNumber mapping_pin_remove(Thread &thread, uint32_t index) {
    if (index >= max_mapping_pins)
        return 0;
    MappingPin &pin = thread.pool->segment->mapping_pins()[index];
    if (pin.owner.load() != incarnation_of(thread))
        return 0;
    InodeNumber inode = pin.inode.load();
    drop(thread, pin);
    return inode != 0 && !inode_is_open(thread, inode) ? inode : 0;
}

base::Result<uint32_t> mapping_pin_copy(Thread &thread, uint32_t index, uint32_t process_slot, uint64_t incarnation) {
    if (index >= max_mapping_pins)
        return base::error(EBADF);
    const MappingPin &pin = thread.pool->segment->mapping_pins()[index];
    InodeNumber inode = pin.inode.load();
    if (pin.owner.load() != incarnation_of(thread) || inode == 0)
        return base::error(EBADF);
    return add(thread, inode, pin.writable_shared.load() != 0, process_slot, incarnation);
}

namespace {

bool has_pin(Thread &thread, InodeNumber inode, bool only_writable) {
    Segment &segment = *thread.pool->segment;
    if (segment.pin_count.load() == 0)
        return false;
    for (uint32_t i = 0, end = high_water(segment); i < end; ++i) {
        const MappingPin &pin = segment.mapping_pins()[i];
        if (pin.inode.load() == inode && (!only_writable || pin.writable_shared.load() != 0) && pin.owner.load() != 0)
            return true;
    }
    return false;
}

} // namespace

bool is_mapped_writable(Thread &thread, InodeNumber inode) {
    return has_pin(thread, inode, true);
}

bool is_mapped(Thread &thread, InodeNumber inode) {
    return has_pin(thread, inode, false);
}

bool is_other_mapped(Thread &thread, InodeNumber inode) {
    Segment &segment = *thread.pool->segment;
    if (segment.pin_count.load() == 0)
        return false;
    for (uint32_t i = 0, end = high_water(segment); i < end; ++i) {
        const MappingPin &pin = segment.mapping_pins()[i];
        const InodeNumber mapped = pin.inode.load();
        if (mapped != 0 && mapped != inode && pin.owner.load() != 0)
            return true;
    }
    return false;
}

void mapping_pin_miss_block(Thread &thread) {
    thread.pool->segment->pin_count.fetch_or(pins_miss_blocks_bit);
}

void mapping_pin_drop_process(Thread &thread, uint64_t incarnation, void (*ended)(Thread &, InodeNumber)) {
    Segment &segment = *thread.pool->segment;
    for (uint32_t i = 0, end = high_water(segment); i < end; ++i) {
        MappingPin &pin = segment.mapping_pins()[i];
        if (pin.owner.load() != incarnation)
            continue;
        InodeNumber inode = pin.inode.load();
        drop(thread, pin);
        if (inode != 0 && !inode_is_open(thread, inode))
            ended(thread, inode);
    }
}

} // namespace pmemfile
