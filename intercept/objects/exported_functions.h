// exported_functions: where the functions of .dynsym start.
#pragma once

#include "intercept/objects/object.h"

namespace intercept {

class ExportedFunctions {
public:
    // False: no memory.
    bool collect(const Object &object) {
        SymbolTable table = symbol_table(object);
        base_ = object.base;
        uint64_t size = 64;
        while (size < table.count * 2)
            size *= 2;
        mask_ = size - 1;
        if (!slots_.reserve(size, true))
            return false;
        for (uint64_t i = 0; i < table.count; i++)
            if (is_defined_function(table.symbols[i]) && table.symbols[i].st_value < UINT32_MAX)
                *slot_of(static_cast<uint32_t>(table.symbols[i].st_value)) =
                    static_cast<uint32_t>(table.symbols[i].st_value);
        return true;
    }
    bool contains(uint64_t address) const {
        uint64_t offset = address - base_;
        return offset != 0 && offset < UINT32_MAX && *slot_of(static_cast<uint32_t>(offset)) == offset;
    }

private:
    // The place of `offset`, or the free one where it would go. At most half are taken.
    uint32_t *slot_of(uint32_t offset) {
        return const_cast<uint32_t *>(const_cast<const ExportedFunctions *>(this)->slot_of(offset));
    }
    const uint32_t *slot_of(uint32_t offset) const {
        uint64_t at = offset * uint64_t{0x9e3779b1} >> 8 & mask_;
        while (slots_[at] != 0 && slots_[at] != offset)
            at = (at + 1) & mask_;
        return &slots_[at];
    }
    base::PageArray<uint32_t> slots_; // open addressing; fresh pages are zero
    uint64_t mask_ = 0;
    uint64_t base_ = 0;
};

} // namespace intercept
