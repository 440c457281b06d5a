// trap_stub: the code that stands in for a system call that the kernel trapped.
//
// A whole stub like that of a patched site, but it moves no instructions and may lie
// anywhere: it comes back through a pointer. It lies in the exempt range, so that
// its own system calls are not trapped again. What differs from stub to stub is data, so that one can be
// made where nothing may be made executable any more.
#pragma once

#include "intercept/arch/x86_64/site_record.h"
#include "intercept/arch/x86_64/trap_frame.h"

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <ucontext.h>

namespace intercept {

struct TrapRecord {
    SiteRecord site;
    uint64_t table; // intercept_table
    uint64_t back;  // where the app goes on
    uint64_t pass;  // the stub's own system call
    // Guests: the stub's code for each kind, and what it goes on with afterwards.
    uint64_t kind_stub[process_kind_count];
    uint64_t kind_post[process_kind_count];
};
static_assert(offsetof(TrapRecord, table) == TRAP_TABLE && offsetof(TrapRecord, back) == TRAP_BACK &&
              offsetof(TrapRecord, pass) == TRAP_PASS && offsetof(TrapRecord, kind_stub) == TRAP_KIND_STUB &&
              offsetof(TrapRecord, kind_post) == TRAP_KIND_POST && sizeof(TrapRecord) == TRAP_RECORD_BYTES);
static_assert(offsetof(siginfo_t, si_code) == SIGINFO_CODE && offsetof(ucontext_t, uc_flags) == UCONTEXT_FLAGS &&
              offsetof(ucontext_t, uc_stack.ss_flags) == UCONTEXT_STACK_FLAGS &&
              offsetof(ucontext_t, uc_mcontext.gregs[REG_R8]) == UCONTEXT_R8 &&
              offsetof(ucontext_t, uc_mcontext.gregs[REG_RDI]) == UCONTEXT_RDI &&
              offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]) == UCONTEXT_RSP &&
              offsetof(ucontext_t, uc_mcontext.gregs[REG_EFL]) == UCONTEXT_EFLAGS &&
              offsetof(ucontext_t, uc_mcontext.fpregs) == UCONTEXT_FPREGS);

// How a trapped call goes on.
enum class TrapKind : uint8_t {
    hooked, // through the hooks, then the kernel
    pass,   // to the kernel: a call of our own
    guest,  // as hooked, from a program that has its own thread pointer (guest/)
};

// Writes the code of a stub, TRAP_SLOT_BYTES, which is the same for all: its record lies TRAP_RECORD_DISTANCE
// behind it. (Code for `pass` is that of the others.)
void write_trap_code(TrapKind kind, uint8_t *code);
// Makes the stub at `code` that of the call whose return address (behind the syscall instruction) is
// `return_address`; it goes on at `back`. Where to enter it.
uint64_t fill_trap_record(TrapKind kind, uint64_t return_address, uint64_t back, uint64_t code);

// The shortest one: a system call, then `back`. exempt_gadget_bytes long.
constexpr size_t exempt_gadget_bytes = 16;
void write_pass_stub(uint64_t back, uint8_t *out);

} // namespace intercept
