// aarch64: the planning half of arch/aarch64 on any processor. The decoder's every
// answer against capstone's, and stubs read back instruction by instruction.
#include "intercept/arch/aarch64/architecture.h"
#include "intercept/arch/aarch64/decoder.h"
#include "intercept/hooks/registry.h"

#include <capstone/capstone.h>
#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace intercept {
namespace {

using aarch64::architecture;

class Oracle {
public:
    Oracle() {
        EXPECT_EQ(cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &handle_), CS_ERR_OK);
        EXPECT_EQ(cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON), CS_ERR_OK);
        instruction_ = cs_malloc(handle_);
    }
    ~Oracle() {
        cs_free(instruction_, 1);
        cs_close(&handle_);
    }
    Oracle(const Oracle &) = delete;
    Oracle &operator=(const Oracle &) = delete;

    const cs_insn *read(uint32_t word, uint64_t address) {
        auto *code = reinterpret_cast<const uint8_t *>(&word);
        size_t left = sizeof word;
        return cs_disasm_iter(handle_, &code, &left, &address, instruction_) ? instruction_ : nullptr;
    }
    bool touches_vectors() const {
        for (unsigned i = 0; i < instruction_->detail->arm64.op_count; i++) {
            const cs_arm64_op &operand = instruction_->detail->arm64.operands[i];
            if (operand.type != ARM64_OP_REG)
                continue;
            unsigned reg = operand.reg;
            bool vector =
                (reg >= ARM64_REG_B0 && reg <= ARM64_REG_B31) || (reg >= ARM64_REG_D0 && reg <= ARM64_REG_D31) ||
                (reg >= ARM64_REG_H0 && reg <= ARM64_REG_H31) || (reg >= ARM64_REG_Q0 && reg <= ARM64_REG_Q31) ||
                (reg >= ARM64_REG_S0 && reg <= ARM64_REG_S31) || (reg >= ARM64_REG_V0 && reg <= ARM64_REG_V31);
            if (vector)
                return true;
        }
        return false;
    }
    // The last immediate: the target of a branch, the address of adr or a literal.
    uint64_t immediate() const {
        const cs_arm64 &arm = instruction_->detail->arm64;
        for (unsigned i = arm.op_count; i-- > 0;)
            if (arm.operands[i].type == ARM64_OP_IMM)
                return static_cast<uint64_t>(arm.operands[i].imm);
        return 0;
    }

private:
    csh handle_ = 0;
    cs_insn *instruction_ = nullptr;
};

InstructionKind kind_of(const cs_insn &instruction) {
    switch (instruction.id) {
    case ARM64_INS_B:
        return strncmp(instruction.mnemonic, "b.", 2) == 0 ? InstructionKind::branch : InstructionKind::jump;
    case ARM64_INS_CBZ:
    case ARM64_INS_CBNZ:
    case ARM64_INS_TBZ:
    case ARM64_INS_TBNZ:
        return InstructionKind::branch;
    case ARM64_INS_BL:
    case ARM64_INS_BLR:
        return InstructionKind::call;
    case ARM64_INS_BR:
        return InstructionKind::indirect_jump;
    case ARM64_INS_RET:
        return InstructionKind::ret;
    case ARM64_INS_SVC:
        return InstructionKind::system_call;
    case ARM64_INS_BRK:
    case ARM64_INS_HLT:
    case ARM64_INS_HVC:
    case ARM64_INS_SMC:
    case ARM64_INS_DCPS1:
    case ARM64_INS_DCPS2:
    case ARM64_INS_DCPS3:
    case ARM64_INS_ERET:
    case ARM64_INS_DRPS:
        return InstructionKind::stop;
    default:
        return InstructionKind::other;
    }
}

constexpr uint64_t place = 0x7f1234560000;

