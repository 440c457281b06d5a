// opcode_map: what follows each opcode byte, and what it does, after Intel's SDM
// volume 2, appendix A.
#pragma once

#include <cstdint>

namespace intercept {

// What an opcode is followed by. One of the operand forms, plus flags.
enum OpcodeFacts : uint16_t {
    // Immediate operand.
    imm_none = 0,
    imm_byte = 1,      // 8 bits
    imm_word = 2,      // 16 bits
    imm_word_byte = 3, // 16 + 8 bits
    imm_size = 4,      // 32 bits, 16 with 66
    imm_full = 5,      // 32 bits, 16 with 66, 64 with REX.W
    imm_offset = 6,    // an address: 64 bits, 32 with 67
    imm_branch8 = 7,   // distance of 8 bits
    imm_branch32 = 8,  // distance of 32 bits
    imm_mask = 15,
    has_modrm = 1u << 4,
    // Reads and writes general registers, memory and flags only.
    is_general = 1u << 5,
    // All arithmetic flags are overwritten without being read; none is touched.
    flags_set = 1u << 6,
    flags_kept = 1u << 7,
    may_lock = 1u << 8, // the lock prefix is allowed with a memory operand
    // Undefined, of another mode, or not worth knowing: the decoder refuses.
    unknown_opcode = 1u << 9,
};

extern const uint16_t one_byte_map[256];
extern const uint16_t two_byte_map[256]; // behind 0f

} // namespace intercept
