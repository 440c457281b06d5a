// decoder: what matters of an instruction word. Whatever is not known to leave
// vector state alone counts as touching it.
#include "intercept/arch/aarch64/decoder.h"

#include <cstring>

namespace intercept::aarch64 {
namespace {

// Bits [low, low + count) of `word`, sign-extended, in units of `scale` bytes.
uint64_t distance(uint32_t word, unsigned low, unsigned count, unsigned scale) {
    auto value = static_cast<int64_t>(static_cast<uint64_t>(word) << (64 - low - count)) >> (64 - count);
    return static_cast<uint64_t>(value) * scale;
}

// Branches, exceptions and system instructions: bits 28..26 are 101.
bool decode_branch(uint32_t word, uint64_t address, Instruction &out) {
    if ((word & 0x7c000000) == 0x14000000) { // b, bl
        out.kind = (word >> 31) != 0 ? InstructionKind::call : InstructionKind::jump;
        out.target = address + distance(word, 0, 26, 4);
        return true;
    }
    if ((word & 0xff000000) == 0x54000000 || (word & 0x7e000000) == 0x34000000) { // b.cond, cbz, cbnz
        out.kind = InstructionKind::branch;
        out.target = address + distance(word, 5, 19, 4);
        return true;
    }
    if ((word & 0x7e000000) == 0x36000000) { // tbz, tbnz
        out.kind = InstructionKind::branch;
        out.target = address + distance(word, 5, 14, 4);
        return true;
    }
    if (is_system_call(word)) {
        out.kind = InstructionKind::system_call;
        return true;
    }
    if ((word & 0xff000000) == 0xd4000000) { // brk, hlt, hvc, smc, dcps
        out.kind = InstructionKind::stop;
        return true;
    }
    if ((word & 0xfe000000) == 0xd6000000) {
        // br, blr, ret and their forms with pointer authentication; eret and drps
        switch (word >> 21 & 0xf) {
        case 0:
        case 8:
            out.kind = InstructionKind::indirect_jump;
            return true;
        case 1:
        case 9:
            out.kind = InstructionKind::call;
            return true;
        case 2:
            out.kind = InstructionKind::ret;
            return true;
        case 4:
        case 5:
            out.kind = InstructionKind::stop;
            return true;
        default:
            return false;
        }
    }
    if ((word & 0xff000000) == 0xd5000000) {
        // Hints (nop, bti, pac*) and barriers; mrs and msr of the thread pointer and the flags.
        bool hint = (word & 0xfffff01f) == 0xd503201f;
        bool barrier = (word & 0xfffff01f) == 0xd503301f;
        bool known_register = (word & 0xffdfffe0) == 0xd51bd040 || (word & 0xffdfffe0) == 0xd51b4200;
        out.general_registers_only = hint || barrier || known_register;
        return true;
    }
    return false;
}

} // namespace

uint64_t computed_address(uint32_t word, uint64_t address) {
    uint64_t value = distance(word, 5, 19, 4) | (word >> 29 & 3);
    return (word >> 31) != 0 ? (address & ~uint64_t{0xfff}) + (value << 12) : address + value;
}

bool decode(const uint8_t *code, size_t left, uint64_t address, Instruction &out) {
    if (left < instruction_bytes || address % instruction_bytes != 0)
        return false;
    uint32_t word;
    memcpy(&word, code, sizeof word);
    out = {};
    out.address = address;
    out.length_bytes = instruction_bytes;
    out.kind = InstructionKind::other;
    out.flags = FlagEffect::unknown; // they are always kept
    const bool vector_register = (word >> 26 & 1) != 0;
    switch (word >> 25 & 0xf) {
    case 0x0: // reserved; udf, and the matrix extension
        out.kind = word >> 16 == 0 ? InstructionKind::stop : InstructionKind::other;
        return word >> 16 == 0 || (word >> 31) != 0;
    case 0x2: // the scalable vector extension
        return true;
    case 0x8: // data processing with an immediate
    case 0x9:
        out.general_registers_only = true;
        if (is_address(word))
            out.data_address = computed_address(word, address);
        return true;
    case 0xa:
    case 0xb:
        if (!decode_branch(word, address, out))
            return false;
        out.general_registers_only |= out.kind != InstructionKind::other;
        return true;
    case 0x4: // loads and stores
    case 0x6:
    case 0xc:
    case 0xe:
        out.general_registers_only = !vector_register;
        if (is_literal_load(word))
            out.data_address = address + distance(word, 5, 19, 4);
        return true;
    case 0x5: // data processing, general registers
    case 0xd:
        out.general_registers_only = true;
        return true;
    case 0x7: // floating point and vectors
    case 0xf:
        return true;
    default:
        return false;
    }
}

} // namespace intercept::aarch64
