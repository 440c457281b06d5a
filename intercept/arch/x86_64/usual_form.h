// usual_form: the instructions that compilers write most, by one look at a table where the decoder asks a dozen
// questions whose answers a processor can not guess.
#pragma once

#include "intercept/arch/instruction.h"

#include <cstddef>

namespace intercept::x86_64 {

// The instruction at `code` if it has no prefix but REX, is of the two maps that are older than vectors, and `left`
// is no less than the longest one takes. False: ask the decoder, whose answer would be the same.
bool decode_usual_form(const uint8_t *code, size_t left, uint64_t address, Instruction &out);

} // namespace intercept::x86_64
