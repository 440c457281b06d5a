// decoder: every answer against capstone's, over the code of whole libraries and
// over random and mutated bytes. What capstone does not know either is counted.
#include "intercept/arch/x86_64/decoder.h"

#include "intercept/arch/x86_64/usual_form.h"
#include "intercept/objects/frame_table.h"

#include <capstone/capstone.h>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>
#include <sys/mman.h>

namespace intercept {
namespace {

using x86_64::decode;

std::string hex(const uint8_t *code, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; i++) {
        char two[4];
        snprintf(two, sizeof two, "%02x ", code[i]);
        text += two;
    }
    return text;
}

// More of the random tests: DECODER_ROUNDS times as much (the thorough suite).
int rounds(int count) {
    const char *factor = getenv("DECODER_ROUNDS");
    return factor == nullptr ? count : count * atoi(factor);
}

class Oracle {
public:
    Oracle() {
        EXPECT_EQ(cs_open(CS_ARCH_X86, CS_MODE_64, &handle_), CS_ERR_OK);
        EXPECT_EQ(cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON), CS_ERR_OK);
        instruction_ = cs_malloc(handle_);
    }
    ~Oracle() {
        cs_free(instruction_, 1);
        cs_close(&handle_);
    }
    Oracle(const Oracle &) = delete;
    Oracle &operator=(const Oracle &) = delete;

    const cs_insn *next(const uint8_t *code, size_t left, uint64_t address) {
        return cs_disasm_iter(handle_, &code, &left, &address, instruction_) ? instruction_ : nullptr;
    }
    bool in_group(uint8_t group) const {
        return cs_insn_group(handle_, instruction_, group);
    }
    // Registers that are read or written, named or implied.
    bool touches_vector_state() const {
        cs_regs read;
        cs_regs written;
        uint8_t read_count = 0;
        uint8_t written_count = 0;
        if (cs_regs_access(handle_, instruction_, read, &read_count, written, &written_count) != CS_ERR_OK)
            return true;
        for (unsigned i = 0; i < read_count; i++)
            if (is_vector(read[i]))
                return true;
        for (unsigned i = 0; i < written_count; i++)
            if (is_vector(written[i]))
                return true;
        return false;
    }
    bool touches_flags(bool &writes) const {
        uint64_t effects = instruction_->detail->x86.eflags;
        constexpr uint64_t written = X86_EFLAGS_MODIFY_CF | X86_EFLAGS_MODIFY_ZF | X86_EFLAGS_MODIFY_SF |
                                     X86_EFLAGS_MODIFY_OF | X86_EFLAGS_RESET_CF | X86_EFLAGS_RESET_OF;
        writes = (effects & written) != 0;
        return effects != 0;
    }
    bool reads_flags() const {
        constexpr uint64_t tested = X86_EFLAGS_TEST_CF | X86_EFLAGS_TEST_ZF | X86_EFLAGS_TEST_SF | X86_EFLAGS_TEST_OF |
                                    X86_EFLAGS_TEST_PF | X86_EFLAGS_TEST_AF;
        return (instruction_->detail->x86.eflags & tested) != 0;
    }

private:
    bool is_vector(unsigned reg) const {
        const char *name = cs_reg_name(handle_, reg);
        std::string text = name == nullptr ? "" : name;
        return text.find("mm") != std::string::npos || text.substr(0, 2) == "st" || text.substr(0, 2) == "fp" ||
               (text.size() == 2 && text[0] == 'k') || text.substr(0, 3) == "bnd";
    }
    csh handle_ = 0;
    cs_insn *instruction_ = nullptr;
};

struct Counts {
    size_t both = 0;
    size_t refused = 0; // by us
    size_t ours_alone = 0;
    size_t roundings = 0;
    std::map<std::string, size_t> refused_names;
};

