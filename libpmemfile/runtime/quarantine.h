// quarantine: what a call frees while a mapping may show it is not used again before that mapping is gone (hazard 6).
//
// A mapping shows blocks of the inode that it pins (mapping_pin.h), and who frees a block holds the stripe of an inode
// that leads to it. So only what is freed under a stripe with a pin is held back: a file that somebody keeps mapped for
// days keeps nothing of the others. Each group has the set of such stripes, a bit for those that hash to it, and is
// looked at again when no pin is left in any of them.
//
// A pin is added under its inode's stripe (but for a second one, at a fork), so who holds the stripe sees it, or it will
// see what the holder makes of the file.
//
// One case is left: a block that two files share, dropped by one of them while that one is mapped, is freed later by a
// call on the other. Then the pins say too little, and everything is held back while there is any
// (mapping_pin_miss_block).
#pragma once

#include "libpmemfile/runtime/segment.h"

#include <span>

namespace pmemfile {

// A set of stripes.
constexpr uint64_t quarantine_all = ~uint64_t{0};
constexpr uint64_t quarantine_bit(uint64_t stripe) {
    return uint64_t{1} << (stripe % 64);
}

// In Segment::pin_count: the pins say too little, until there is none.
constexpr uint64_t pins_miss_blocks_bit = uint64_t{1} << 63;

// Those of `stripes` with a pin: what the call that holds them frees is to be held back for them. 0 mostly.
uint64_t quarantine_of(Segment &segment, std::span<Stripe *const> stripes);
// The same of all that a transaction has locked. Nobody pins anything while it commits.
uint64_t quarantine_of(Segment &segment, const OpenTransaction &transaction);

// The stripes of all live pins. Whoever frees something later for a pin that is missing here will have
// noted it in the group before. Any thread.
uint64_t quarantine_mapped(Segment &segment);

} // namespace pmemfile
