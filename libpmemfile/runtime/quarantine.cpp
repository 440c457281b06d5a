// The idea: three looks at the pins, from the cheapest on. Their count says that there is none, mostly; a stripe's
// hint says that its inodes have none; the table says what is really pinned. Count and hint may say
// too much after a kill, never too little.
#include "libpmemfile/runtime/quarantine.h"

#include "libpmemfile/runtime/stripe.h"

#include <algorithm>
#include <bit>

namespace pmemfile {
namespace {

// Does the count of pins say it all: that there is none, or that they miss something?
bool count_tells(const Segment &segment, uint64_t &set) {
    const uint64_t pins = segment.pin_count.load();
    if ((pins & ~pins_miss_blocks_bit) != 0 && (pins & pins_miss_blocks_bit) == 0)
        return false;
    set = (pins & ~pins_miss_blocks_bit) == 0 ? 0 : quarantine_all;
    return true;
}

} // namespace

uint64_t quarantine_of(Segment &segment, std::span<Stripe *const> stripes) {
    uint64_t set = 0;
    if (count_tells(segment, set))
        return set;
    for (const Stripe *stripe : stripes)
        if (stripe->pin_hint.load() != 0)
            set |= quarantine_bit(static_cast<uint64_t>(stripe - segment.stripes()));
    return set;
}

uint64_t quarantine_of(Segment &segment, const OpenTransaction &transaction) {
    uint64_t set = 0;
    if (count_tells(segment, set))
        return set;
    for (uint32_t word = 0; word < stripe_count / 64; word++)
        for (uint64_t bits = transaction.locked[word].load(); bits != 0; bits &= bits - 1) {
            const uint32_t stripe = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
            if (segment.stripes()[stripe].pin_hint.load() != 0)
                set |= quarantine_bit(stripe);
        }
    return set;
}

uint64_t quarantine_mapped(Segment &segment) {
    if (segment.pin_count.load() == 0)
        return 0;
    uint64_t set = 0;
    const uint32_t end = std::min<uint32_t>(segment.pin_high_water.load(), max_mapping_pins);
    for (uint32_t i = 0; i < end; ++i) {
        const MappingPin &pin = segment.mapping_pins()[i];
        const InodeNumber inode = pin.inode.load();
        if (inode != 0 && pin.owner.load() != 0)
            set |= quarantine_bit(stripe_of(inode));
    }
    return set;
}

} // namespace pmemfile
