// sweep: a function as a row of instructions, decoded from its first byte to its last.
#pragma once

#include "intercept/arch/architecture.h"
#include "intercept/objects/frame_table.h"

namespace intercept {

struct Sweep {
    Function function{};
    base::PageArray<Instruction> instructions;
    // Decoded without a gap from begin to end, and every direct branch that stays
    // inside lands on an instruction: the decoding is not out of step.
    bool consistent = false;

    // Room for most functions, in pages that others share. False: no memory.
    bool prepare(base::SharedPages &pages) {
        return instructions.reserve_in(pages, usual_instructions) && marks_.reserve_in(pages, usual_marks);
    }
    static constexpr size_t needed_bytes() {
        return base::SharedPages::round(usual_instructions * sizeof(Instruction)) +
               base::SharedPages::round(usual_marks * sizeof(uint64_t));
    }
    // Decodes `new_function`; `consistent` says how it went.
    void decode(const Architecture &architecture, const Function &new_function);
    // Does an instruction of the function start here?
    bool starts(uint64_t address) const {
        uint64_t at = address - function.range.begin;
        return at < marked_bytes_ && (marks_[at / 64] >> (at % 64) & 1) != 0;
    }
    // Index of the instruction that starts (ends) at `address`, or -1.
    long starting_at(uint64_t address) const;
    long ending_at(uint64_t address) const;

private:
    static constexpr size_t usual_instructions = 1024;
    static constexpr size_t usual_marks = 128; // of 64 bytes each
    base::PageArray<uint64_t> marks_;          // a bit for each byte where an instruction starts
    uint64_t marked_bytes_ = 0;
};

} // namespace intercept
