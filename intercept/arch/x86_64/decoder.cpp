// decoder: capstone's answer reduced to the few facts that planning asks for.
//
// What is not on a list of known instructions counts as "touches everything":
// a new instruction can make a plan more careful, never wrong.
#include "intercept/arch/x86_64/decoder.h"

#include <capstone/capstone.h>
#include <cstring>
#include <dlfcn.h>

namespace intercept {
namespace {

struct Capstone {
    cs_err (*open)(cs_arch, cs_mode, csh *);
    cs_err (*close)(csh *);
    cs_err (*option)(csh, cs_opt_type, size_t);
    cs_insn *(*allocate)(csh);
    void (*free)(cs_insn *, size_t);
    bool (*next)(csh, const uint8_t **, size_t *, uint64_t *, cs_insn *);
    unsigned (*version)(int *, int *);
};
Capstone capstone;

template <typename F> bool load(void *library, const char *name, F &out) {
    void *symbol = dlsym(library, name);
    memcpy(&out, &symbol, sizeof symbol);
    return symbol != nullptr;
}

// Instructions that, with general register and memory operands, do nothing to
// vector, mask or x87 state.
bool is_general(unsigned id) {
    switch (id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS:
    case X86_INS_MOVZX:
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD:
    case X86_INS_LEA:
    case X86_INS_CMP:
    case X86_INS_TEST:
    case X86_INS_ADD:
    case X86_INS_SUB:
    case X86_INS_AND:
    case X86_INS_OR:
    case X86_INS_XOR:
    case X86_INS_NEG:
    case X86_INS_NOT:
    case X86_INS_INC:
    case X86_INS_DEC:
    case X86_INS_SHL:
    case X86_INS_SHR:
    case X86_INS_SAR:
    case X86_INS_IMUL:
    case X86_INS_SBB:
    case X86_INS_ADC:
    case X86_INS_BT:
    case X86_INS_PUSH:
    case X86_INS_POP:
    case X86_INS_NOP:
    case X86_INS_CALL:
    case X86_INS_RET:
    case X86_INS_LEAVE:
    case X86_INS_CDQ:
    case X86_INS_CDQE:
    case X86_INS_CQO:
    case X86_INS_XCHG:
    case X86_INS_CMPXCHG:
    case X86_INS_XADD:
    case X86_INS_SYSCALL:
    case X86_INS_HLT:
    case X86_INS_UD2:
        return true;
    default:
        return false;
    }
}

bool is_conditional_move_or_set(const cs_insn &instruction) {
    return strncmp(instruction.mnemonic, "cmov", 4) == 0 || strncmp(instruction.mnemonic, "set", 3) == 0;
}

bool is_general_register(x86_reg reg) {
    switch (reg) {
    case X86_REG_INVALID:
    case X86_REG_RIP:
    case X86_REG_FS:
    case X86_REG_GS:
        return true;
    default:
        break;
    }
    // The enumeration keeps AH..DX, EAX..RSP and R8..R15 with their parts apart
    // from the vector, mask, control and x87 registers.
    return (reg >= X86_REG_AH && reg <= X86_REG_EDX) || (reg >= X86_REG_RAX && reg <= X86_REG_RSP) ||
           (reg >= X86_REG_R8 && reg <= X86_REG_R15) || (reg >= X86_REG_R8B && reg <= X86_REG_R15W) ||
           reg == X86_REG_ESI || reg == X86_REG_EDI || reg == X86_REG_ESP || reg == X86_REG_SI || reg == X86_REG_DI ||
           reg == X86_REG_SIL || reg == X86_REG_DIL || reg == X86_REG_SP || reg == X86_REG_SPL;
}

FlagEffect flag_effect(unsigned id) {
    switch (id) {
    case X86_INS_CMP:
    case X86_INS_TEST:
    case X86_INS_ADD:
    case X86_INS_SUB:
    case X86_INS_AND:
    case X86_INS_OR:
    case X86_INS_XOR:
    case X86_INS_NEG:
        return FlagEffect::overwrites;
    case X86_INS_MOV:
    case X86_INS_MOVABS:
    case X86_INS_MOVZX:
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD:
    case X86_INS_LEA:
    case X86_INS_PUSH:
    case X86_INS_POP:
    case X86_INS_NOP:
        return FlagEffect::keeps;
    default:
        return FlagEffect::unknown;
    }
}

bool in_group(const cs_detail &detail, uint8_t group) {
    for (unsigned i = 0; i < detail.groups_count; i++)
        if (detail.groups[i] == group)
            return true;
    return false;
}

void classify_flow(const cs_insn &in, Instruction &out) {
    const cs_x86 &x86 = in.detail->x86;
    bool direct = x86.op_count == 1 && x86.operands[0].type == X86_OP_IMM;
    if (in.id == X86_INS_SYSCALL) {
        out.kind = InstructionKind::system_call;
    } else if (in.id == X86_INS_HLT || in.id == X86_INS_UD2 || in.id == X86_INS_INT3) {
        out.kind = InstructionKind::stop;
    } else if (in_group(*in.detail, X86_GRP_CALL)) {
        out.kind = InstructionKind::call;
        out.target = direct ? static_cast<uint64_t>(x86.operands[0].imm) : 0;
    } else if (in_group(*in.detail, X86_GRP_RET) || in.id == X86_INS_RET) {
        out.kind = InstructionKind::ret;
    } else if (in.id == X86_INS_JMP || in.id == X86_INS_LJMP) {
        out.kind = InstructionKind::indirect_jump;
        if (direct) {
            out.kind = InstructionKind::jump;
            out.target = static_cast<uint64_t>(x86.operands[0].imm);
        } else if (x86.operands[0].type == X86_OP_MEM && x86.operands[0].mem.base == X86_REG_RIP) {
            out.kind = InstructionKind::got_jump;
        }
    } else if (in_group(*in.detail, X86_GRP_JUMP) || in.id == X86_INS_LOOP || in.id == X86_INS_LOOPE ||
               in.id == X86_INS_LOOPNE) {
        bool plain = in.bytes[in.size - 2] >= 0x70 && in.bytes[in.size - 2] <= 0x7f && in.size <= 3;
        bool wide = in.size >= 6 && in.bytes[in.size - 6] == 0x0f;
        out.kind = plain || wide ? InstructionKind::branch : InstructionKind::loop;
        out.target = direct ? static_cast<uint64_t>(x86.operands[0].imm) : 0;
    }
}

void classify(const cs_insn &in, Instruction &out) {
    const cs_x86 &x86 = in.detail->x86;
    out = {};
    out.address = in.address;
    out.length_bytes = static_cast<uint8_t>(in.size);
    classify_flow(in, out);
    out.flags = flag_effect(in.id);
    out.sets_direction = in.id == X86_INS_STD || in.id == X86_INS_POPF || in.id == X86_INS_POPFQ;
    out.general_registers_only = is_general(in.id) || is_conditional_move_or_set(in) ||
                                 out.kind == InstructionKind::jump || out.kind == InstructionKind::branch ||
                                 out.kind == InstructionKind::loop || out.kind == InstructionKind::indirect_jump ||
                                 out.kind == InstructionKind::got_jump || out.kind == InstructionKind::ret;
    for (unsigned i = 0; i < x86.op_count; i++) {
        const cs_x86_op &operand = x86.operands[i];
        if (operand.type == X86_OP_REG && !is_general_register(operand.reg))
            out.general_registers_only = false;
        if (operand.type != X86_OP_MEM)
            continue;
        if (!is_general_register(operand.mem.index) && operand.mem.index != X86_REG_RIZ)
            out.general_registers_only = false;
        if (operand.mem.base == X86_REG_RIP || operand.mem.base == X86_REG_EIP) {
            out.displacement_offset = x86.encoding.disp_offset;
            out.data_address = out.end() + static_cast<uint64_t>(operand.mem.disp);
        } else if (operand.mem.base == X86_REG_INVALID) {
            out.data_address = static_cast<uint64_t>(operand.mem.disp);
        }
    }
}

// endbr64, rdsspq and other hints of 0f 1e that capstone 4 may not know.
unsigned hint_length(const uint8_t *code, size_t left) {
    if (left >= 4 && code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && code[3] >= 0xc0)
        return 4;
    if (left >= 5 && code[0] == 0xf3 && code[1] == 0x48 && code[2] == 0x0f && code[3] == 0x1e && code[4] >= 0xc0)
        return 5;
    return 0;
}

long find(const base::PageArray<Instruction> &row, uint64_t address) {
    size_t low = 0;
    size_t high = row.size();
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (row[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < row.size() && row[low].address == address ? static_cast<long>(low) : -1;
}

} // namespace

long Sweep::starting_at(uint64_t address) const {
    return find(instructions, address);
}

long Sweep::ending_at(uint64_t address) const {
    if (address == function.range.end)
        return static_cast<long>(instructions.size()) - 1;
    long next = find(instructions, address);
    return next > 0 ? next - 1 : -1;
}

Decoder::~Decoder() {
    if (library_ == nullptr)
        return;
    if (instruction_ != nullptr)
        capstone.free(static_cast<cs_insn *>(instruction_), 1);
    if (handle_ != 0)
        capstone.close(&handle_);
    dlclose(library_);
}

bool Decoder::open() {
    // The soname carries the version of the structures; 4 is what the header of
    // this build describes, and CS_API_MAJOR is checked against it.
    library_ = dlopen("libcapstone.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr)
        return false;
    if (!load(library_, "cs_open", capstone.open) || !load(library_, "cs_close", capstone.close) ||
        !load(library_, "cs_option", capstone.option) || !load(library_, "cs_malloc", capstone.allocate) ||
        !load(library_, "cs_free", capstone.free) || !load(library_, "cs_disasm_iter", capstone.next) ||
        !load(library_, "cs_version", capstone.version))
        return false;
    int major = 0;
    int minor = 0;
    capstone.version(&major, &minor);
    if (major != CS_API_MAJOR || capstone.open(CS_ARCH_X86, CS_MODE_64, &handle_) != CS_ERR_OK)
        return false;
    if (capstone.option(handle_, CS_OPT_DETAIL, CS_OPT_ON) != CS_ERR_OK)
        return false;
    instruction_ = capstone.allocate(handle_);
    return instruction_ != nullptr;
}

void Decoder::sweep(const Function &function, Sweep &out) {
    out.function = function;
    out.instructions.resize_down(0);
    out.consistent = false;
    uint64_t address = function.range.begin;
    auto *code = reinterpret_cast<const uint8_t *>(address);
    size_t left = function.range.end - function.range.begin;
    auto *decoded = static_cast<cs_insn *>(instruction_);
    while (left > 0) {
        Instruction next{};
        if (unsigned hint = hint_length(code, left); hint != 0) {
            next.address = address;
            next.length_bytes = static_cast<uint8_t>(hint);
            next.flags = FlagEffect::keeps;
            next.general_registers_only = true;
            code += hint;
            address += hint;
            left -= hint;
        } else {
            if (!capstone.next(handle_, &code, &left, &address, decoded))
                return;
            classify(*decoded, next);
        }
        if (!out.instructions.push(next))
            return;
    }
    for (const Instruction &instruction : out.instructions)
        if (instruction.target != 0 && function.range.contains(instruction.target) &&
            out.starting_at(instruction.target) < 0)
            return;
    out.consistent = true;
}

} // namespace intercept
