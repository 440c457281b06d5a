// stub: assembled by hand, one per site. Unlike on x86-64 the kernel leaves no register
// free, so two are spilled below the stack pointer; there is no red zone.
//
//           moved instruction of the window
//           stp x16, x17, [sp, -16]!
//           ldr x16, =table ; uxth w17, w8 ; ldrb w17, [x16, x17] ; cbz w17, pass
//           adr x16, record ; ldr x17, [x16, entry] ; br x17
// pass:     ldp x16, x17, [sp], 16 ; b svc
// answered: ldp x16, x17, [sp], 16 ; b behind the svc
// process:  ldp x16, x17, [sp], 16 ; svc 0 ; stp x16, x17, [sp, -16]!
//           adr x16, record ; ldr x17, [x16, post entry] ; br x17
//           addresses that are loaded ; record
#include "intercept/arch/aarch64/stub.h"

#include "intercept/arch/aarch64/decoder.h"
#include "intercept/hooks/registry.h"

#include <cstring>

extern "C" {
__attribute__((visibility("hidden"))) void intercept_entry();
__attribute__((visibility("hidden"))) void intercept_process_post_entry();
}

namespace intercept::aarch64 {
namespace {

constexpr uint32_t spill = 0xa9bf47f0;          // stp x16, x17, [sp, -16]!
constexpr uint32_t unspill = 0xa8c147f0;        // ldp x16, x17, [sp], 16
constexpr uint32_t load_x16 = 0x58000010;       // ldr x16, literal
constexpr uint32_t number_in_w17 = 0x53003d11;  // uxth w17, w8
constexpr uint32_t load_byte = 0x38716a11;      // ldrb w17, [x16, x17]
constexpr uint32_t branch_if_zero = 0x34000011; // cbz w17, ...
constexpr uint32_t address_in_x16 = 0x10000010; // adr x16, ...
constexpr uint32_t load_x17 = 0xf9400211;       // ldr x17, [x16, ...]
constexpr uint32_t go_to_x17 = 0xd61f0220;      // br x17
constexpr uint32_t system_call = 0xd4000001;    // svc 0
constexpr uint32_t jump = 0x14000000;           // b ...

constexpr bool fits(int64_t value, unsigned bits) {
    return value >= -(int64_t{1} << (bits - 1)) && value < int64_t{1} << (bits - 1);
}

class StubWriter {
public:
    StubWriter(uint64_t address, uint8_t *out) : address_(address), out_(out) {}

