// stub: assembled by hand, one per site.
//
//        moved instructions of the window, up to the syscall
//        movzx ecx, ax ; mov r11, table ; movzx ecx, byte [r11 + rcx]
//        jrcxz pass                        no flag is touched (not where the loader maps objects)
//        [words, where the flags are dead and the number is known:
//          test cl, cl ; jns serve         no words decide this number
//          mov r11, words ; mov eax, edi
//          cmp [r11], rax ; jle again      no such word, or suspended
//          mov r11, [r11 + 8] ; cmp qword [r11 + rax * 8], pass ; mov eax, number ; je pass
//        ]
// serve: lea rsp, [rsp - 128]              leave the red zone alone
//        lea r11, [record] ; call [record.entry]
//        lea rsp, [rsp + 128]
//        jrcxz pass
//   after:  (OVER: the rest of the window) ; jmp behind the window
//   pass:   BEFORE: jmp syscall          OVER: syscall ; jmp after
//   again:  mov eax, number ; jmp serve
//   kind k: lea rsp, [rsp + 128] ; syscall ; lea rsp, [rsp - 128]
//           mov ecx, number ; lea r11, [record] ; call [record.post_entry]
//           lea rsp, [rsp + 128] ; jmp after
//   record
//
// Under level 2 a system call outside the exempt range would be trapped: instead of
// each such `syscall`, the site's too, stands a jump to one in the range (trap/exempt_range.h)
// that comes back behind it.
#include "intercept/arch/x86_64/stub.h"

#include "intercept/hooks/registry.h"
#include "intercept/plan/site_flags.h"
#include "intercept/trap/exempt_range.h"

#include <cstring>
#include <sys/syscall.h>

extern "C" {
__attribute__((visibility("hidden"))) void intercept_entry();
__attribute__((visibility("hidden"))) void intercept_entry_flags_dead();
__attribute__((visibility("hidden"))) void intercept_entry_bare();
__attribute__((visibility("hidden"))) void intercept_entry_loader();
__attribute__((visibility("hidden"))) void intercept_process_post_entry();
}

namespace intercept::x86_64 {
namespace {

bool fits_displacement(uint64_t distance) {
    auto value = static_cast<int64_t>(distance);
    return value >= INT32_MIN && value <= INT32_MAX;
}

class StubWriter {
public:
    StubWriter(uint64_t address, uint8_t *out) : address_(address), out_(out) {}

    uint64_t here() const {
        return address_ + used_;
    }
    size_t used() const {
        return used_;
    }
    bool ok() const {
        return ok_;
    }
    void bytes(const void *from, size_t count) {
        if (used_ + count > stub_bytes_max) {
            ok_ = false;
            return;
        }
        memcpy(out_ + used_, from, count);
        used_ += count;
    }
    template <size_t n> void code(const uint8_t (&from)[n]) {
        bytes(from, n);
    }
    // A 32-bit distance to `target`, counted from the end of the field.
    void distance_to(uint64_t target) {
        uint64_t distance = target - (here() + 4);
        if (!fits_displacement(distance))
            ok_ = false;
        auto field = static_cast<int32_t>(distance);
        bytes(&field, 4);
    }
    void jump_to(uint64_t target) {
        code({0xe9});
        distance_to(target);
    }
    // Leaves a field of `size` bytes to be filled by close().
    size_t open(size_t size) {
        uint8_t zero[4] = {};
        size_t at = used_;
        bytes(zero, size);
        return at;
    }
    void close(size_t at, size_t size) {
        close_at(at, size, used_);
    }
    void close_at(size_t at, size_t size, size_t target) {
        auto distance = static_cast<int32_t>(target) - static_cast<int32_t>(at + size);
        if (size == 1 && (distance < -128 || distance > 127))
            ok_ = false;
        if (ok_)
            memcpy(out_ + at, &distance, size);
    }
    void align(size_t to) {
        while (used_ % to != 0)
            code({0xcc});
    }

private:
    uint64_t address_;
    uint8_t *out_;
    size_t used_ = 0;
    bool ok_ = true;
};

// The target of a direct jump or branch that stood at `from`.
uint64_t branch_target(const MovedInstruction &moved, const uint8_t *code, uint64_t from) {
    uint64_t end = from + moved.length_bytes;
    if (moved.length_bytes <= 3)
        return end + static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(code[moved.length_bytes - 1])));
    int32_t distance;
    memcpy(&distance, code + moved.length_bytes - 4, 4);
    return end + static_cast<uint64_t>(static_cast<int64_t>(distance));
}