// One instruction with both.
void compare(Oracle &oracle, const uint8_t *code, size_t left, uint64_t address, Counts &counts) {
    Instruction ours;
    bool known = decode(code, left, address, ours);
    const cs_insn *theirs = oracle.next(code, left, address);
    if (!known) {
        counts.refused += theirs != nullptr ? 1 : 0;
        if (theirs != nullptr)
            counts.refused_names[theirs->mnemonic]++;
        return;
    }
    ASSERT_GT(ours.length_bytes, 0) << hex(code, 15);
    ASSERT_LE(ours.length_bytes, left) << hex(code, 15);
    if (theirs == nullptr) {
        counts.ours_alone++;
        return;
    }
    // capstone 4 takes the rounding mode, which is in the prefix, for one more byte.
    bool rounding = theirs->mnemonic[0] == 'v' && strstr(theirs->op_str, "-sae") != nullptr;
    if (rounding && theirs->size == ours.length_bytes + 1) {
        counts.roundings++;
        return;
    }
    counts.both++;
    std::string what = hex(code, 15) + theirs->mnemonic + " " + theirs->op_str;
    ASSERT_EQ(ours.length_bytes, theirs->size) << what;
    const cs_x86 &x86 = theirs->detail->x86;
    bool direct = x86.op_count == 1 && x86.operands[0].type == X86_OP_IMM;
    auto target = direct ? static_cast<uint64_t>(x86.operands[0].imm) : 0;
    bool flow = oracle.in_group(X86_GRP_JUMP) || oracle.in_group(X86_GRP_CALL) || oracle.in_group(X86_GRP_RET) ||
                theirs->id == X86_INS_LOOP || theirs->id == X86_INS_LOOPE || theirs->id == X86_INS_LOOPNE;
    switch (ours.kind) {
    case InstructionKind::other:
        ASSERT_FALSE(flow) << what;
        ASSERT_NE(theirs->id, static_cast<unsigned>(X86_INS_SYSCALL)) << what;
        break;
    case InstructionKind::jump:
        ASSERT_EQ(theirs->id, static_cast<unsigned>(X86_INS_JMP)) << what;
        ASSERT_EQ(ours.target, target) << what;
        break;
    case InstructionKind::branch:
    case InstructionKind::loop:
        ASSERT_TRUE(flow && direct) << what;
        ASSERT_NE(theirs->id, static_cast<unsigned>(X86_INS_JMP)) << what;
        ASSERT_EQ(ours.target, target) << what;
        break;
    case InstructionKind::call:
        ASSERT_TRUE(oracle.in_group(X86_GRP_CALL)) << what;
        ASSERT_EQ(ours.target, target) << what;
        break;
    case InstructionKind::indirect_jump:
    case InstructionKind::got_jump:
        ASSERT_EQ(theirs->id, static_cast<unsigned>(X86_INS_JMP)) << what;
        ASSERT_FALSE(direct) << what;
        ASSERT_EQ(ours.kind == InstructionKind::got_jump,
                  x86.operands[0].type == X86_OP_MEM && x86.operands[0].mem.base == X86_REG_RIP)
            << what;
        break;
    case InstructionKind::ret:
        ASSERT_TRUE(oracle.in_group(X86_GRP_RET)) << what;
        break;
    case InstructionKind::system_call:
        ASSERT_EQ(theirs->id, static_cast<unsigned>(X86_INS_SYSCALL)) << what;
        break;
    case InstructionKind::stop:
        ASSERT_TRUE(theirs->id == X86_INS_HLT || theirs->id == X86_INS_UD2 || theirs->id == X86_INS_INT3) << what;
        break;
    }
    unsigned displacement = 0;
    uint64_t data = 0;
    for (unsigned i = 0; i < x86.op_count; i++)
        if (x86.operands[i].type == X86_OP_MEM) {
            const x86_op_mem &memory = x86.operands[i].mem;
            if (memory.base == X86_REG_RIP || memory.base == X86_REG_EIP) {
                displacement = x86.encoding.disp_offset;
                data = ours.end() + static_cast<uint64_t>(memory.disp);
            } else if (memory.base == X86_REG_INVALID && data == 0) {
                data = static_cast<uint64_t>(memory.disp);
            }
        }
    ASSERT_EQ(ours.displacement_offset, displacement) << what;
    if (displacement != 0) {
        ASSERT_EQ(ours.data_address, data) << what;
    }
    if (ours.general_registers_only) {
        ASSERT_FALSE(oracle.touches_vector_state()) << what;
    }
    bool writes = false;
    oracle.touches_flags(writes);
    if (ours.flags == FlagEffect::keeps) {
        ASSERT_FALSE(writes || oracle.reads_flags()) << what;
    }
    if (ours.flags == FlagEffect::overwrites) {
        ASSERT_TRUE(writes) << what;
        ASSERT_FALSE(oracle.reads_flags()) << what;
    }
    bool direction = theirs->id == X86_INS_STD || theirs->id == X86_INS_POPF || theirs->id == X86_INS_POPFQ;
    ASSERT_EQ(ours.sets_direction, direction) << what;
}

