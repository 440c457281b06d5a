// instruction: the few facts about a machine instruction that planning asks for.
// The same for each processor; arch/<name>/decoder fills them in.
#pragma once

#include <cstdint>

namespace intercept {

enum class InstructionKind : uint8_t {
    other,
    jump,          // direct
    branch,        // direct, conditional; can be written anew with a wide distance
    loop,          // direct, conditional, short form only (jrcxz, loop*)
    call,          // direct or not
    indirect_jump, // through a register or a table
    got_jump,      // through a word beside the code: leaves the function
    ret,
    system_call,
    stop, // control does not go on
};

// What an instruction does to the arithmetic flags, as far as it matters.
enum class FlagEffect : uint8_t { unknown, keeps, overwrites };

struct Instruction {
    uint64_t address;
    uint64_t target;       // of a direct jump, branch or call; else 0
    uint64_t data_address; // memory operand at a fixed distance or address; else 0
    InstructionKind kind;
    FlagEffect flags;
    uint8_t length_bytes;
    uint8_t displacement_offset; // of a displacement relative to the instruction; 0 = none
    bool general_registers_only; // known not to touch vector, mask or x87 state
    bool sets_direction;         // may set the direction flag
    uint64_t end() const {
        return address + length_bytes;
    }
};

} // namespace intercept
