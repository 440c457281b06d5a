// address_chains: addresses by the stretch of the text that they are in, so that those in a function are found
// without sorting all: a processor guesses every second comparison of a sort wrongly.
#pragma once

#include "base/page_array.h"
#include "intercept/objects/address_range.h"

namespace intercept {

class AddressChains {
public:
    // For addresses in `text`, some `count` of them. False: no memory.
    bool prepare(base::SharedPages &pages, const AddressRange &text, size_t count) {
        begin_ = text.begin;
        return heads_.reserve_in(pages, text.size() / stretch_bytes + 1) && links_.reserve_in(pages, count);
    }
    // Of the pages, for that many.
    static constexpr size_t needed_bytes(uint64_t text_bytes, size_t count) {
        return base::SharedPages::round((text_bytes / stretch_bytes + 1) * sizeof(uint32_t)) +
               base::SharedPages::round(count * sizeof(Link));
    }
    bool push(uint64_t address) {
        uint32_t &head = heads_[(address - begin_) / stretch_bytes];
        if (!links_.push({address, head}))
            return false;
        head = static_cast<uint32_t>(links_.size());
        return true;
    }
    // Is one of those in `range` wanted?
    template <typename Wanted> bool any(const AddressRange &range, Wanted wanted) const {
        const uint64_t last = (range.end - 1 - begin_) / stretch_bytes;
        for (uint64_t stretch = (range.begin - begin_) / stretch_bytes; stretch <= last; stretch++)
            for (uint32_t at = heads_[stretch]; at != 0; at = links_[at - 1].next)
                if (range.contains(links_[at - 1].address) && wanted(links_[at - 1].address))
                    return true;
        return false;
    }

private:
    static constexpr uint64_t stretch_bytes = 1024;
    struct Link {
        uint64_t address;
        uint32_t next; // number of the next in the stretch, from 1 on; 0: none
    };
    base::PageArray<uint32_t> heads_; // zeroes at first, as the kernel gives memory
    base::PageArray<Link> links_;
    uint64_t begin_ = 0;
};

} // namespace intercept
