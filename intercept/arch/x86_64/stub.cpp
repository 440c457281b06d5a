// stub: assembled by hand, one per site.
//
//        moved instructions of the window, up to the syscall
//        movzx ecx, ax ; mov r11, table ; movzx ecx, byte [r11 + rcx]
//        jrcxz pass                        no flag is touched (not where the loader maps objects)
//        [words, where the flags are dead and the number is known; r11 = the number's place in the table:
//          test cl, cl ; jns serve         no words decide this number
//          cmp [r11 + path], rsi ; jne serve         newfstatat alone: not by this path
//          mov eax, edi
//          cmp [r11 + limit], rax ; jle again      no such word, or suspended
//          mov r11, [r11 + words] ; cmp qword [r11 + rax * 8], pass ; mov eax, number ; je pass
//        ]
//        [instead of all that, where the arguments are dead, too:
//          mov r11, number's place in the table ; cmp byte [r11], 0 ; je pass ; jns ask
//          cmp [r11 + path], rsi ; jne ask           newfstatat alone
//          mov ecx, edi
//          cmp [r11 + limit], rcx ; jle ours
//          mov r11, [r11 + words] ; cmp qword [r11 + rcx * 8], pass ; je pass
//    ours: cmp dword fs:[bypass depth], 0 ; jg pass
//          lea rsp, [rsp - 128] ; lea r11, [record] ; call [record.words_entry]
//          sub rsp, -128 ; what stands behind the site up to its return, or jmp behind the window
//    ask:  movzx ecx, byte [r11]
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
__attribute__((visibility("hidden"))) void intercept_entry_words();
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
constexpr uint8_t red_zone_back_short[] = {0x48, 0x83, 0xec, 0x80};                   // sub rsp, -128; sets flags
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

// [r11 + ...], behind an opcode and its ModRM: a variable beside the table, where r11 is the number's place in it.
void near_table(StubWriter &stub, const SitePlan &plan, const void *variable) {
    const int64_t distance = static_cast<const uint8_t *>(variable) - (intercept_table + plan.number);
    const auto field = static_cast<int32_t>(distance); // of one object
    stub.bytes(&field, sizeof field);
}

// Whose path decides first: cmp [r11 + path], rsi ; jne. Where the jump's distance stands, 0 of other calls.
size_t look_at_path(StubWriter &stub, const SitePlan &plan) {
    if (plan.number != SYS_newfstatat)
        return 0;
    stub.code({0x49, 0x39, 0xb3});
    near_table(stub, plan, &intercept_words.path);
    stub.code({0x75});
    return stub.open(1);
}

