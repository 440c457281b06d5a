// decoder: functions as rows of instructions, decoded with capstone.
//
// capstone is loaded with dlopen and only when a plan has to be made: linking it
// costs every program start 1.3 ms.
#pragma once

#include "base/page_array.h"
#include "intercept/objects/frame_table.h"

#include <cstdint>

namespace intercept {

enum class InstructionKind : uint8_t {
    other,
    jump,          // direct
    branch,        // direct, conditional
    loop,          // jrcxz, loop*: short form only
    call,          // direct or not
    indirect_jump, // through a register or a table
    got_jump,      // jmp *x(%rip): leaves the function
    ret,
    system_call,
    stop, // hlt, ud2, int3: control does not go on
};

// What an instruction does to the arithmetic flags, as far as it matters.
enum class FlagEffect : uint8_t { unknown, keeps, overwrites };

struct Instruction {
    uint64_t address;
    uint64_t target;       // of a direct jump, branch or call; else 0
    uint64_t data_address; // rip-relative or absolute memory operand; else 0
    InstructionKind kind;
    FlagEffect flags;
    uint8_t length_bytes;
    uint8_t displacement_offset; // of a rip-relative displacement; 0 = none
    bool general_registers_only; // known not to touch vector, mask, x87 state
    bool sets_direction;         // std, popf
    uint64_t end() const {
        return address + length_bytes;
    }
};

// The instructions of one function, in order.
struct Sweep {
    Function function{};
    base::PageArray<Instruction> instructions;
    // Decoded without a gap from begin to end, and every direct branch that stays
    // inside lands on an instruction: the decoding is not out of step.
    bool consistent = false;

    // Index of the instruction that starts (ends) at `address`, or -1.
    long starting_at(uint64_t address) const;
    long ending_at(uint64_t address) const;
};

class Decoder {
public:
    Decoder() = default;
    Decoder(const Decoder &) = delete;
    Decoder &operator=(const Decoder &) = delete;
    ~Decoder();

    // Loads capstone. False: not there, or not a version we know.
    bool open();
    // Decodes `function`; sweep.consistent says how it went.
    void sweep(const Function &function, Sweep &out);

private:
    void *library_ = nullptr;
    void *instruction_ = nullptr;
    size_t handle_ = 0;
};

} // namespace intercept