void compare(Oracle &oracle, uint32_t word, unsigned &known) {
    const cs_insn *expected = oracle.read(word, place);
    if (expected == nullptr)
        return; // newer than this capstone, or nothing
    Instruction got;
    ASSERT_TRUE(aarch64::decode(reinterpret_cast<const uint8_t *>(&word), 4, place, got))
        << std::hex << word << " " << expected->mnemonic << " " << expected->op_str;
    known++;
    SCOPED_TRACE(std::string(expected->mnemonic) + " " + expected->op_str);
    EXPECT_EQ(got.kind, kind_of(*expected)) << std::hex << word;
    if (got.target != 0) {
        EXPECT_EQ(got.target, oracle.immediate());
    }
    if (got.general_registers_only) {
        EXPECT_FALSE(oracle.touches_vectors());
    }
    bool address = expected->id == ARM64_INS_ADR || expected->id == ARM64_INS_ADRP;
    EXPECT_EQ(aarch64::is_address(word), address);
    if (address) {
        EXPECT_EQ(got.data_address, oracle.immediate());
    }
    if (aarch64::is_literal_load(word)) {
        EXPECT_EQ(got.data_address, oracle.immediate());
    }
}

TEST(Aarch64, DecoderAgreesWithCapstoneOnRandomWords) {
    Oracle oracle;
    std::mt19937 random(0x5eed);
    unsigned known = 0;
    for (int i = 0; i < 400000 && !testing::Test::HasFailure(); i++)
        compare(oracle, static_cast<uint32_t>(random()), known);
    EXPECT_GT(known, 100000u);
}

TEST(Aarch64, DecoderAgreesWithCapstoneOnBranches) {
    Oracle oracle;
    std::mt19937 random(0xb5eed);
    unsigned known = 0;
    for (uint32_t form : {0x14000000u, 0x94000000u, 0x54000000u, 0x34000000u, 0xb5000000u, 0x36000000u, 0xb7000000u,
                          0xd4000001u, 0xd61f0000u, 0xd63f0000u, 0xd65f0000u, 0x10000000u, 0x90000000u, 0x18000000u,
                          0x58000000u, 0xd5030000u, 0xd51b0000u, 0xd53b0000u})
        for (int i = 0; i < 4000 && !testing::Test::HasFailure(); i++)
            compare(oracle, form | (static_cast<uint32_t>(random()) & 0x00ffffff), known);
    EXPECT_GT(known, 30000u);
}

TEST(Aarch64, OnlySystemCallsAreSites) {
    std::vector<uint32_t> words(0x1000, 0xd503201f);
    words[3] = 0xd4000001;
    words[5] = 0xd4000002; // hvc
    words[7] = 0xd40000e1; // svc 7
    words[0xfff] = 0xd4000001;
    auto begin = reinterpret_cast<uint64_t>(words.data());
    base::PageArray<uint64_t> sites;
    ASSERT_TRUE(architecture.find_sites({begin, begin + words.size() * 4}, sites));
    ASSERT_EQ(sites.size(), 3u);
    EXPECT_EQ(sites[0], begin + 12);
    EXPECT_EQ(sites[1], begin + 28);
    EXPECT_EQ(sites[2], begin + 0xfff * 4);
}

// --- stubs ---------------------------------------------------------------------------

constexpr uint64_t window = 0x4000000000;
constexpr uint64_t stub_place = window + 0x1000000;

struct Stub {
    std::vector<std::string> lines; // "offset mnemonic operands"
    std::vector<uint8_t> bytes;
    size_t used = 0;
    explicit Stub(uint32_t moved, Move move, int32_t number, uint64_t place = stub_place)
        : bytes(architecture.stub_bytes_max) {
        SitePlan plan{};
        plan.state = INTERCEPT_SITE_BEFORE;
        plan.site_in_window = 4;
        plan.window_bytes = 4;
        plan.number = number;
        plan.instruction_count = 1;
        plan.instructions[0] = {0, 4, move, 0};
        memcpy(plan.bytes, &moved, 4);
        used = architecture.write_stub(plan, window, place, bytes.data());
        Oracle oracle;
        for (size_t at = 0; at + 4 <= used; at += 4) {
            uint32_t word;
            memcpy(&word, bytes.data() + at, 4);
            const cs_insn *one = oracle.read(word, place + at);
            lines.push_back(one != nullptr ? std::string(one->mnemonic) + " " + one->op_str : ".word");
        }
    }
    uint64_t quad(uint64_t address) const {
        uint64_t value = 0;
        if (address - stub_place + 8 <= used)
            memcpy(&value, bytes.data() + (address - stub_place), 8);
        return value;
    }
    // The number in the text behind '#'.
    static uint64_t operand(const std::string &line) {
        return std::stoull(line.substr(line.find('#') + 1), nullptr, 0);
    }
};