// Every described function of an object, from its first byte to its last.
void compare_object(const char *name, size_t instructions_min) {
    base::PageArray<Object> objects;
    ASSERT_TRUE(list_objects(objects));
    const Object *object = nullptr;
    for (const Object &one : objects)
        if (strstr(one.path, name) != nullptr)
            object = &one;
    ASSERT_NE(object, nullptr) << name;
    Oracle oracle;
    Counts counts;
    size_t functions = 0;
    size_t undecoded = 0;
    for (unsigned i = 0; i < object->segment_count; i++) {
        const Segment &segment = object->segments[i];
        if ((segment.protection & PROT_EXEC) == 0)
            continue;
        for (uint64_t at = segment.range.begin; at < segment.range.end;) {
            Function function;
            if (!find_function(*object, at, function)) {
                at++;
                continue;
            }
            functions++;
            uint64_t address = function.range.begin;
            while (address < function.range.end) {
                auto *code = reinterpret_cast<const uint8_t *>(address);
                Instruction ours;
                compare(oracle, code, function.range.end - address, address, counts);
                if (testing::Test::HasFatalFailure())
                    return;
                if (!decode(code, function.range.end - address, address, ours))
                    break;
                address = ours.end();
            }
            undecoded += address < function.range.end ? 1 : 0;
            at = function.range.end;
        }
    }
    std::string names;
    for (const auto &[mnemonic, count] : counts.refused_names)
        names += mnemonic + " " + std::to_string(count) + " ";
    printf("%s: %zu functions, %zu instructions, %zu functions not whole, %zu known to us alone; refused: %s\n", name,
           functions, counts.both, undecoded, counts.ours_alone, names.c_str());
    EXPECT_GT(counts.both, instructions_min);
    // Data between functions, and what no compiler writes, may be refused: little.
    EXPECT_LT(undecoded * 100, functions);
}

TEST(Decoder, AgreesOnLibc) {
    compare_object("libc.so.6", 200000);
}

TEST(Decoder, AgreesOnTheLoader) {
    compare_object("ld-linux", 20000);
}

TEST(Decoder, AgreesOnTheCppLibrary) {
    compare_object("libstdc++", 200000);
}

TEST(Decoder, AgreesOnLibcrypto) {
    ASSERT_NE(dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL), nullptr) << dlerror();
    compare_object("libcrypto", 400000);
}

TEST(Decoder, AgreesOnRandomBytes) {
    Oracle oracle;
    Counts counts;
    std::mt19937_64 random(20261128 + rounds(1));
    for (int round = 0; round < rounds(600000); round++) {
        uint8_t code[16];
        uint64_t words[2] = {random(), random()};
        memcpy(code, words, sizeof code);
        // Half with the prefixes and maps that make it difficult.
        static constexpr uint8_t starts[] = {0x0f, 0x66, 0xf2, 0xf3, 0x48, 0x41, 0xc4, 0xc5, 0x62, 0xf0, 0x67, 0xff};
        if (round % 2 == 0)
            code[0] = starts[random() % sizeof starts];
        if (round % 8 == 0)
            code[1] = starts[random() % sizeof starts];
        compare(oracle, code, round % 5 == 0 ? random() % 15 + 1 : 15, 0x7f0012345000, counts);
        if (HasFatalFailure())
            return;
    }
    printf("%zu known to both, %zu to us alone, %zu to capstone alone\n", counts.both, counts.ours_alone,
           counts.refused);
    EXPECT_GT(counts.both, 300000u);
}

