// decoder: AArch64 instructions, each one word, from the top-level encoding table
// (Arm ARM, C4.1). No memory, no libc.
#pragma once

#include "intercept/arch/instruction.h"

#include <cstddef>

namespace intercept::aarch64 {

constexpr unsigned instruction_bytes = 4;

// Any svc: Linux does not look at its immediate.
constexpr bool is_system_call(uint32_t word) {
    return (word & 0xffe0001f) == 0xd4000001;
}

// adr and adrp: the only instructions besides branches and literal loads that depend on
// where they stand.
constexpr bool is_address(uint32_t word) {
    return (word & 0x1f000000) == 0x10000000;
}

// The address that adr or adrp at `address` computes.
uint64_t computed_address(uint32_t word, uint64_t address);

// A load of a register from a fixed distance (and the prefetch of the same form).
constexpr bool is_literal_load(uint32_t word) {
    return (word & 0x3b000000) == 0x18000000;
}

// Decodes the instruction at `code`, which will run at `address`. False: reserved, not
// whole within `left` bytes, or at an address that is not a multiple of 4.
bool decode(const uint8_t *code, size_t left, uint64_t address, Instruction &out);

} // namespace intercept::aarch64