TEST(Aarch64, StubOfTheUsualShape) {
    Stub stub(0xd2801588, Move::copy, 172); // mov x8, 172
    ASSERT_GT(stub.used, 0u);
    const std::vector<std::string> &lines = stub.lines;
    EXPECT_EQ(lines[0], "movz x8, #0xac");
    EXPECT_EQ(lines[1], "stp x16, x17, [sp, #-0x10]!");
    EXPECT_EQ(stub.quad(Stub::operand(lines[2])), reinterpret_cast<uint64_t>(intercept_table));
    EXPECT_EQ(lines[3].substr(0, 4), "uxth");
    EXPECT_EQ(lines[4], "ldrb w17, [x16, x17]");
    // Nobody wants it: back to the call.
    EXPECT_EQ(Stub::operand(lines[5]), stub_place + 9 * 4);
    EXPECT_EQ(lines[9], "ldp x16, x17, [sp], #0x10");
    EXPECT_EQ(Stub::operand(lines[10]), window + 4);
    // Somebody does: the record, and its entry.
    uint64_t record = Stub::operand(lines[6]);
    EXPECT_EQ(lines[7], "ldr x17, [x16, #8]");
    EXPECT_EQ(lines[8], "br x17");
    EXPECT_EQ(stub.quad(record), window + 8) << "behind the call";
    EXPECT_EQ(stub.quad(record + 24), stub_place + 9 * 4) << "pass";
    EXPECT_EQ(stub.quad(record + 32), stub_place + 11 * 4) << "answered";
    EXPECT_EQ(Stub::operand(lines[12]), window + 8);
    EXPECT_EQ(stub.quad(record + 40), 0u) << "this number makes no process";
    EXPECT_EQ(stub.used % 8, 0u);
    EXPECT_EQ(record + 56, stub_place + stub.used);
}

TEST(Aarch64, StubExecutesProcessMakingCallsItself) {
    for (int32_t number : {220, 435, -1}) {
        Stub stub(0xaa0103e2, Move::copy, number);
        uint64_t record = Stub::operand(stub.lines[6]);
        uint64_t process = stub.quad(record + 40);
        ASSERT_NE(process, 0u);
        size_t at = (process - stub_place) / 4;
        EXPECT_EQ(stub.lines[at], "ldp x16, x17, [sp], #0x10");
        EXPECT_EQ(stub.lines[at + 1], "svc #0");
        EXPECT_EQ(stub.lines[at + 2], "stp x16, x17, [sp, #-0x10]!");
        EXPECT_EQ(Stub::operand(stub.lines[at + 3]), record);
        EXPECT_EQ(stub.lines[at + 4], "ldr x17, [x16, #0x10]");
    }
}

TEST(Aarch64, AddressesAreLoadedAndBranchesWrittenAnew) {
    Stub page(0xd0000001, Move::rip_relative, -1); // adrp x1, window + 0x2000
    EXPECT_EQ(page.lines[0].substr(0, 7), "ldr x1,");
    EXPECT_EQ(page.quad(Stub::operand(page.lines[0])), window + 0x2000);
    EXPECT_EQ(page.quad(Stub::operand(page.lines[2])), reinterpret_cast<uint64_t>(intercept_table));
    for (uint32_t branch : {0xb4000080u, 0x54000081u, 0x36180080u}) { // cbz x0; b.ne; tbz x0, 3: 16 bytes on
        Stub stub(branch, Move::branch, -1);
        EXPECT_EQ(Stub::operand(stub.lines[0].substr(stub.lines[0].rfind('#'))), stub_place + 8) << stub.lines[0];
        EXPECT_EQ(Stub::operand(stub.lines[1]), stub_place + 12);
        EXPECT_EQ(Stub::operand(stub.lines[2]), window + 16);
    }
}

TEST(Aarch64, OutOfReachIsRefused) {
    uint8_t jump[4];
    EXPECT_TRUE(architecture.write_jump(window, window + 0x7fffffc, jump));
    EXPECT_TRUE(architecture.write_jump(window, window - 0x8000000, jump));
    EXPECT_FALSE(architecture.write_jump(window, window + 0x8000000, jump));
    EXPECT_FALSE(architecture.write_jump(window, window - 0x8000004, jump));
    Stub stub(0xd2801588, Move::copy, 172, window + 0x10000000);
    EXPECT_EQ(stub.used, 0u);
}

} // namespace
} // namespace intercept