// cmp dword fs:[...], 0: the depth is at the same place for each thread.
void look_at_bypass(StubWriter &stub) {
    const int64_t distance =
        reinterpret_cast<const char *>(&intercept_bypass_depth) - static_cast<const char *>(__builtin_thread_pointer());
    const auto field = static_cast<int32_t>(distance);
    stub.code({0x64, 0x83, 0x3c, 0x25});
    stub.bytes(&field, sizeof field);
    stub.code({0});
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

// Goes on behind a site whose flags are dead. Behind most of libc's stand `ret`, or a look for an error and `ret`:
// these are executed here, since each jump costs as much as ten other instructions. Whatever stands there is what the
// processor would execute next, so nothing has to be known of it but its bytes.
void go_on_behind(StubWriter &stub, uint64_t behind) {
    constexpr uint8_t ret = 0xc3;
    constexpr uint8_t compare[] = {0x48, 0x3d}; // cmp rax, ...
    constexpr unsigned compare_bytes = 6;
    constexpr uint64_t page_bytes = 4096, looked_at_bytes = 16;
    const auto *code = reinterpret_cast<const uint8_t *>(behind);
    if (behind % page_bytes > page_bytes - looked_at_bytes) { // nobody has said what is on the next page
        stub.jump_to(behind);
        return;
    }
    if (code[0] == ret) {
        stub.bytes(&ret, 1);
        return;
    }
    const uint8_t *branch = code + compare_bytes;
    const bool is_near = (branch[0] & 0xf0) == 0x70;
    const bool is_far = branch[0] == 0x0f && (branch[1] & 0xf0) == 0x80;
    const unsigned branch_bytes = is_near ? 2 : 6;
    if (memcmp(code, compare, sizeof compare) != 0 || (!is_near && !is_far) || branch[branch_bytes] != ret) {
        stub.jump_to(behind);
        return;
    }
    const MovedInstruction moved = {0, static_cast<uint8_t>(branch_bytes), Move::branch, 0};
    stub.bytes(code, compare_bytes);
    stub.code({0x0f, static_cast<uint8_t>(0x80 | (branch[is_near ? 0 : 1] & 0xf))});
    stub.distance_to(branch_target(moved, branch, behind + compare_bytes));
    stub.bytes(&ret, 1);
}

// The calls by which the loader maps and unmaps objects: always looked at.
bool is_watched(const SitePlan &plan) {
    return (plan.flags & SITE_LOADER) != 0 &&
           (plan.number < 0 || plan.number == SYS_mmap || plan.number == SYS_munmap || plan.number == SYS_close);
}

uint64_t entry_of(const SitePlan &plan, bool bare) {
    if (is_watched(plan))
        return reinterpret_cast<uint64_t>(intercept_entry_loader);
    if (bare)
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
    size_t fixups[4 + process_kind_count * 2][2]; // field, what of the record
    unsigned fixup_count = 0;
    auto record_field = [&](size_t member) {
        fixups[fixup_count][0] = stub.open(4);
        fixups[fixup_count++][1] = member;
    };

    // The other entries of the same six bytes: direct if that is in reach, with a prefix that says nothing.
    auto call_entry = [&](uint64_t entry, size_t member) {
        constexpr unsigned call_bytes = 6;
        if (fits_displacement(entry - (stub.here() + call_bytes))) {
            stub.code({0x67, 0xe8});
            stub.distance_to(entry);
        } else {
            stub.code(call_slot);
            record_field(member);
        }
    };

    bool watched = is_watched(plan);
    bool words = (plan.flags & SITE_FLAGS_DEAD) != 0 && is_known(plan) && !watched;
    const bool bare = words && !kinds && (plan.flags & SITE_ARGUMENTS_DEAD) != 0;
    size_t to_pass[5]; // short jumps
    unsigned to_pass_count = 0;
    auto pass_if = [&](uint8_t opcode) {
        stub.bytes(&opcode, 1);
        to_pass[to_pass_count++] = stub.open(1);
    };
    constexpr uint8_t if_no_hook = 0xe3, if_equal = 0x74, if_greater = 0x7f; // jrcxz, je, jg
    size_t again = 0;
    size_t words_called = 0;
    if (bare) {
        load_address(stub, intercept_table + plan.number);
        stub.code({0x41, 0x80, 0x3b, 0x00}); // cmp byte [r11], 0
        pass_if(if_equal);
        stub.code({0x79}); // jns serve
        const size_t no_words = stub.open(1);
        const size_t other_path = look_at_path(stub, plan);
        stub.code({0x89, 0xf9, 0x49, 0x39, 0x8b}); // mov ecx, edi ; cmp [r11 + limit], rcx
        near_table(stub, plan, &intercept_words.limit);
        stub.code({0x7e}); // jle ours
        const size_t ours = stub.open(1);
        stub.code({0x4d, 0x8b, 0x9b}); // mov r11, [r11 + words]
        near_table(stub, plan, &intercept_words.words);
        stub.code({0x49, 0x83, 0x3c, 0xcb, INTERCEPT_WORD_PASS}); // cmp qword [r11 + rcx * 8], pass
        pass_if(if_equal);
        stub.close(ours, 1);
        look_at_bypass(stub);
        pass_if(if_greater);
        stub.code(red_zone_skip);
        stub.code(load_record);
        record_field(0);
        call_entry(reinterpret_cast<uint64_t>(intercept_entry_words), RECORD_WORDS_ENTRY);
        words_called = stub.used();
        stub.code(red_zone_back_short);
        go_on_behind(stub, behind);
        stub.close(no_words, 1);
        if (other_path != 0)
            stub.close(other_path, 1);
        stub.code({0x41, 0x0f, 0xb6, 0x0b}); // movzx ecx, byte [r11]
    } else {
        load_mask(stub, plan);
        if (!watched)
            pass_if(if_no_hook);
    }
    if (words && !bare) {
        stub.code({0x84, 0xc9, 0x79}); // test cl, cl ; jns serve
        const size_t no_words = stub.open(1);
        const size_t other_path = look_at_path(stub, plan);
        stub.code({0x89, 0xf8, 0x49, 0x39, 0x83}); // mov eax, edi ; cmp [r11 + limit], rax
        near_table(stub, plan, &intercept_words.limit);
        stub.code({0x7e}); // jle again
        again = stub.open(1);
        stub.code({0x4d, 0x8b, 0x9b}); // mov r11, [r11 + words]
        near_table(stub, plan, &intercept_words.words);
        stub.code({0x49, 0x83, 0x3c, 0xc3, INTERCEPT_WORD_PASS}); // cmp qword [r11 + rax * 8], pass
        load_number(stub, plan);
        pass_if(if_equal);
        stub.close(no_words, 1);
        if (other_path != 0)
            stub.close(other_path, 1);
    }
    size_t serve = stub.used();
    stub.code(red_zone_skip);
    stub.code(load_record);
    record_field(0);
    call_entry(entry_of(plan, bare), RECORD_ENTRY);
    // Where intercept_entry_words comes back to if the call is not answered.
    const size_t words_to_served = stub.used() - words_called;
    stub.code(red_zone_back);
    pass_if(if_no_hook);

    size_t after = stub.used();
    for (; i < plan.instruction_count; i++)
        move_instruction(stub, plan, plan.instructions[i], window);
    stub.jump_to(behind);

    for (unsigned at = 0; at < to_pass_count; at++)
        stub.close(to_pass[at], 1);
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

    if (words && !bare) {
        stub.close(again, 1);
        load_number(stub, plan);
        stub.jump_to(stub_address + serve);
    }

    SiteRecord record{};
    record.return_address = site + 2;
    record.entry = entry_of(plan, bare);
    record.post_entry = reinterpret_cast<uint64_t>(kinds ? intercept_process_post_entry : intercept_entry_words);
    record.flags = (bare ? plan.flags : plan.flags & ~SITE_ARGUMENTS_DEAD) | (kinds ? 0u : RECORD_IS_SHORT) |
                   (bare ? words_to_served << RECORD_SERVED_SHIFT : 0);
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
    stub.bytes(&record, kinds ? sizeof record : short_record_bytes);
    for (unsigned f = 0; f < fixup_count; f++)
        stub.close_at(fixups[f][0], 4, record_at + fixups[f][1]);
    stub.align(16);
    return stub.ok() ? stub.used() : 0;
}

} // namespace intercept::x86_64
