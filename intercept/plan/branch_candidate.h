// branch_candidate: something that may be a way to the neighbourhood of a site.
#pragma once

#include "base/page_array.h"
#include "intercept/objects/address_range.h"

namespace intercept {

struct BranchCandidate {
    uint64_t target;
    uint64_t source_end; // end of the branch instruction; 0 = a pointer
};

// A coarse map of the places near sites: a bit for each 16 bytes of an object.
class Neighbourhood {
public:
    // Covers [site - before, site + behind] of each site. False: no memory.
    bool build(const AddressRange &span, const base::PageArray<uint64_t> &sites, uint64_t before, uint64_t behind) {
        span_ = span;
        if (!bits_.reserve(span.size() / granule_bytes / 8 + 1))
            return false;
        for (uint64_t site : sites)
            for (uint64_t at = (site - before) / granule_bytes; at <= (site + behind) / granule_bytes; at++)
                mark(at * granule_bytes);
        return true;
    }
    bool contains(uint64_t address) const {
        if (!span_.contains(address))
            return false;
        uint64_t at = index(address);
        return (bits_.data()[at / 8] >> (at % 8) & 1) != 0;
    }
    const AddressRange &span() const {
        return span_;
    }

private:
    static constexpr uint64_t granule_bytes = 16;
    uint64_t index(uint64_t address) const {
        return address / granule_bytes - span_.begin / granule_bytes;
    }
    void mark(uint64_t address) {
        if (address >= span_.end || address + granule_bytes <= span_.begin)
            return;
        uint64_t at = index(address < span_.begin ? span_.begin : address);
        bits_.data()[at / 8] |= static_cast<uint8_t>(1u << (at % 8));
    }
    base::PageArray<uint8_t> bits_;
    AddressRange span_{};
};

} // namespace intercept
