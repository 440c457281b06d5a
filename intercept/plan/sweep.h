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
    // Index of the instruction that starts (ends) at `address`, or -1.
    long starting_at(uint64_t address) const;
    long ending_at(uint64_t address) const;
};

} // namespace intercept