void move_instruction(StubWriter &stub, const SitePlan &plan, const MovedInstruction &moved, uint64_t window) {
    const uint8_t *code = plan.bytes + moved.offset_bytes;
    uint64_t from = window + moved.offset_bytes;
    switch (moved.move) {
    case Move::copy:
        stub.bytes(code, moved.length_bytes);
        break;
    case Move::rip_relative: {
        int32_t displacement;
        memcpy(&displacement, code + moved.field, 4);
        uint64_t data = from + moved.length_bytes + static_cast<uint64_t>(static_cast<int64_t>(displacement));
        unsigned behind = moved.length_bytes - moved.field - 4u; // an immediate may follow
        stub.bytes(code, moved.field);
        stub.distance_to(data - behind);
        stub.bytes(code + moved.field + 4, behind);
        break;
    }
    case Move::jump:
        stub.jump_to(branch_target(moved, code, from));
        break;
    case Move::branch: {
        uint8_t opcode[2] = {0x0f, static_cast<uint8_t>(0x80 | moved.field)};
        stub.code(opcode);
        stub.distance_to(branch_target(moved, code, from));
        break;
    }
    case Move::system_call:
        break;
    }
}

constexpr uint8_t red_zone_skip[] = {0x48, 0x8d, 0x64, 0x24, 0x80};                   // lea rsp, [rsp - 128]
constexpr uint8_t red_zone_back[] = {0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00}; // lea rsp, [rsp + 128]
constexpr uint8_t system_call[] = {0x0f, 0x05};
constexpr uint8_t load_record[] = {0x4c, 0x8d, 0x1d}; // lea r11, [rip + ...]
constexpr uint8_t call_slot[] = {0xff, 0x15};         // call [rip + ...]

void load_address(StubWriter &stub, const void *address) {
    stub.code({0x49, 0xbb}); // mov r11, imm64
    stub.bytes(&address, 8);
}

bool is_known(const SitePlan &plan) {
    return plan.number >= 0 && plan.number < static_cast<int32_t>(call_numbers);
}

// ecx = who wants the number in ax.
void load_mask(StubWriter &stub, const SitePlan &plan) {
    if (is_known(plan)) {
        load_address(stub, intercept_table + plan.number);
        stub.code({0x41, 0x0f, 0xb6, 0x0b}); // movzx ecx, byte [r11]
        return;
    }
    stub.code({0x0f, 0xb7, 0xc8}); // movzx ecx, ax
    load_address(stub, intercept_table);
    stub.code({0x41, 0x0f, 0xb6, 0x0c, 0x0b}); // movzx ecx, byte [r11 + rcx]
}

void load_number(StubWriter &stub, const SitePlan &plan) {
    stub.code({0xb8}); // mov eax, number
    stub.bytes(&plan.number, 4);
}

void far_jump(StubWriter &stub, uint64_t to) {
    stub.code({0xff, 0x25, 0, 0, 0, 0}); // jmp [rip + 0]
    stub.bytes(&to, 8);
}

// The kernel's part of a call, executed here or, where that would be trapped, elsewhere.
void system_call_here(StubWriter &stub) {
    constexpr unsigned far_jump_bytes = 14;
    uint64_t gadget = is_outside_exempt(stub.here()) ? exempt_gadget(stub.here() + far_jump_bytes) : 0;
    if (gadget != 0)
        far_jump(stub, gadget);
    else
        stub.code(system_call);
}

// The calls by which the loader maps and unmaps objects: always looked at.
bool is_watched(const SitePlan &plan) {
    return (plan.flags & SITE_LOADER) != 0 &&
           (plan.number < 0 || plan.number == SYS_mmap || plan.number == SYS_munmap || plan.number == SYS_close);
}

uint64_t entry_of(const SitePlan &plan) {
    if (is_watched(plan))
        return reinterpret_cast<uint64_t>(intercept_entry_loader);
    if ((plan.flags & SITE_ARGUMENTS_DEAD) != 0)
        return reinterpret_cast<uint64_t>(intercept_entry_bare);
    bool flags_dead = (plan.flags & SITE_FLAGS_DEAD) != 0;
    return reinterpret_cast<uint64_t>(flags_dead ? intercept_entry_flags_dead : intercept_entry);
}

bool may_make_process(const SitePlan &plan) {
    for (long number : process_kind_numbers)
        if (plan.number == number)
            return true;
    return plan.number < 0;
}

} // namespace

bool write_jump(uint64_t from, uint64_t to, uint8_t *out) {
    uint64_t distance = to - (from + jump_bytes);
    if (!fits_displacement(distance))
        return false;
    auto field = static_cast<int32_t>(distance);
    out[0] = 0xe9;
    memcpy(out + 1, &field, 4);
    return true;
}

