// exported_functions: where the functions of .dynsym start.
#pragma once

#include "intercept/objects/object.h"

namespace intercept {

class ExportedFunctions {
public:
    // False: no memory.
    bool collect(base::SharedPages &pages, const Object &object) {
        SymbolTable table = symbol_table(object);
        base_ = object.base;
        const uint64_t size = slots_for(table.count);
        mask_ = size - 1;
        if (!slots_.reserve_in(pages, size))
            return false;
        for (uint64_t i = 0; i < table.count; i++)
            if (is_defined_function(table.symbols[i]) && table.symbols[i].st_value < UINT32_MAX)
                *slot_of(static_cast<uint32_t>(table.symbols[i].st_value)) =
                    static_cast<uint32_t>(table.symbols[i].st_value);
        return true;
    }
    // Of the pages, for so many symbols.
    static constexpr size_t needed_bytes(uint64_t symbols) {
        return base::SharedPages::round(slots_for(symbols) * sizeof(uint32_t));
    }
    bool contains(uint64_t address) const {
        uint64_t offset = address - base_;
        return offset != 0 && offset < UINT32_MAX && *slot_of(static_cast<uint32_t>(offset)) == offset;
    }

private:
    static constexpr uint64_t slots_for(uint64_t symbols) {
        uint64_t size = 64;
        while (size < symbols * 2)
            size *= 2;
        return size;
    }
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
