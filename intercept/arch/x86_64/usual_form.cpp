// usual_form: the rows are made, when this is compiled, from what the decoder looks at.
#include "intercept/arch/x86_64/usual_form.h"

#include "intercept/arch/x86_64/opcode_group.h"

#include <cstring>

namespace intercept::x86_64 {
namespace {

// All there is to know of an opcode, or of an opcode and the middle field of its ModRM.
struct Row {
    bool is_usual = false; // else the decoder is to look at it
    bool has_modrm = false;
    uint8_t group = 0; // not 0: the row is in that one of the groups
    InstructionKind kind = InstructionKind::other;
    FlagEffect flags = FlagEffect::unknown;
    uint8_t immediate_bytes = 0; // the distance of a branch, too
    uint8_t wide_bytes = 0;      // the same with REX.W
    uint8_t distance_bytes = 0;
    bool general_registers_only = false;
    bool sets_direction = false;
};

constexpr uint8_t varies = 255;
constexpr uint8_t bytes_of_form[16] = {0,      1,      2,      3,      4,      4,      varies, 1, 4, // by imm_...
                                       varies, varies, varies, varies, varies, varies, varies};

constexpr Row row_of(uint8_t map, uint8_t opcode, uint32_t facts, uint8_t number) {
    const Flow &flow = map == escape ? flows.of_two_bytes[opcode] : flows.of_one_byte[opcode];
    Row row;
    row.has_modrm = (facts & has_modrm) != 0;
    row.immediate_bytes = bytes_of_form[facts & imm_mask];
    row.wide_bytes = (facts & imm_mask) == imm_full ? 8 : row.immediate_bytes;
    row.is_usual = (facts & unknown_opcode) == 0 && row.immediate_bytes != varies;
    row.general_registers_only = (facts & is_general) != 0;
    row.flags = (facts & flags_set) != 0    ? FlagEffect::overwrites
                : (facts & flags_kept) != 0 ? FlagEffect::keeps
                                            : FlagEffect::unknown;
    row.kind = flow.kind;
    if (flow.is_group)
        row.kind = number == 2   ? InstructionKind::call
                   : number == 4 ? InstructionKind::indirect_jump
                                 : InstructionKind::other;
    row.distance_bytes = flow.distance_bytes;
    row.sets_direction = flow.sets_direction;
    return row;
}

// Prefixes, and what the decoder has other rules for.
constexpr bool is_apart(uint8_t map, uint8_t opcode) {
    if (map == escape)
        return opcode == 0x38 || opcode == 0x3a;
    switch (opcode) {
    case 0x0f: // the other map
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x62:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xc2: // with REX.W nobody writes it
    case 0xc4:
    case 0xc5:
    case 0xf0:
    case 0xf2:
    case 0xf3:
        return true;
    default:
        return (opcode & 0xf0) == 0x40;
    }
}

constexpr unsigned groups_max = 64;

struct Rows {
    Row of_one_byte[256] = {};
    Row of_two_bytes[256] = {};
    Row of_groups[groups_max][2][8] = {}; // memory or a register, middle field
    consteval Rows() {
        uint8_t groups = 0;
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            of_one_byte[opcode] = fill(no_escape, static_cast<uint8_t>(opcode), groups);
            of_two_bytes[opcode] = fill(escape, static_cast<uint8_t>(opcode), groups);
        }
    }
    consteval Row fill(uint8_t map, uint8_t opcode, uint8_t &groups) {
        const uint32_t facts = map == escape ? two_byte_map[opcode] : one_byte_map[opcode];
        const bool is_group = map == escape ? group_opcodes.of_two_bytes[opcode] : group_opcodes.of_one_byte[opcode];
        if (is_apart(map, opcode))
            return Row{};
        Row row = row_of(map, opcode, facts, 0);
        if ((facts & has_modrm) == 0 || !is_group)
            return row;
        row.group = ++groups;
        for (uint8_t at = 0; at < 2 * 8; at++) {
            const ModRm modrm = {static_cast<uint8_t>(at < 8 ? 0 : 3), static_cast<uint8_t>(at % 8), 0};
            uint32_t facts_there = facts;
            const bool known = look_at_group(modrm, false, map, opcode, facts_there);
            Row &there = of_groups[row.group][at / 8][at % 8];
            there = row_of(map, opcode, facts_there, modrm.number);
            there.is_usual = there.is_usual && known;
        }
        return row;
    }
};
constexpr Rows rows;

// What stands behind a ModRM, by its value.
struct Operand {
    uint8_t bytes = 0; // of SIB and displacement
    bool is_relative = false;
    bool is_indexed = false; // without a displacement of its own: a SIB may add one
};

struct Operands {
    Operand of_modrm[256] = {};
    consteval Operands() {
        for (unsigned modrm = 0; modrm < 0xc0; modrm++) {
            const unsigned mode = modrm >> 6;
            const bool has_sib = (modrm & 7) == 4;
            const bool is_relative = mode == 0 && (modrm & 7) == 5;
            const unsigned displacement_bytes = mode == 1 ? 1 : mode == 2 || is_relative ? 4 : 0;
            of_modrm[modrm] = {static_cast<uint8_t>(displacement_bytes + (has_sib ? 1 : 0)), is_relative,
                               has_sib && mode == 0};
        }
    }
};
constexpr Operands operands;

int32_t load32(const uint8_t *from) {
    int32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

uint64_t extend(int64_t distance) {
    return static_cast<uint64_t>(distance);
}

} // namespace

// (Without any branch, by masks, it is slower: then each instruction waits for the length of the one before, which
// is guessed here.)
bool decode_usual_form(const uint8_t *code, size_t left, uint64_t address, Instruction &out) {
    constexpr size_t instruction_bytes_max = 15;
    if (left < instruction_bytes_max)
        return false;
    unsigned at = 0;
    bool wide = false;
    if ((code[0] & 0xf0) == 0x40) {
        wide = (code[0] & 8) != 0;
        at = 1;
    }
    uint8_t opcode = code[at++];
    const Row *row = &rows.of_one_byte[opcode];
    if (opcode == escape) {
        opcode = code[at++];
        row = &rows.of_two_bytes[opcode];
    }
    unsigned displacement_offset = 0;
    if (row->has_modrm) {
        const uint8_t modrm = code[at++];
        if (row->group != 0)
            row = &rows.of_groups[row->group][modrm >= 0xc0 ? 1 : 0][modrm >> 3 & 7];
        const Operand &operand = operands.of_modrm[modrm];
        if (operand.is_indexed && (code[at] & 7) == 5)
            return false; // an address, or a table of them
        displacement_offset = operand.is_relative ? at : 0;
        at += operand.bytes;
    }
    if (!row->is_usual)
        return false;
    at += wide ? row->wide_bytes : row->immediate_bytes;
    const uint64_t end = address + at;
    out.address = address;
    out.target = 0;
    out.data_address = displacement_offset != 0 ? end + extend(load32(code + displacement_offset)) : 0;
    out.kind = row->kind;
    if (row->distance_bytes != 0)
        out.target = end + extend(row->distance_bytes == 1 ? static_cast<int8_t>(code[at - 1]) : load32(code + at - 4));
    else if (row->kind == InstructionKind::indirect_jump && displacement_offset != 0)
        out.kind = InstructionKind::got_jump;
    out.flags = row->flags;
    out.length_bytes = static_cast<uint8_t>(at);
    out.displacement_offset = static_cast<uint8_t>(displacement_offset);
    out.general_registers_only = row->general_registers_only;
    out.sets_direction = row->sets_direction;
    return true;
}

} // namespace intercept::x86_64
