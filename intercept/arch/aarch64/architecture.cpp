// architecture: a window is the one instruction before the svc, mostly `mov x8, nr`.
#include "intercept/arch/aarch64/architecture.h"

#include "intercept/arch/aarch64/decoder.h"
#include "intercept/arch/aarch64/stub.h"
#include "intercept/arch/aarch64/text_scan.h"

#include <cstring>

namespace intercept {
namespace aarch64 {
namespace {

uint32_t word_of(const uint8_t *code) {
    uint32_t word;
    memcpy(&word, code, sizeof word);
    return word;
}

// movz x8 or w8, immediate
bool is_number(uint32_t word) {
    return (word & 0x7fe0001f) == 0x52800008;
}

bool plan_move(const Instruction &instruction, const uint8_t *code, MovedInstruction &out) {
    uint32_t word = word_of(code);
    out.length_bytes = instruction.length_bytes;
    out.field = 0;
    switch (instruction.kind) {
    case InstructionKind::other:
        if (is_literal_load(word))
            return false;
        out.move = is_address(word) ? Move::rip_relative : Move::copy;
        return true;
    case InstructionKind::branch:
        out.move = Move::branch;
        return true;
    case InstructionKind::system_call:
        out.move = Move::system_call;
        return true;
    default:
        return false;
    }
}

long number_from(const Instruction &, const uint8_t *code) {
    uint32_t word = word_of(code);
    return is_number(word) ? static_cast<long>(word >> 5 & 0xffff) : number_unknown;
}

// mov x8, 139 ; svc 0: unwinders know it by its bytes.
bool is_signal_return(const AddressRange &text, uint64_t site) {
    constexpr uint32_t number = 139;
    if (!text.contains(site - instruction_bytes))
        return false;
    uint32_t word = word_of(reinterpret_cast<const uint8_t *>(site - instruction_bytes));
    return is_number(word) && (word >> 5 & 0xffff) == number;
}

} // namespace

constexpr Architecture architecture = {
    .name = "aarch64",
    .jump_bytes = jump_bytes,
    .system_call_bytes = instruction_bytes,
    .before_bytes_max = instruction_bytes,
    .behind_bytes_max = instruction_bytes,
    .may_go_over = false,
    .reach_bytes = 0x7f00000, // 128 MiB less a margin
    .stub_bytes_max = stub_bytes_max,
    .decode = decode,
    .find_sites = find_sites,
    .find_far_branches = find_branches,
    .find_short_branches = nullptr,
    .plan_move = plan_move,
    .number_from = number_from,
    .is_signal_return = is_signal_return,
    .write_stub = write_stub,
    .write_jump = write_jump,
};

} // namespace aarch64

#if defined(__aarch64__)
constinit const Architecture native_architecture = aarch64::architecture;
#endif

} // namespace intercept
