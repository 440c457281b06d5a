// branch_candidate: something that may be a way to the neighbourhood of a site.
#pragma once

#include "base/page_array.h"
#include "intercept/objects/address_range.h"

namespace intercept {

struct BranchCandidate {
    uint64_t target;
    uint64_t source_end; // end of the branch instruction; 0 = a pointer
};

// What may be an entry of a table of distances, a jump table of any function.
struct TableEntry {
    uint64_t target;
    uint64_t address;
    BranchCandidate computed; // the table, and who computes its address
};

// A coarse map of the places near sites: a bit for each 16 bytes of an object.
class Neighbourhood {
public:
    // Covers [site - before, site + behind] of each site. False: no memory.
    bool build(base::SharedPages &pages, const AddressRange &span, const base::PageArray<uint64_t> &sites,
               uint64_t before, uint64_t behind) {
        begin_ = span.begin & ~(granule_bytes - 1);
        granules_ = (span.end - begin_ + granule_bytes - 1) / granule_bytes;
        if (!bits_.reserve_in(pages, granules_ / 8 + 1))
            return false;
        for (uint64_t site : sites)
            for (uint64_t at = (site - before) & ~(granule_bytes - 1); at <= site + behind; at += granule_bytes)
                if (uint64_t granule = (at - begin_) / granule_bytes; granule < granules_)
                    bits_[granule / 8] |= static_cast<uint8_t>(1u << (granule % 8));
        return true;
    }
    // Of the pages, for an object of that size.
    static constexpr size_t needed_bytes(uint64_t span_bytes) {
        return base::SharedPages::round(span_bytes / granule_bytes / 8 + 2);
    }
    bool contains(uint64_t address) const {
        uint64_t granule = (address - begin_) / granule_bytes;
        return granule < granules_ && (bits_[granule / 8] >> (granule % 8) & 1) != 0;
    }
    uint64_t size_bytes() const {
        return granules_ * granule_bytes;
    }

private:
    static constexpr uint64_t granule_bytes = 16;
    base::PageArray<uint8_t> bits_;
    uint64_t begin_ = 0;
    uint64_t granules_ = 0;
};

} // namespace intercept
