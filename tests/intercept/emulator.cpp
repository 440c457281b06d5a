// emulator: the memory of a run is at the addresses that it has in this process, so that
// stubs work as they were written. At the entry's address stand `syscall; ret`, and
// the system call that comes from there is the stand-in.
#include "tests/intercept/emulator.h"

#include "intercept/arch/x86_64/site_record.h"
#include "intercept/hooks/registry.h"
#include "intercept/objects/frame_table.h"

#include <csetjmp>
#include <csignal>
#include <cstring>
#include <gtest/gtest.h>

extern "C" {
__attribute__((visibility("hidden"))) void intercept_entry();
__attribute__((visibility("hidden"))) void intercept_entry_flags_dead();
__attribute__((visibility("hidden"))) void intercept_process_post_entry();
}

namespace {

constexpr int register_ids[16] = {UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
                                  UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
                                  UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
                                  UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15};
constexpr int argument_ids[7] = {UC_X86_REG_RAX, UC_X86_REG_RDI, UC_X86_REG_RSI, UC_X86_REG_RDX,
                                 UC_X86_REG_R10, UC_X86_REG_R8,  UC_X86_REG_R9};
constexpr uint64_t stack_begin = 0x7000000000;
constexpr uint64_t stack_bytes = 0x4000;
constexpr uint64_t return_place = 0x7100000000; // nothing is there
constexpr uint64_t page_bytes = 4096;
constexpr uint64_t destroyed = 0x5ca1ab1e5ca1ab1e; // what the kernel leaves in rcx and r11
constexpr size_t calls_max = 12;
constexpr uint64_t word_count = 8;

uint64_t mix(uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

uint64_t address_of(void (*function)()) {
    return reinterpret_cast<uint64_t>(function);
}

const uint8_t *behind_prefixes(const uint8_t *code) {
    auto is_prefix = [](uint8_t byte) {
        return (byte & 0xf0) == 0x40 || byte == 0x66 || byte == 0x67 || (byte & 0xfe) == 0xf2 || byte == 0xf0 ||
               (byte & 0xfe) == 0x64 || (byte & 0xe7) == 0x26;
    };
    for (int i = 0; i < 4 && is_prefix(*code); i++)
        code++;
    return code;
}

// The time, random numbers, x87 state (it names the last instruction), the trap flag and the
// interrupt flag (cli and sti fault in a program, not here) are not the same twice.
bool is_beyond_repeating(const uint8_t *code) {
    bool two_bytes = code[0] == 0x0f && (code[1] == 0x31 || code[1] == 0x01 || code[1] == 0xae || code[1] == 0xc7);
    return two_bytes || (code[0] & 0xf8) == 0xd8 || code[0] == 0x9d || code[0] == 0xcf || (code[0] & 0xfe) == 0xfa;
}

// It stores to memory what a flag says, and where that faults the emulator leaves the flags half computed.
bool is_set_by_flag(const uint8_t *code) {
    return code[0] == 0x0f && (code[1] & 0xf0) == 0x90;
}

// In the emulated memory only; the real ones are not touched.
uint64_t words[word_count];

} // namespace

Emulator::Emulator() {
    open();
}

void Emulator::open() {
    mapped_.clear();
    EXPECT_EQ(uc_open(UC_ARCH_X86, UC_MODE_64, &unicorn_), UC_ERR_OK);
    map(stack_begin, stack_bytes);
    map(reinterpret_cast<uint64_t>(intercept_table), sizeof intercept_table);
    map(reinterpret_cast<uint64_t>(&intercept_words), sizeof intercept_words);
    map(reinterpret_cast<uint64_t>(words), sizeof words);
    const uint8_t stand_in[] = {0x0f, 0x05, 0xc3};
    for (auto *entry : {intercept_entry, intercept_entry_flags_dead, intercept_process_post_entry}) {
        map(address_of(entry), sizeof stand_in);
        write(address_of(entry), stand_in, sizeof stand_in);
    }
    uc_hook hook;
    auto add = [&](int kind, void *function, uint64_t begin, uint64_t end, auto... more) {
        EXPECT_EQ(uc_hook_add(unicorn_, &hook, kind, function, this, begin, end, more...), UC_ERR_OK);
    };
    add(UC_HOOK_INSN, reinterpret_cast<void *>(on_system_call), 1, 0, UC_X86_INS_SYSCALL);
    add(UC_HOOK_MEM_READ, reinterpret_cast<void *>(on_stack_read), stack_begin, stack_begin + stack_bytes - 1);
}

Emulator::~Emulator() {
    uc_close(unicorn_);
}

void Emulator::map(uint64_t address, uint64_t size_bytes) {
    uint64_t end = (address + size_bytes + page_bytes - 1) & ~(page_bytes - 1);
    for (uint64_t page = address & ~(page_bytes - 1); page < end; page += page_bytes) {
        bool known = false;
        for (const intercept::AddressRange &range : mapped_)
            known |= range.contains(page);
        if (known)
            continue;
        EXPECT_EQ(uc_mem_map(unicorn_, page, page_bytes, UC_PROT_ALL), UC_ERR_OK);
        mapped_.push_back({page, page + page_bytes});
    }
}

uint64_t Emulator::get(int which) {
    uint64_t value = 0;
    uc_reg_read(unicorn_, which, &value);
    return value;
}

void Emulator::set(int which, uint64_t value) {
    uc_reg_write(unicorn_, which, &value);
}

void Emulator::write(uint64_t address, const void *from, size_t size_bytes) {
    EXPECT_EQ(uc_mem_write(unicorn_, address, from, size_bytes), UC_ERR_OK) << std::hex << address;
}

void Emulator::on_system_call(uc_engine *, void *self) {
    static_cast<Emulator *>(self)->system_call();
}

void Emulator::on_text_read(uc_engine *, uc_mem_type, uint64_t, int, int64_t, void *self) {
    static_cast<Emulator *>(self)->run_.void_of_proof = true;
}

void Emulator::on_stack_read(uc_engine *, uc_mem_type, uint64_t address, int, int64_t, void *self) {
    auto *emulator = static_cast<Emulator *>(self);
    if (address < emulator->lowest_safe_ && !emulator->stubs_.contains(emulator->get(UC_X86_REG_RIP)))
        emulator->run_.void_of_proof = true;
}

// By the ABI no flag is kept over a call or a return, which the planner relies on.
void Emulator::on_instruction(uc_engine *unicorn, uint64_t address, uint32_t size_bytes, void *self) {
    auto *emulator = static_cast<Emulator *>(self);
    emulator->run_.instructions++;
    bool in_text = emulator->text_.contains(address);
    if (!in_text) {
        emulator->indirect_ = false;
        emulator->next_ = 0;
    }
    if (!in_text && !emulator->stubs_.contains(address)) {
        // What lies there is of another run, stubs perhaps: nobody promised anything.
        emulator->run_.void_of_proof |= emulator->stubs_.size() == 0;
        return;
    }
    // A return may have been moved to a stub, a call not; the stub's own are `ff 15`.
    uint8_t code[6] = {};
    uc_mem_read(unicorn, address, code, sizeof code);
    const uint8_t *opcode = behind_prefixes(code);
    emulator->run_.void_of_proof |= in_text && is_beyond_repeating(opcode);
    if (in_text)
        emulator->note_way(address, size_bytes, opcode);
    if (in_text && *opcode == 0xfd)
        emulator->direction_set_at_ = address;
    if (code[0] == 0xe8 || code[0] == 0xc3 || (in_text && code[0] == 0xff && (code[1] >> 3 & 7) == 2))
        emulator->set(UC_X86_REG_EFLAGS, 2);
}

// Nobody can prove where a jump leads whose address is computed by arithmetic: of what it pushed, say.
void Emulator::note_way(uint64_t address, uint32_t size_bytes, const uint8_t *opcode) {
    const uint64_t offset = address - text_.begin;
    if (indirect_ && stubs_.size() == 0)
        run_.void_of_proof |= !made_->leads_to(offset) && !behind_calls_[offset];
    else if (next_ != 0 && address != next_ && run_.led_between == 0 && made_->is_between(offset))
        run_.led_between = address;
    next_ = address + size_bytes;
    const unsigned group = opcode[0] == 0xff ? opcode[1] >> 3 & 7 : 0;
    indirect_ = (opcode[0] & 0xf6) == 0xc2 || (group >= 2 && group <= 5); // ret and its kin have c2, c3, ca, cb
    if (opcode[0] == 0xe8 || group == 2 || group == 3)
        behind_calls_[(offset + size_bytes) % page_bytes] = true;
}

void Emulator::on_stub(uc_engine *, uint64_t, uint32_t, void *self) {
    static_cast<Emulator *>(self)->run_.stub_blocks++;
}

void Emulator::expect(bool holds, const char *what) {
    if (!holds && run_.complaint.empty())
        run_.complaint = what;
}

// What the kernel does: the same in all runs, told by the call and how many there were.
void Emulator::kernel(uint64_t stack_pointer) {
    SystemCall call{};
    call.stack_pointer = stack_pointer;
    uint64_t result = seed_ + run_.calls.size();
    for (size_t i = 0; i < 7; i++) {
        call.number_and_arguments[i] = get(argument_ids[i]);
        result = mix(result + call.number_and_arguments[i]);
    }
    run_.calls.push_back(call);
    if (run_.calls.size() == calls_max)
        uc_emu_stop(unicorn_);
    if (stack_pointer < stack_begin + 1024 || stack_pointer > stack_begin + stack_bytes)
        run_.void_of_proof = true;
    if (stack_pointer - 128 > lowest_safe_)
        lowest_safe_ = stack_pointer - 128;
    set(UC_X86_REG_RAX, result % 3 == 0 ? result % 5 : result);
    set(UC_X86_REG_RCX, destroyed);
    set(UC_X86_REG_R11, destroyed);
}

void Emulator::stand_in(uint64_t address) {
    constexpr uint64_t below_app = 136; // the red zone and the stub's return address
    uint64_t stack_pointer = get(UC_X86_REG_RSP) + below_app;
    intercept::SiteRecord record{};
    uint64_t record_address = get(UC_X86_REG_R11);
    if (uc_mem_read(unicorn_, record_address, &record, sizeof record) != UC_ERR_OK)
        expect(false, "r11 is no record");
    bool flags_dead = address == address_of(intercept_entry_flags_dead);
    expect(record.entry == address || address == address_of(intercept_process_post_entry),
           "the record of another entry");
    if (flags_dead)
        set(UC_X86_REG_EFLAGS, 2 | (mix(seed_ + run_.calls.size()) & 0x8d5));
    if (address == address_of(intercept_process_post_entry)) {
        expect(text_.contains(record.return_address - 2), "the record is of no site");
        set(UC_X86_REG_RCX, destroyed);
        set(UC_X86_REG_R11, destroyed);
        return;
    }
    expect((get(UC_X86_REG_RCX) & 0xff) != 0, "nobody wants the number");
    Verdict verdict = verdict_;
    if (verdict == Verdict::mixed)
        verdict = mix(seed_ ^ run_.calls.size()) % 2 == 0 ? Verdict::pass : Verdict::handled;
    uint64_t number = get(UC_X86_REG_RAX);
    for (unsigned kind = 0; kind < intercept::process_kind_count; kind++)
        if (number == static_cast<uint64_t>(intercept::process_kind_numbers[kind])) {
            // A hook wants to see its end: executed in the stub.
            uint64_t target = record.kind_target[kind];
            expect(target != 0, "no way for a call that makes a process");
            write(stack_pointer - below_app, &target, 8);
            return;
        }
    if (verdict == Verdict::handled) {
        kernel(stack_pointer);
        return; // rcx is not 0 now
    }
    set(UC_X86_REG_RCX, 0);
    set(UC_X86_REG_R11, destroyed);
}

void Emulator::system_call() {
    uint64_t here = get(UC_X86_REG_RIP);
    // Before or behind the instruction, as the version has it.
    for (auto *entry : {intercept_entry, intercept_entry_flags_dead, intercept_process_post_entry})
        if (here == address_of(entry) || here == address_of(entry) + 2)
            return stand_in(address_of(entry));
    // The ABI has the direction flag clear where a function begins: another one may have set it, and then
    // jumped here.
    if ((get(UC_X86_REG_EFLAGS) & 0x400) != 0) {
        intercept::Function setter{};
        run_.void_of_proof |= !find_function(*object_, direction_set_at_, setter) || !setter.range.contains(here - 1);
    }
    kernel(get(UC_X86_REG_RSP));
}

// The translator ends the process at code that it can not translate; that is no finding.
EmulatedRun Emulator::run(const MadeObject &made, const std::vector<uint8_t> &text, uint64_t entry, uint64_t seed,
                          const intercept::AddressRange &stubs, Verdict verdict, bool use_words) {
    static sigjmp_buf given_up;
    struct sigaction action {};
    struct sigaction former {};
    action.sa_handler = [](int) { siglongjmp(given_up, 1); };
    sigaction(SIGABRT, &action, &former);
    EmulatedRun result{};
    if (sigsetjmp(given_up, 1) == 0) {
        result = run_unguarded(made, text, entry, seed, stubs, verdict, use_words);
    } else {
        open(); // the former one is in no state to be closed
        result = {};
        result.void_of_proof = true;
        result.given_up = true;
    }
    sigaction(SIGABRT, &former, nullptr);
    return result;
}

EmulatedRun Emulator::run_unguarded(const MadeObject &made, const std::vector<uint8_t> &text, uint64_t entry,
                                    uint64_t seed, const intercept::AddressRange &stubs, Verdict verdict,
                                    bool use_words) {
    run_ = {};
    run_.end = RunEnd::endless;
    seed_ = seed;
    verdict_ = verdict;
    lowest_safe_ = 0;
    object_ = &made.object();
    made_ = &made;
    behind_calls_.assign(page_bytes, false);
    indirect_ = false;
    next_ = 0;
    stubs_ = stubs;
    uint64_t base = made.address();
    text_ = {base, base + page_bytes};
    map(base, MadeObject::span_bytes);
    write(base, text.data(), text.size());
    write(base + page_bytes, made.at(page_bytes), MadeObject::span_bytes - page_bytes);
    if (stubs.size() != 0) {
        map(stubs.begin, stubs.size());
        write(stubs.begin, reinterpret_cast<const void *>(stubs.begin), stubs.size());
    }
    uc_hook_add(unicorn_, &text_hook_, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, reinterpret_cast<void *>(on_text_read),
                this, base, base + page_bytes - 1);
    uc_hook_add(unicorn_, &instruction_hook_, UC_HOOK_CODE, reinterpret_cast<void *>(on_instruction), this, 1, 0);
    uc_hook_add(unicorn_, &stub_hook_, UC_HOOK_BLOCK, reinterpret_cast<void *>(on_stub), this, stubs.begin,
                stubs.size() != 0 ? stubs.end - 1 : stubs.begin);
    uc_hook stubs_to_be_hook = 0;
    if (stubs.size() == 0 && stubs_to_be_.size() != 0) {
        map(stubs_to_be_.begin, stubs_to_be_.size());
        uc_hook_add(unicorn_, &stubs_to_be_hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE,
                    reinterpret_cast<void *>(on_text_read), this, stubs_to_be_.begin, stubs_to_be_.end - 1);
    }
    uint8_t wanted = verdict == Verdict::unhooked ? 0 : use_words ? intercept::words_bit | 1 : 1;
    std::vector<uint8_t> table(sizeof intercept_table, wanted);
    write(reinterpret_cast<uint64_t>(intercept_table), table.data(), table.size());
    intercept::Words all_words{use_words ? int64_t{word_count} : 0, words};
    write(reinterpret_cast<uint64_t>(&intercept_words), &all_words, sizeof all_words);
    uint64_t word_values[word_count];
    for (uint64_t i = 0; i < word_count; i++)
        word_values[i] = i % 2;
    write(reinterpret_cast<uint64_t>(words), word_values, sizeof word_values);

    std::vector<uint8_t> stack(stack_bytes);
    for (size_t i = 0; i < stack.size(); i += 8) {
        uint64_t value = mix(seed + i);
        memcpy(stack.data() + i, &value, 8);
    }
    uint64_t stack_pointer = stack_begin + stack_bytes / 2 + 8;
    memcpy(stack.data() + (stack_pointer - stack_begin), &return_place, 8);
    write(stack_begin, stack.data(), stack.size());
    for (int i = 0; i < 16; i++)
        set(register_ids[i], mix(seed ^ static_cast<uint64_t>(i)) % (i % 3 == 0 ? ~uint64_t{0} : 64));
    set(UC_X86_REG_RSP, stack_pointer);
    set(UC_X86_REG_RDI, seed % 3 == 0 ? seed % 16 : base + MadeObject::data_offset + 0x400);
    set(UC_X86_REG_EFLAGS, 2 | (mix(seed) & 0x8d5));
    // What was translated of the run before; a flush of all would clear many megabytes.
    uc_ctl_remove_cache(unicorn_, base, base + page_bytes);
    if (stubs.size() != 0)
        uc_ctl_remove_cache(unicorn_, stubs.begin, stubs.end);

    constexpr size_t instructions_max = 400;
    constexpr size_t stub_factor = 20;
    size_t limit = stubs.size() != 0 ? instructions_max * stub_factor : instructions_max;
    uc_err error = uc_emu_start(unicorn_, entry, return_place, 0, limit);
    // Of exceptions it reports only the first; at others it just stops.
    bool at_limit = run_.instructions >= limit || run_.calls.size() >= calls_max;
    if (error == UC_ERR_OK && get(UC_X86_REG_RIP) == return_place)
        run_.end = RunEnd::returned;
    else if (error != UC_ERR_OK || !at_limit)
        run_.end = RunEnd::faulted;
    uc_hook_del(unicorn_, text_hook_);
    uc_hook_del(unicorn_, stub_hook_);
    if (stubs_to_be_hook != 0)
        uc_hook_del(unicorn_, stubs_to_be_hook);
    uc_hook_del(unicorn_, instruction_hook_);
    run_.stopped_at = get(UC_X86_REG_RIP);
    for (size_t i = 0; i < 16; i++)
        run_.registers[i] = get(register_ids[i]);
    run_.flags = get(UC_X86_REG_EFLAGS) & 0xcd5;
    uint8_t code[6] = {};
    uc_mem_read(unicorn_, run_.stopped_at, code, sizeof code);
    if (run_.end == RunEnd::faulted && is_set_by_flag(behind_prefixes(code)))
        run_.flags = 0; // in both runs: they stop at the same place, or differ anyway
    uint64_t from = lowest_safe_ > stack_begin && lowest_safe_ < stack_begin + stack_bytes ? lowest_safe_ : stack_begin;
    run_.stack.resize(stack_begin + stack_bytes - from);
    uc_mem_read(unicorn_, from, run_.stack.data(), run_.stack.size());
    run_.data.resize(page_bytes);
    uc_mem_read(unicorn_, base + MadeObject::data_offset, run_.data.data(), page_bytes);
    return run_;
}
