// decoder: prefixes, opcode, ModRM, SIB, displacement, immediate.
//
// What is not known for certain makes decode() fail, which makes the planner leave
// the function alone: a new instruction can make a plan smaller, never wrong. The
// length of an instruction depends on its map alone (SDM vol. 2, appendix A), so
// vector instructions need no rows of their own. tests/intercept/decoder_test
// compares all this with capstone.
#include "intercept/arch/x86_64/decoder.h"

#include "intercept/arch/x86_64/opcode_group.h"
#include "intercept/arch/x86_64/usual_form.h"

#include <cstring>

namespace intercept::x86_64 {
namespace {

constexpr unsigned instruction_bytes_max = 15;

struct Prefixes {
    bool operand_size; // 66
    bool address_size; // 67
    bool lock;
    bool repeat;     // f3
    bool repeat_not; // f2
    bool rex;
    bool wide; // REX.W
    bool any() const {
        return operand_size || lock || repeat || repeat_not || rex;
    }
    bool half() const {
        return operand_size && !wide;
    }
};

int32_t load32(const uint8_t *from) {
    int32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

uint64_t extend(int64_t distance) {
    return static_cast<uint64_t>(distance);
}

class Decoding {
public:
    Decoding(const uint8_t *code, size_t left, uint64_t address, Instruction &out)
        : code_(code), limit_(left < instruction_bytes_max ? left : instruction_bytes_max), out_(out) {
        out = {};
        out.address = address;
    }

    bool run() {
        if (!take_prefixes() || at_ >= limit_)
            return false;
        uint8_t opcode = code_[at_++];
        if (opcode == 0xc4 || opcode == 0xc5)
            return vex(opcode == 0xc5);
        if (opcode == 0x62)
            return evex();
        uint8_t map = no_escape;
        uint32_t facts = one_byte_map[opcode];
        const bool *groups = group_opcodes.of_one_byte;
        if (opcode == escape) {
            if (at_ >= limit_)
                return false;
            map = escape;
            opcode = code_[at_++];
            if (opcode == 0x38 || opcode == 0x3a) {
                // Whole maps of one form: no immediate, or one byte.
                return skip(1) && !prefixes_.lock && vector(opcode == 0x3a);
            }
            facts = two_byte_map[opcode];
            groups = group_opcodes.of_two_bytes;
        }
        if ((facts & unknown_opcode) != 0)
            return false;
        if ((facts & has_modrm) != 0 &&
            (!take_modrm() || (groups[opcode] && !look_at_group(modrm_, prefixes_.repeat, map, opcode, facts))))
            return false;
        if (prefixes_.lock && ((facts & may_lock) == 0 || modrm_.mode == 3))
            return false;
        if (!take_immediate(facts & imm_mask))
            return false;
        out_.general_registers_only = (facts & is_general) != 0;
        out_.flags = (facts & flags_set) != 0    ? FlagEffect::overwrites
                     : (facts & flags_kept) != 0 ? FlagEffect::keeps
                                                 : FlagEffect::unknown;
        return classify(map, opcode) && finish();
    }

private:
    bool skip(unsigned count) {
        at_ += count;
        return at_ <= limit_;
    }

    bool take_prefixes() {
        for (; at_ < limit_; at_++) {
            uint8_t byte = code_[at_];
            if ((byte & 0xf0) == 0x40) {
                // The opcode follows at once; anything else is not worth knowing.
                prefixes_.rex = true;
                prefixes_.wide = (byte & 8) != 0;
                at_++;
                return true;
            }
            switch (byte) {
            case 0x66:
                prefixes_.operand_size = true;
                break;
            case 0x67:
                prefixes_.address_size = true;
                break;
            case 0xf0:
                prefixes_.lock = true;
                break;
            case 0xf2:
                prefixes_.repeat_not = true;
                break;
            case 0xf3:
                prefixes_.repeat = true;
                break;
            case 0x26:
            case 0x2e:
            case 0x36:
            case 0x3e:
            case 0x64:
            case 0x65:
                break;
            default:
                return true;
            }
        }
        return false;
    }

    bool take_modrm() {
        if (at_ >= limit_)
            return false;
        uint8_t byte = code_[at_++];
        modrm_ = {static_cast<uint8_t>(byte >> 6), static_cast<uint8_t>(byte >> 3 & 7), static_cast<uint8_t>(byte & 7)};
        if (modrm_.mode == 3)
            return true;
        unsigned displacement_bytes = modrm_.mode == 1 ? 1 : modrm_.mode == 2 ? 4 : 0;
        bool absolute = false;
        if (modrm_.rm == 4) {
            if (at_ >= limit_)
                return false;
            uint8_t base = code_[at_++] & 7;
            absolute = modrm_.mode == 0 && base == 5;
            if (absolute)
                displacement_bytes = 4;
        } else if (modrm_.mode == 0 && modrm_.rm == 5) {
            // Relative to the instruction; truncated to 32 bits it could not be moved.
            if (prefixes_.address_size)
                return false;
            displacement_bytes = 4;
            out_.displacement_offset = static_cast<uint8_t>(at_);
        }
        if (!skip(displacement_bytes))
            return false;
        if (absolute)
            out_.data_address = extend(load32(code_ + at_ - 4));
        return true;
    }

    bool take_immediate(uint32_t form) {
        // Most forms have one size: a table, as no branch of a switch is guessed well here.
        constexpr uint8_t depends = 255;
        constexpr uint8_t bytes_of_form[] = {0, 1, 2, 3, depends, depends, depends, 1, 4}; // by imm_...
        static_assert(imm_none == 0 && imm_byte == 1 && imm_word == 2 && imm_word_byte == 3 && imm_size == 4 &&
                      imm_full == 5 && imm_offset == 6 && imm_branch8 == 7 && imm_branch32 == 8);
        if (form >= sizeof bytes_of_form)
            return false;
        if (bytes_of_form[form] != depends)
            return skip(bytes_of_form[form]);
        switch (form) {
        case imm_size:
            if (prefixes_.operand_size && (prefixes_.repeat || prefixes_.repeat_not))
                return false; // which of the prefixes counts is not worth knowing
            return skip(prefixes_.half() ? 2 : 4);
        case imm_full:
            if (prefixes_.operand_size && (prefixes_.repeat || prefixes_.repeat_not))
                return false;
            return skip(prefixes_.wide ? 8 : prefixes_.operand_size ? 2 : 4);
        default: { // imm_offset
            unsigned size = prefixes_.address_size ? 4 : 8;
            if (!skip(size))
                return false;
            memcpy(&out_.data_address, code_ + at_ - size, size);
            return true;
        }
        }
    }

    void branch_by(unsigned size) {
        int64_t distance = size == 1 ? static_cast<int8_t>(code_[at_ - 1]) : load32(code_ + at_ - 4);
        out_.target = out_.address + at_ + extend(distance);
    }

    // Where control goes. With 66 processors differ about branches: refused.
    bool classify(uint8_t map, uint8_t opcode) {
        const Flow &flow = map == escape ? flows.of_two_bytes[opcode] : flows.of_one_byte[opcode];
        out_.sets_direction = flow.sets_direction;
        if (flow.kind == InstructionKind::other)
            return true;
        out_.kind = flow.kind;
        if (flow.is_group) {
            if (modrm_.number == 2)
                out_.kind = InstructionKind::call;
            else if (modrm_.number == 4)
                out_.kind = out_.displacement_offset != 0 ? InstructionKind::got_jump : InstructionKind::indirect_jump;
            else
                out_.kind = InstructionKind::other;
        }
        if (flow.distance_bytes != 0)
            branch_by(flow.distance_bytes);
        if (map == no_escape && opcode == 0xc2 && prefixes_.wide) // not written by anybody, and capstone disagrees
            return false;
        bool leaves = out_.kind != InstructionKind::other && out_.kind != InstructionKind::stop &&
                      out_.kind != InstructionKind::system_call;
        // Linkers pad calls to `66 48 e8` and `67 e8`; nothing else is written like that.
        if (!leaves || !(prefixes_.operand_size || prefixes_.address_size))
            return true;
        return map == no_escape && opcode == 0xe8 && prefixes_.operand_size == prefixes_.wide &&
               prefixes_.operand_size != prefixes_.address_size;
    }

    bool finish() {
        out_.length_bytes = static_cast<uint8_t>(at_);
        if (out_.displacement_offset != 0)
            out_.data_address = out_.end() + extend(load32(code_ + out_.displacement_offset));
        return true;
    }

    // Behind the opcode of an instruction that may touch any vector state.
    bool vector(bool with_immediate) {
        return take_modrm() && skip(with_immediate ? 1 : 0) && finish();
    }

    // The opcodes of map 1 that have a VEX or EVEX form.
    static bool in_vector_map(uint8_t opcode) {
        return (opcode >= 0x10 && opcode <= 0x17) || (opcode >= 0x28 && opcode <= 0x2f) ||
               (opcode >= 0x41 && opcode <= 0x4b) || (opcode >= 0x50 && opcode <= 0x7f) ||
               (opcode >= 0x90 && opcode <= 0x99) || opcode == 0xae || opcode == 0xc2 ||
               (opcode >= 0xc4 && opcode <= 0xc6) || (opcode >= 0xd0 && opcode <= 0xfe);
    }
    static bool has_vector_immediate(uint8_t opcode) {
        return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
    }

    bool vector_in_map(unsigned map, bool with_zeroing) {
        if (map < 1 || map > 3 || at_ >= limit_)
            return false;
        uint8_t opcode = code_[at_++];
        if (map != 1)
            return vector(map == 3);
        if (opcode == 0x77) // vzeroupper, vzeroall
            return with_zeroing && finish();
        return in_vector_map(opcode) && vector(has_vector_immediate(opcode));
    }

    bool vex(bool two_byte) {
        if (prefixes_.any() || at_ + 2 > limit_)
            return false;
        unsigned map = two_byte ? 1 : code_[at_] & 0x1f;
        return skip(two_byte ? 1 : 2) && vector_in_map(map, true);
    }

    bool evex() {
        if (prefixes_.any() || at_ + 3 > limit_)
            return false;
        uint8_t first = code_[at_];
        bool reserved = (first & 0x08) != 0 || (code_[at_ + 1] & 0x04) == 0;
        return !reserved && skip(3) && vector_in_map(first & 7, false);
    }

    const uint8_t *code_;
    size_t limit_;
    Instruction &out_;
    size_t at_ = 0;
    Prefixes prefixes_{};
    ModRm modrm_{};
};

} // namespace

bool decode(const uint8_t *code, size_t left, uint64_t address, Instruction &out) {
    return decode_usual_form(code, left, address, out) || Decoding(code, left, address, out).run();
}

} // namespace intercept::x86_64
