// decoder: one x86-64 instruction after another, from a table. No memory, no libc:
// it runs at program start, inside a hook, and where there is no C library.
#pragma once

#include "intercept/arch/instruction.h"

#include <cstddef>

namespace intercept::x86_64 {

// Decodes the instruction at `code`, which will run at `address`. False: what is
// there is undefined, does not end within `left` bytes, or is not known for certain.
bool decode(const uint8_t *code, size_t left, uint64_t address, Instruction &out);

} // namespace intercept::x86_64
