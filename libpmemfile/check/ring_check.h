// ring_check: are the rings' starts and the watermark believable, and are all live records
// on the chains that recovery follows? Private to the check floor.
#pragma once

#include "libpmemfile/check/checker.h"

namespace pmemfile {

// What fsck has to do about one ring after recovery.
struct RingFinding {
    bool start_is_wrong = false; // recovery must not begin there
    uint64_t lost_records = 0;   // live, but no chain leads to them
    uint64_t fresh_start = 0;    // a position that no record in the ring has
    Lsn last_lsn = 0;            // largest in the ring
};

// Looks at all rings of a pool whose superblock is sound.
std::vector<RingFinding> ring_findings(const Persist &persist, PoolOffset superblock_offset);
// Lets ring `ring` begin anew, empty; LSNs of what stood in it are not given again. Durable when it returns.
void ring_begin_anew(Persist &persist, PoolOffset superblock_offset, uint64_t ring, const RingFinding &finding);

} // namespace pmemfile
