// made_object: an object as the loader would have mapped it, made of a few bytes of
// code and what a linker would have written about them. For any processor.
//
//   +0x0000  text      readable, executable: the code
//   +0x1000  tables    readable: .eh_frame_hdr, .eh_frame, LSDAs, .dynsym, dynamic section
//   +0x2000  data      readable, writable: a word for each pointer; at +0x2100 the jump table
#pragma once

#include "intercept/objects/object.h"

#include <cstdint>
#include <vector>

// All numbers are offsets from the first byte of the code.
struct MadeFunction {
    uint32_t begin;
    uint32_t end;
    std::vector<uint32_t> landing_pads;
};

struct MadeSymbol {
    uint32_t begin;
    uint32_t end; // the same: without a size
};

struct MadeImmediate {
    uint32_t at; // 32 bits in the code
    uint32_t target;
};

struct Recipe {
    std::vector<uint8_t> code;           // up to a page
    std::vector<MadeFunction> functions; // in order
    std::vector<MadeSymbol> symbols;
    std::vector<uint32_t> pointers;
    std::vector<uint32_t> table;
    std::vector<MadeImmediate> absolute; // if any: not position independent
    bool libc = false;
};

class MadeObject {
public:
    static constexpr uint64_t page_bytes = 4096;
    static constexpr uint64_t tables_offset = 0x1000;
    static constexpr uint64_t data_offset = 0x2000;
    static constexpr uint64_t jump_table_offset = 0x2100;
    static constexpr uint64_t span_bytes = 0x3000;

    MadeObject();
    MadeObject(const MadeObject &) = delete;
    MadeObject &operator=(const MadeObject &) = delete;
    ~MadeObject();

    // Writes the object anew. False: more than the pages hold.
    bool make(const Recipe &recipe);
    const intercept::Object &object() const {
        return object_;
    }
    uint8_t *at(uint64_t offset) const {
        return memory_ + offset;
    }
    uint64_t address() const {
        return reinterpret_cast<uint64_t>(memory_);
    }
    // Does anything of the object lead there, by which a jump through a register or memory, or a return, may come?
    bool leads_to(uint64_t offset) const {
        return offset < ways_.size() && ways_[offset];
    }
    // Is it the middle of an instruction, as far as the planner can tell?
    bool is_between(uint64_t offset) const {
        return offset < between_.size() && between_[offset];
    }

private:
    void note_ways(const Recipe &recipe);
    void note_way(uint64_t offset);
    bool note_entry(uint64_t offset);
    template <typename T> void put(const T &value);
    void put_frames(const Recipe &recipe);
    void put_symbols(const Recipe &recipe);

    uint8_t *memory_;
    uint64_t used_ = 0; // where put() writes
    bool fits_ = true;
    intercept::Object object_{};
    std::vector<bool> ways_;
    std::vector<bool> between_; // in the middle of an instruction of a function that is believed
};
