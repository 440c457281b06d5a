// opcode_group: what depends on the middle field of ModRM, which is part of the opcode in groups, and what an
// opcode does with control.
#pragma once

#include "intercept/arch/instruction.h"
#include "intercept/arch/x86_64/opcode_map.h"

namespace intercept::x86_64 {

constexpr uint8_t no_escape = 0;
constexpr uint8_t escape = 0x0f;

struct ModRm {
    uint8_t mode;   // 3: a register
    uint8_t number; // the middle field: part of the opcode in groups
    uint8_t rm;
};

// Groups: the middle field of ModRM is part of the opcode.
constexpr bool look_at_group(const ModRm &modrm, bool repeat, uint8_t map, uint8_t opcode, uint32_t &facts) {
    unsigned number = modrm.number;
    bool in_register = modrm.mode == 3;
    if (map == escape) {
        switch (opcode) {
        case 0xb8: // popcnt; without the prefix another thing
            return repeat;
        case 0xba:
            if (number == 4)
                facts &= ~uint32_t{may_lock};
            return number >= 4;
        case 0x50: // movmskps
        case 0x71: // shifts by an immediate
        case 0x72:
        case 0x73:
        case 0xc5: // pextrw
        case 0xd7: // pmovmskb
        case 0xf7: // maskmovq
            return in_register;
        case 0x13: // movlps and movhps as stores
        case 0x17:
        case 0x2b: // stores past the caches
        case 0xb2: // far pointers
        case 0xb4:
        case 0xb5:
        case 0xc3: // movnti
        case 0xe7:
        case 0xf0: // lddqu
            return !in_register;
        case 0xc7:
            if (number == 1 && !in_register)
                facts |= is_general;
            else
                facts &= ~uint32_t{may_lock};
            return number != 0 && number != 2;
        default:
            return true;
        }
    }
    switch (opcode) {
    case 0x80:
    case 0x81:
    case 0x83:
        if (number == 7)
            facts &= ~uint32_t{may_lock};
        if (number != 2 && number != 3) // adc and sbb read the carry
            facts |= flags_set;
        return true;
    case 0x8c:
        return number < 6;
    case 0x8e:
        return number < 6 && number != 1;
    case 0x8d: // lea
        return !in_register;
    case 0x8f:
    case 0xc6:
    case 0xc7:
        return number == 0;
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xc0:
    case 0xc1:
        return number != 6;
    case 0xf6:
    case 0xf7:
        if (number == 0)
            facts |= flags_set | (opcode == 0xf6 ? imm_byte : imm_size);
        if (number == 3)
            facts |= flags_set;
        if (number != 2 && number != 3)
            facts &= ~uint32_t{may_lock};
        return number != 1;
    case 0xfe:
        return number < 2;
    case 0xff:
        if (number == 6)
            facts |= flags_kept;
        if (number > 1)
            facts &= ~uint32_t{may_lock};
        return number != 3 && number != 5 && number != 7;
    default:
        return true;
    }
}

// Does look_at_group() refuse anything of the opcode, or say more of it than its row? Asked of itself, so
// that the two can not differ; most instructions are spared its jumps, which a processor guesses badly.
struct GroupOpcodes {
    bool of_one_byte[256] = {};
    bool of_two_bytes[256] = {};
    consteval GroupOpcodes() {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            of_one_byte[opcode] = is_group(no_escape, static_cast<uint8_t>(opcode));
            of_two_bytes[opcode] = is_group(escape, static_cast<uint8_t>(opcode));
        }
    }
    static constexpr bool is_group(uint8_t map, uint8_t opcode) {
        for (unsigned at = 0; at < 2 * 4 * 8; at++) {
            const ModRm modrm = {static_cast<uint8_t>(at >> 3 & 3), static_cast<uint8_t>(at & 7), 0};
            constexpr uint32_t rows[] = {0, ~uint32_t{0}};
            for (uint32_t row : rows) {
                uint32_t facts = row;
                if (!look_at_group(modrm, at >= 4 * 8, map, opcode, facts) || facts != row)
                    return true;
            }
        }
        return false;
    }
};
inline constexpr GroupOpcodes group_opcodes;

// What an opcode does with control.
struct Flow {
    InstructionKind kind = InstructionKind::other;
    uint8_t distance_bytes = 0; // of a direct one
    bool is_group = false;      // ff: the middle field of ModRM says more
    bool sets_direction = false;
};

struct Flows {
    Flow of_one_byte[256] = {};
    Flow of_two_bytes[256] = {};
    consteval Flows() {
        using enum InstructionKind;
        for (unsigned condition = 0; condition < 16; condition++) {
            of_one_byte[0x70 + condition] = {branch, 1};
            of_two_bytes[0x80 + condition] = {branch, 4};
        }
        of_one_byte[0x9d].sets_direction = of_one_byte[0xfd].sets_direction = true;
        of_one_byte[0xc2] = of_one_byte[0xc3] = {ret};
        of_one_byte[0xcc] = of_one_byte[0xf4] = {stop};
        for (unsigned opcode = 0xe0; opcode < 0xe4; opcode++)
            of_one_byte[opcode] = {loop, 1};
        of_one_byte[0xe8] = {call, 4};
        of_one_byte[0xe9] = {jump, 4};
        of_one_byte[0xeb] = {jump, 1};
        of_one_byte[0xff] = {indirect_jump, 0, true};
        of_two_bytes[0x05] = {system_call};
        of_two_bytes[0x0b] = {stop};
    }
};
inline constexpr Flows flows;

} // namespace intercept::x86_64