// Real instructions with one byte changed: the neighbourhood of what compilers write.
TEST(Decoder, AgreesOnMutatedCode) {
    Oracle oracle;
    Counts counts;
    std::mt19937_64 random(4);
    auto *text = reinterpret_cast<const uint8_t *>(dlsym(RTLD_DEFAULT, "qsort_r"));
    ASSERT_NE(text, nullptr);
    for (int round = 0; round < rounds(300000); round++) {
        uint8_t code[16];
        memcpy(code, text + random() % 0x40000, sizeof code);
        code[random() % 4] = static_cast<uint8_t>(random());
        compare(oracle, code, 15, 0x7f0012345000, counts);
        if (HasFatalFailure())
            return;
    }
    EXPECT_GT(counts.both, 150000u);
}

// Where no more than the instruction is left the decoder asks its questions; where there is more it looks most of
// them up at once (usual_form). All that is said must be the same.
TEST(Decoder, SaysTheSameOfUsualForms) {
    std::mt19937_64 random(6);
    auto *text = reinterpret_cast<const uint8_t *>(dlsym(RTLD_DEFAULT, "qsort_r"));
    ASSERT_NE(text, nullptr);
    size_t usual = 0;
    const int count = rounds(2000000);
    for (int round = 0; round < count; round++) {
        uint8_t code[16];
        const uint64_t words[2] = {random(), random()};
        memcpy(code, words, sizeof code);
        if (round % 4 == 0)
            memcpy(code, text + random() % 0x40000, sizeof code);
        else if (round % 4 == 1)
            code[0] = static_cast<uint8_t>(0x40 | random() % 16);
        else if (round % 4 == 2)
            code[0] = 0x0f;
        const uint64_t address = random();
        Instruction found{};
        if (x86_64::decode_usual_form(code, sizeof code, address, found)) {
            usual++;
            Instruction asked{};
            ASSERT_TRUE(decode(code, found.length_bytes, address, asked)) << hex(code, 15);
            ASSERT_EQ(found.address, asked.address);
            ASSERT_EQ(found.target, asked.target) << hex(code, 15);
            ASSERT_EQ(found.data_address, asked.data_address) << hex(code, 15);
            ASSERT_EQ(found.kind, asked.kind) << hex(code, 15);
            ASSERT_EQ(found.flags, asked.flags) << hex(code, 15);
            ASSERT_EQ(found.length_bytes, asked.length_bytes) << hex(code, 15);
            ASSERT_EQ(found.displacement_offset, asked.displacement_offset) << hex(code, 15);
            ASSERT_EQ(found.general_registers_only, asked.general_registers_only) << hex(code, 15);
            ASSERT_EQ(found.sets_direction, asked.sets_direction) << hex(code, 15);
            ASSERT_FALSE(decode(code, found.length_bytes - 1u, address, asked)) << hex(code, 15);
        }
    }
    EXPECT_GT(usual, static_cast<size_t>(count) / 2);
}

TEST(Decoder, NeverReadsBehindTheEnd) {
    auto *pages =
        static_cast<uint8_t *>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(pages, MAP_FAILED);
    ASSERT_EQ(munmap(pages + 4096, 4096), 0);
    std::mt19937_64 random(5);
    for (int round = 0; round < 300000; round++) {
        size_t left = random() % 15 + 1;
        uint8_t *code = pages + 4096 - left;
        for (size_t i = 0; i < left; i++)
            code[i] = static_cast<uint8_t>(random());
        Instruction out;
        if (decode(code, left, 0x1000, out)) {
            ASSERT_LE(out.length_bytes, left);
        }
    }
    munmap(pages, 4096);
}

} // namespace
} // namespace intercept
