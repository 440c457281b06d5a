// opcode_map: one row of eight opcodes a line.
//
//   m  ModRM follows             g  general registers and memory only
//   s  sets all arithmetic flags k  keeps them         l  may be locked
//   b w e z v o j J  immediate: byte, word, word + byte, size, full, offset,
//                    8-bit distance, 32-bit distance
#include "intercept/arch/x86_64/opcode_map.h"

namespace intercept {
namespace {

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

} // namespace

// clang-format off
const uint16_t one_byte_map[256] = {
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
// clang-format on

// clang-format off
const uint16_t two_byte_map[256] = {
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

} // namespace intercept
