// address_range: from the first byte to behind the last.
#pragma once

#include <cstdint>

namespace intercept {

struct AddressRange {
    uint64_t begin = 0;
    uint64_t end = 0;
    bool contains(uint64_t address) const {
        return address >= begin && address < end;
    }
    uint64_t size() const {
        return end - begin;
    }
};

} // namespace intercept
