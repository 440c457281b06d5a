// architecture: x86-64 as the planner sees it.
#include "intercept/arch/architecture.h"

#include "intercept/arch/x86_64/decoder.h"
#include "intercept/arch/x86_64/stub.h"
#include "intercept/arch/x86_64/text_scan.h"

#include <cstring>

namespace intercept {
namespace x86_64 {
namespace {

const uint8_t *code_at(uint64_t address) {
    return reinterpret_cast<const uint8_t *>(address);
}

bool plan_move(const Instruction &instruction, const uint8_t *code, MovedInstruction &out) {
    out.length_bytes = instruction.length_bytes;
    out.field = 0;
    switch (instruction.kind) {
    case InstructionKind::other:
        out.move = Move::copy;
        if (instruction.displacement_offset != 0) {
            out.move = Move::rip_relative;
            out.field = instruction.displacement_offset;
        }
        return true;
    case InstructionKind::ret:
        out.move = Move::copy;
        return true;
    case InstructionKind::system_call:
        out.move = Move::system_call;
        return true;
    case InstructionKind::jump:
        out.move = Move::jump;
        return true;
    case InstructionKind::branch: {
        out.move = Move::branch;
        bool wide = instruction.length_bytes >= 6;
        out.field = static_cast<uint8_t>(code[instruction.length_bytes - (wide ? 5 : 2)] & 0x0f);
        return true;
    }
    default:
        return false;
    }
}

long number_from(const Instruction &instruction, const uint8_t *code) {
    int32_t value = 0;
    if (instruction.length_bytes == 5 && code[0] == 0xb8) {
        memcpy(&value, code + 1, 4);
        return value;
    }
    if (instruction.length_bytes == 7 && code[0] == 0x48 && code[1] == 0xc7 && code[2] == 0xc0) {
        memcpy(&value, code + 3, 4);
        return value;
    }
    if (instruction.length_bytes == 2 && code[0] == 0x31 && code[1] == 0xc0)
        return 0;
    bool other_constant = (instruction.length_bytes == 5 && code[0] > 0xb8 && code[0] <= 0xbf) ||
                          (instruction.length_bytes == 6 && code[0] == 0x41 && code[1] >= 0xb8 && code[1] <= 0xbf);
    return other_constant ? number_kept : number_unknown;
}

// The few instructions that compilers write between a system call and the return of a
// wrapper. Argument registers: rdi rsi rdx r10 r8 r9; only rdx is ever written here.
bool keeps_off_arguments(const Instruction &instruction, const uint8_t *code, unsigned &written) {
    constexpr unsigned rdx = 1;
    struct Form {
        uint8_t length;
        uint8_t fixed; // bytes that must be these; operands follow
        uint8_t bytes[4];
    };
    static constexpr Form forms[] = {
        {6, 2, {0x48, 0x3d}},             // cmp rax, imm32
        {5, 1, {0x3d}},                   // cmp eax, imm32
        {2, 2, {0xf7, 0xd8}},             // neg eax
        {3, 3, {0x48, 0xf7, 0xd8}},       // neg rax
        {5, 1, {0xb8}},                   // mov eax, imm32
        {7, 3, {0x48, 0xc7, 0xc0}},       // mov rax, imm32
        {4, 4, {0x48, 0x83, 0xc8, 0xff}}, // or rax, -1
        {3, 3, {0x83, 0xc8, 0xff}},       // or eax, -1
        {2, 2, {0x31, 0xc0}},             // xor eax, eax
        {2, 2, {0x85, 0xc0}},             // test eax, eax
        {3, 3, {0x48, 0x85, 0xc0}},       // test rax, rax
        {2, 2, {0x48, 0x98}},             // cdqe
        {4, 3, {0x48, 0x83, 0xc4}},       // add rsp, imm8
        {7, 3, {0x48, 0x81, 0xc4}},       // add rsp, imm32
    };
    if (instruction.length_bytes == 7 && code[0] == 0x48 && code[1] == 0x8b &&
        code[2] == 0x15) { // mov rdx, [rip + ...]
        written |= rdx;
        return true;
    }
    if (instruction.length_bytes == 3 && code[0] == 0x64 && code[1] == 0x89 && code[2] == 0x02) // mov fs:[rdx], eax
        return (written & rdx) != 0;
    for (const Form &form : forms)
        if (instruction.length_bytes == form.length && memcmp(code, form.bytes, form.fixed) == 0)
            return true;
    return false;
}

// Also what unwinders know by its bytes.
bool is_signal_return(const AddressRange &text, uint64_t site) {
    static constexpr uint8_t with_rax[7] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0};
    static constexpr uint8_t with_eax[5] = {0xb8, 0x0f, 0, 0, 0};
    return (text.contains(site - 7) && memcmp(code_at(site - 7), with_rax, 7) == 0) ||
           (text.contains(site - 5) && memcmp(code_at(site - 5), with_eax, 5) == 0);
}

} // namespace
} // namespace x86_64

// The shortest window that holds a jump begins at most 4 bytes + one instruction
// before the site; an "over" one may begin 16 before it (planner.cpp).
constinit const Architecture native_architecture = {
    .name = "x86_64",
    .jump_bytes = x86_64::jump_bytes,
    .system_call_bytes = 2,
    .before_bytes_max = 20,
    .behind_bytes_max = 20,
    .may_go_over = true,
    .reach_bytes = 0x7ff00000, // 2 GiB less a margin for displacements
    .stub_bytes_max = x86_64::stub_bytes_max,
    .decode = x86_64::decode,
    .find_sites = x86_64::find_sites,
    .find_far_branches = x86_64::find_far_branches,
    .find_short_branches = x86_64::find_short_branches,
    .find_addresses = x86_64::find_addresses,
    .find_immediates = x86_64::find_immediates,
    .plan_move = x86_64::plan_move,
    .number_from = x86_64::number_from,
    .keeps_off_arguments = x86_64::keeps_off_arguments,
    .is_signal_return = x86_64::is_signal_return,
    .write_stub = x86_64::write_stub,
    .write_jump = x86_64::write_jump,
};

} // namespace intercept
