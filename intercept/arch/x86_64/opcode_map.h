// opcode_map: what follows each opcode byte, and what it does, after Intel's SDM
// volume 2, appendix A. One row of eight opcodes a line:
//
//   m  ModRM follows             g  general registers and memory only
//   s  sets all arithmetic flags k  keeps them         l  may be locked
//   b w e z v o j J  immediate: byte, word, word + byte, size, full, offset,
//                    8-bit distance, 32-bit distance
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

namespace opcode_rows {

constexpr uint16_t unknown = unknown_opcode;
constexpr uint16_t plain = 0;
constexpr uint16_t Jg = imm_branch32 | is_general;
constexpr uint16_t b = imm_byte;
constexpr uint16_t bg = imm_byte | is_general;
constexpr uint16_t bgk = imm_byte | is_general | flags_kept;
constexpr uint16_t bgs = imm_byte | is_general | flags_set;
constexpr uint16_t e = imm_word_byte;
constexpr uint16_t g = is_general;
constexpr uint16_t gk = is_general | flags_kept;
constexpr uint16_t jg = imm_branch8 | is_general;
constexpr uint16_t m = has_modrm;
constexpr uint16_t mb = has_modrm | imm_byte;
constexpr uint16_t mbg = has_modrm | imm_byte | is_general;
constexpr uint16_t mbgk = has_modrm | imm_byte | is_general | flags_kept;
constexpr uint16_t mbgl = has_modrm | imm_byte | is_general | may_lock;
constexpr uint16_t mg = has_modrm | is_general;
constexpr uint16_t mgk = has_modrm | is_general | flags_kept;
constexpr uint16_t mgl = has_modrm | is_general | may_lock;
constexpr uint16_t mgs = has_modrm | is_general | flags_set;
constexpr uint16_t mgsl = has_modrm | is_general | flags_set | may_lock;
constexpr uint16_t ml = has_modrm | may_lock;
constexpr uint16_t mzg = has_modrm | imm_size | is_general;
constexpr uint16_t mzgk = has_modrm | imm_size | is_general | flags_kept;
constexpr uint16_t mzgl = has_modrm | imm_size | is_general | may_lock;
constexpr uint16_t ogk = imm_offset | is_general | flags_kept;
constexpr uint16_t vgk = imm_full | is_general | flags_kept;
constexpr uint16_t wg = imm_word | is_general;
constexpr uint16_t zg = imm_size | is_general;
constexpr uint16_t zgk = imm_size | is_general | flags_kept;
constexpr uint16_t zgs = imm_size | is_general | flags_set;

// clang-format off
inline constexpr uint16_t one_byte_map[256] = {
    mgsl, mgsl, mgs, mgs, bgs, zgs, unknown, unknown, // 00
    mgsl, mgsl, mgs, mgs, bgs, zgs, unknown, unknown, // 08
    mgl, mgl, mg, mg, bg, zg, unknown, unknown, // 10
    mgl, mgl, mg, mg, bg, zg, unknown, unknown, // 18
    mgsl, mgsl, mgs, mgs, bgs, zgs, unknown, unknown, // 20
    mgsl, mgsl, mgs, mgs, bgs, zgs, unknown, unknown, // 28
    mgsl, mgsl, mgs, mgs, bgs, zgs, unknown, unknown, // 30
    mgs, mgs, mgs, mgs, bgs, zgs, unknown, unknown, // 38
    unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, // 40
    unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, // 48
    gk, gk, gk, gk, gk, gk, gk, gk, // 50
    gk, gk, gk, gk, gk, gk, gk, gk, // 58
    unknown, unknown, unknown, mgk, unknown, unknown, unknown, unknown, // 60
    zgk, mzg, bgk, mbg, plain, plain, plain, plain, // 68
    jg, jg, jg, jg, jg, jg, jg, jg, // 70
    jg, jg, jg, jg, jg, jg, jg, jg, // 78
    mbgl, mzgl, unknown, mbgl, mgs, mgs, mgl, mgl, // 80
    mgk, mgk, mgk, mgk, m, mgk, m, mgk, // 88
    gk, g, g, g, g, g, g, g, // 90
    g, g, unknown, plain, plain, plain, plain, plain, // 98
    ogk, ogk, ogk, ogk, plain, plain, plain, plain, // a0
    bgs, zgs, plain, plain, plain, plain, plain, plain, // a8
    bgk, bgk, bgk, bgk, bgk, bgk, bgk, bgk, // b0
    vgk, vgk, vgk, vgk, vgk, vgk, vgk, vgk, // b8
    mbg, mbg, wg, g, unknown, unknown, mbgk, mzgk, // c0
    e, g, unknown, unknown, plain, b, unknown, unknown, // c8
    mg, mg, mg, mg, unknown, unknown, unknown, plain, // d0
    m, m, m, m, m, m, m, m, // d8
    jg, jg, jg, jg, b, b, b, b, // e0
    Jg, Jg, unknown, jg, plain, plain, plain, plain, // e8
    unknown, unknown, unknown, unknown, g, plain, mgl, mgl, // f0
    plain, plain, plain, plain, plain, plain, mgl, mgl, // f8
};

inline constexpr uint16_t two_byte_map[256] = { // behind 0f
    m, m, m, m, unknown, g, plain, plain, // 00
    plain, plain, unknown, g, unknown, m, unknown, unknown, // 08
    m, m, m, m, m, m, m, m, // 10
    m, m, m, m, m, m, mgk, mgk, // 18
    unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, // 20
    m, m, m, m, m, m, m, m, // 28
    plain, plain, plain, plain, plain, plain, unknown, unknown, // 30
    unknown, unknown, unknown, unknown, unknown, unknown, unknown, unknown, // 38
    mg, mg, mg, mg, mg, mg, mg, mg, // 40
    mg, mg, mg, mg, mg, mg, mg, mg, // 48
    m, m, m, m, m, m, m, m, // 50
    m, m, m, m, m, m, m, m, // 58
    m, m, m, m, m, m, m, m, // 60
    m, m, m, m, m, m, m, m, // 68
    mb, mb, mb, mb, m, m, m, plain, // 70
    unknown, unknown, unknown, unknown, m, m, m, m, // 78
    Jg, Jg, Jg, Jg, Jg, Jg, Jg, Jg, // 80
    Jg, Jg, Jg, Jg, Jg, Jg, Jg, Jg, // 88
    mg, mg, mg, mg, mg, mg, mg, mg, // 90
    mg, mg, mg, mg, mg, mg, mg, mg, // 98
    plain, plain, plain, mg, mb, m, unknown, unknown, // a0
    plain, plain, unknown, mgl, mb, m, m, mg, // a8
    mgl, mgl, m, mgl, m, m, mgk, mgk, // b0
    mg, unknown, mbgl, mgl, mg, mg, mgk, mgk, // b8
    mgl, mgl, mb, mgk, mb, mb, mb, ml, // c0
    g, g, g, g, g, g, g, g, // c8
    m, m, m, m, m, m, m, m, // d0
    m, m, m, m, m, m, m, m, // d8
    m, m, m, m, m, m, m, m, // e0
    m, m, m, m, m, m, m, m, // e8
    m, m, m, m, m, m, m, m, // f0
    m, m, m, m, m, m, m, unknown, // f8
};
// clang-format on

} // namespace opcode_rows

using opcode_rows::one_byte_map;
using opcode_rows::two_byte_map;

} // namespace intercept
