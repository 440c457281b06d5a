// emulator: runs made code in unicorn, with a kernel of our own and, in place of the
// interceptor's entry, a stand-in that does what the stub may expect of it.
#pragma once

#include "intercept/patch/arena.h"
#include "tests/intercept/made_object.h"

#include <array>
#include <cstdint>
#include <string>
#include <unicorn/unicorn.h>
#include <vector>

struct SystemCall {
    std::array<uint64_t, 7> number_and_arguments;
    uint64_t stack_pointer;
    bool operator==(const SystemCall &) const = default;
};

enum class RunEnd { returned, faulted, endless };

struct EmulatedRun {
    RunEnd end;
    uint64_t stopped_at; // of a fault in a window: in the stub
    std::vector<SystemCall> calls;
    std::array<uint64_t, 16> registers; // at the end: rax rcx rdx rbx rsp rbp rsi rdi r8..r15
    uint64_t flags;
    // The run did what proves nothing: it read its own text or where the stubs are to lie, or below the red zone, made
    // a call without a stack, did what is not the same twice, or came to a place whose address it had computed.
    bool void_of_proof;
    uint64_t led_between;       // the first middle of an instruction to which a direct branch led, or 0
    std::string complaint;      // of the stand-in: the stub did what it must not
    bool given_up;              // the emulator did not know the code
    std::vector<uint8_t> stack; // from the red zone of its highest call
    std::vector<uint8_t> data;
    size_t instructions;
    unsigned stub_blocks; // how often control came to a stub
};

// How the stand-in answers, by the count of the call.
enum class Verdict { unhooked, pass, handled, mixed };

class Emulator {
public:
    Emulator();
    Emulator(const Emulator &) = delete;
    Emulator &operator=(const Emulator &) = delete;
    ~Emulator();

    // Where the stubs will lie: a run without them that reads or writes there proves nothing.
    void set_stubs_to_be(const intercept::AddressRange &range) {
        stubs_to_be_ = range;
    }
    // Runs `text` (a page) at the place of `made`, from `entry`, with the rest of `made`'s
    // memory as it is; `stubs` as they are in memory. Registers come from `seed`.
    EmulatedRun run(const MadeObject &made, const std::vector<uint8_t> &text, uint64_t entry, uint64_t seed,
                    const intercept::AddressRange &stubs, Verdict verdict, bool words);

private:
    EmulatedRun run_unguarded(const MadeObject &made, const std::vector<uint8_t> &text, uint64_t entry, uint64_t seed,
                              const intercept::AddressRange &stubs, Verdict verdict, bool words);
    void open();
    static void on_system_call(uc_engine *, void *self);
    static void on_text_read(uc_engine *, uc_mem_type, uint64_t address, int size, int64_t, void *self);
    static void on_stack_read(uc_engine *, uc_mem_type, uint64_t address, int size, int64_t, void *self);
    static void on_instruction(uc_engine *, uint64_t address, uint32_t size, void *self);
    static void on_stub(uc_engine *, uint64_t address, uint32_t size, void *self);
    void system_call();
    void stand_in(uint64_t address);
    void note_way(uint64_t address, uint32_t size_bytes, const uint8_t *opcode);
    void expect(bool holds, const char *what);
    void kernel(uint64_t stack_pointer);
    void map(uint64_t address, uint64_t size_bytes);
    uint64_t get(int which);
    void set(int which, uint64_t value);
    void write(uint64_t address, const void *from, size_t size_bytes);

    uc_engine *unicorn_ = nullptr;
    std::vector<intercept::AddressRange> mapped_;
    uc_hook text_hook_ = 0;
    uc_hook instruction_hook_ = 0;
    uc_hook stub_hook_ = 0;
    intercept::AddressRange text_{};
    intercept::AddressRange stubs_{};
    intercept::AddressRange stubs_to_be_{};
    Verdict verdict_ = Verdict::unhooked;
    uint64_t seed_ = 0;
    uint64_t lowest_safe_ = 0;
    const intercept::Object *object_ = nullptr;
    uint64_t direction_set_at_ = 0;
    const MadeObject *made_ = nullptr;
    std::vector<bool> behind_calls_; // in the text
    bool indirect_ = false;          // the last instruction was a jump through a register or memory, or a return
    uint64_t next_ = 0;              // what lies behind it; 0: it was not in the text
    EmulatedRun run_{};
};