size_t write_stub(const SitePlan &plan, uint64_t window, uint64_t stub_address, uint8_t *out) {
    bool over = plan.state == INTERCEPT_SITE_OVER;
    uint64_t site = window + plan.site_in_window;
    uint64_t behind = over ? window + plan.window_bytes : site + 2;
    bool kinds = may_make_process(plan);

    StubWriter stub(stub_address, out);
    unsigned i = 0;
    for (; i < plan.instruction_count && plan.instructions[i].offset_bytes < plan.site_in_window; i++)
        move_instruction(stub, plan, plan.instructions[i], window);
    size_t fixups[2 + process_kind_count * 2][2]; // field, what of the record
    unsigned fixup_count = 0;
    auto record_field = [&](size_t member) {
        fixups[fixup_count][0] = stub.open(4);
        fixups[fixup_count++][1] = member;
    };

    bool watched = is_watched(plan);
    bool words = (plan.flags & SITE_FLAGS_DEAD) != 0 && is_known(plan) && !watched;
    load_mask(stub, plan);
    size_t unhooked = 0;
    if (!watched) {
        stub.code({0xe3}); // jrcxz pass
        unhooked = stub.open(1);
    }
    size_t word_passed = 0;
    size_t again = 0;
    if (words) {
        stub.code({0x84, 0xc9, 0x79}); // test cl, cl ; jns serve
        size_t no_words = stub.open(1);
        load_address(stub, &intercept_words);
        stub.code({0x89, 0xf8, 0x49, 0x39, 0x03, 0x0f, 0x8e}); // mov eax, edi ; cmp [r11], rax ; jle again
        again = stub.open(4);
        stub.code({0x4d, 0x8b, 0x5b, offsetof(Words, words)});    // mov r11, [r11 + words]
        stub.code({0x49, 0x83, 0x3c, 0xc3, INTERCEPT_WORD_PASS}); // cmp qword [r11 + rax * 8], pass
        load_number(stub, plan);
        stub.code({0x0f, 0x84}); // je pass
        word_passed = stub.open(4);
        stub.close(no_words, 1);
    }
    size_t serve = stub.used();
    stub.code(red_zone_skip);
    stub.code(load_record);
    record_field(0);
    stub.code(call_slot);
    record_field(RECORD_ENTRY);
    stub.code(red_zone_back);
    stub.code({0xe3}); // jrcxz pass
    size_t passed = stub.open(1);

    size_t after = stub.used();
    for (; i < plan.instruction_count; i++)
        move_instruction(stub, plan, plan.instructions[i], window);
    stub.jump_to(behind);

    if (!watched)
        stub.close(unhooked, 1);
    stub.close(passed, 1);
    if (words)
        stub.close(word_passed, 4);
    uint64_t gadget =
        is_outside_exempt(over ? stub_address : site) ? exempt_gadget(over ? stub_address + after : site + 2) : 0;
    if (gadget != 0) {
        far_jump(stub, gadget);
    } else if (over) {
        stub.code(system_call);
        stub.jump_to(stub_address + after);
    } else {
        stub.jump_to(site);
    }

    if (words) {
        stub.close(again, 4);
        load_number(stub, plan);
        stub.jump_to(stub_address + serve);
    }

    SiteRecord record{};
    record.return_address = site + 2;
    record.entry = entry_of(plan);
    record.post_entry = reinterpret_cast<uint64_t>(intercept_process_post_entry);
    record.flags = plan.flags;
    for (unsigned kind = 0; kinds && kind < process_kind_count; kind++) {
        if (plan.number >= 0 && plan.number != process_kind_numbers[kind])
            continue;
        record.kind_target[kind] = stub.here();
        stub.code(red_zone_back);
        system_call_here(stub);
        stub.code(red_zone_skip);
        stub.code({0xb9}); // mov ecx, number
        auto number = static_cast<uint32_t>(process_kind_numbers[kind]);
        stub.bytes(&number, 4);
        stub.code(load_record);
        record_field(0);
        stub.code(call_slot);
        record_field(RECORD_POST_ENTRY);
        stub.code(red_zone_back);
        stub.jump_to(stub_address + after);
    }
    stub.align(8);
    size_t record_at = stub.used();
    stub.bytes(&record, sizeof record);
    for (unsigned f = 0; f < fixup_count; f++)
        stub.close_at(fixups[f][0], 4, record_at + fixups[f][1]);
    stub.align(16);
    return stub.ok() ? stub.used() : 0;
}

} // namespace intercept::x86_64
