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
    base::PageArray<uint64_t> marks_; // a bit for each byte where an instruction starts
    uint64_t marked_bytes_ = 0;
};

} // namespace intercept