    size_t used() const {
        return used_;
    }
    bool ok() const {
        return ok_;
    }
    uint64_t here() const {
        return address_ + used_;
    }
    void word(uint32_t value) {
        bytes(&value, sizeof value);
    }
    void bytes(const void *from, size_t count) {
        if (used_ + count > stub_bytes_max) {
            ok_ = false;
            return;
        }
        memcpy(out_ + used_, from, count);
        used_ += count;
    }
    void jump_to(uint64_t target) {
        auto distance = static_cast<int64_t>(target - here());
        ok_ &= fits(distance, 28);
        word(jump | (static_cast<uint32_t>(distance >> 2) & 0x03ffffff));
    }
    // ldr x, literal; the literal is written by close_literals().
    void load(uint32_t instruction, uint64_t value) {
        literals_[literal_count_] = {used_, value};
        literal_count_++;
        word(instruction);
    }
    void record_address() {
        record_uses_[record_use_count_++] = used_;
        word(address_in_x16);
    }
    // A distance in words to here, into bits 5..23 of the instruction at `at`.
    void close(size_t at) {
        uint32_t instruction;
        memcpy(&instruction, out_ + at, sizeof instruction);
        instruction |= static_cast<uint32_t>((used_ - at) / 4) << 5;
        memcpy(out_ + at, &instruction, sizeof instruction);
    }
    void close_literals() {
        align();
        for (unsigned i = 0; i < literal_count_; i++) {
            close(literals_[i].at);
            bytes(&literals_[i].value, 8);
        }
    }
    // adr has the same field, but counts bytes: the record is a multiple of 4 away.
    void close_record() {
        for (unsigned i = 0; i < record_use_count_; i++)
            close(record_uses_[i]);
    }
    void align() {
        if (used_ % 8 != 0)
            word(0);
    }

private:
    struct Literal {
        size_t at;
        uint64_t value;
    };
    uint64_t address_;
    uint8_t *out_;
    size_t used_ = 0;
    bool ok_ = true;
    Literal literals_[2]; // the table, and what an adr computed
    unsigned literal_count_ = 0;
    size_t record_uses_[2];
    unsigned record_use_count_ = 0;
};

void move_instruction(StubWriter &stub, const SitePlan &plan, const MovedInstruction &moved, uint64_t window) {
    uint32_t word;
    memcpy(&word, plan.bytes + moved.offset_bytes, sizeof word);
    uint64_t from = window + moved.offset_bytes;
    switch (moved.move) {
    case Move::copy:
        stub.word(word);
        break;
    case Move::rip_relative: // adr, adrp: the same register, loaded
        stub.load(0x58000000 | (word & 0x1f), computed_address(word, from));
        break;
    case Move::branch: {
        // The condition, taken to two instructions further; the way on; the way there.
        Instruction branch;
        decode(plan.bytes + moved.offset_bytes, instruction_bytes, from, branch);
        uint32_t field = (word & 0x7e000000) == 0x36000000 ? 0x3fffu << 5 : 0x7ffffu << 5;
        stub.word((word & ~field) | 2u << 5);
        stub.word(jump | 2);
        stub.jump_to(branch.target);
        break;
    }
    default:
        break;
    }
}

} // namespace

bool write_jump(uint64_t from, uint64_t to, uint8_t *out) {
    auto distance = static_cast<int64_t>(to - from);
    if (!fits(distance, 28))
        return false;
    uint32_t word = jump | (static_cast<uint32_t>(distance >> 2) & 0x03ffffff);
    memcpy(out, &word, sizeof word);
    return true;
}

size_t write_stub(const SitePlan &plan, uint64_t window, uint64_t stub_address, uint8_t *out) {
    const uint64_t site = window + plan.site_in_window;
    const uint64_t behind = site + instruction_bytes;
    StubWriter stub(stub_address, out);
    for (unsigned i = 0; i < plan.instruction_count; i++)
        move_instruction(stub, plan, plan.instructions[i], window);
    stub.word(spill);
    stub.load(load_x16, reinterpret_cast<uint64_t>(intercept_table));
    stub.word(number_in_w17);
    stub.word(load_byte);
    size_t unhooked = stub.used();
    stub.word(branch_if_zero);
    stub.record_address();
    stub.word(load_x17 | RECORD_ENTRY / 8 << 10);
    stub.word(go_to_x17);

    SiteRecord record{};
    record.return_address = behind;
    record.entry = reinterpret_cast<uint64_t>(intercept_entry);
    record.post_entry = reinterpret_cast<uint64_t>(intercept_process_post_entry);
    record.flags = plan.flags;
    stub.close(unhooked);
    record.pass = stub.here();
    stub.word(unspill);
    stub.jump_to(site);
    record.answered = stub.here();
    stub.word(unspill);
    stub.jump_to(behind);
    bool may_make_process = plan.number < 0;
    for (long number : process_kind_numbers)
        may_make_process |= plan.number == number;
    if (may_make_process) {
        record.process = stub.here();
        stub.word(unspill);
        stub.word(system_call);
        stub.word(spill);
        stub.record_address();
        stub.word(load_x17 | RECORD_POST_ENTRY / 8 << 10);
        stub.word(go_to_x17);
    }
    stub.close_literals();
    stub.close_record();
    stub.bytes(&record, sizeof record);
    return stub.ok() ? stub.used() : 0;
}

} // namespace intercept::aarch64
