// The kernel takes the strictest answer of all filters; what one has forbidden no later one allows. Filters of one
// thread count for all of ours: too careful, never too bold.
#include "intercept/trap/own_calls.h"

#include "base/raw_syscall.h"
#include "intercept/trap/exempt_call.h"

#include <atomic>
#include <csignal>
#include <linux/audit.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

namespace intercept {
namespace {

struct OwnCall {
    long number;
    uint64_t args[6]; // what filters look at; addresses are any
    bool of_thread;   // needed to make a thread of a guest, or to end it
};
constexpr OwnCall own_calls[] = {
    {SYS_mprotect, {0, 65536, PROT_READ | PROT_WRITE}, true},
    {SYS_mprotect, {0, 65536, PROT_READ | PROT_EXEC}, false},
    {SYS_rt_sigprocmask, {SIG_SETMASK, 0, 0, 8}, true},
    {SYS_prctl, {PR_SET_SYSCALL_USER_DISPATCH, 1}, true},
    {SYS_mmap, {0, 1 << 18, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, static_cast<uint32_t>(-1)}, true},
    {SYS_munmap, {0, 1 << 18}, true},
    {SYS_madvise, {0, 1 << 18, MADV_DONTNEED}, true},
    {SYS_clone3, {0, 88}, true},
    {SYS_set_robust_list, {0, 24}, true},
    {SYS_get_robust_list, {}, true},
    {SYS_rseq, {0, 32}, true},
    {SYS_futex, {0, 128}, true},
    {SYS_gettid, {}, true},
    {SYS_sched_yield, {}, true},
    {SYS_exit, {}, true},
};
constexpr unsigned own_call_count = sizeof own_calls / sizeof own_calls[0];
constinit std::atomic<uint32_t> forbidden{0}; // a bit for each of own_calls

// An error is harmless, all else is not: a signal, a tracer, somebody who is asked.
bool is_harmless(uint32_t answer) {
    answer &= SECCOMP_RET_ACTION_FULL;
    return answer == SECCOMP_RET_ALLOW || answer == SECCOMP_RET_LOG || answer == SECCOMP_RET_ERRNO;
}

bool arithmetic(unsigned operation, uint32_t &a, uint32_t operand) {
    switch (operation) {
    case BPF_ADD:
        a += operand;
        return true;
    case BPF_SUB:
        a -= operand;
        return true;
    case BPF_MUL:
        a *= operand;
        return true;
    case BPF_DIV:
        a = operand != 0 ? a / operand : 0;
        return operand != 0;
    case BPF_AND:
        a &= operand;
        return true;
    case BPF_OR:
        a |= operand;
        return true;
    case BPF_XOR:
        a ^= operand;
        return true;
    case BPF_LSH:
        a <<= operand & 31;
        return true;
    case BPF_RSH:
        a >>= operand & 31;
        return true;
    case BPF_NEG:
        a = 0 - a;
        return true;
    default:
        return false;
    }
}

bool holds(unsigned condition, uint32_t a, uint32_t operand) {
    switch (condition) {
    case BPF_JEQ:
        return a == operand;
    case BPF_JGT:
        return a > operand;
    case BPF_JGE:
        return a >= operand;
    default:
        return (a & operand) != 0; // BPF_JSET
    }
}

} // namespace

// Classic BPF, Documentation/networking/filter.rst. What the kernel would not have taken kills.
uint32_t run_seccomp_filter(const sock_fprog &program, const seccomp_data &data) {
    const auto *words = reinterpret_cast<const uint32_t *>(&data);
    uint32_t a = 0;
    uint32_t x = 0;
    uint32_t memory[BPF_MEMWORDS] = {};
    for (unsigned at = 0; at < program.len; at++) {
        const sock_filter &step = program.filter[at];
        const uint32_t operand = BPF_SRC(step.code) == BPF_X ? x : step.k;
        switch (BPF_CLASS(step.code)) {
        case BPF_LD:
        case BPF_LDX: {
            uint32_t value = step.k; // BPF_IMM
            if (BPF_MODE(step.code) == BPF_ABS)
                value = step.k + 4 <= sizeof data ? words[step.k / 4] : 0;
            else if (BPF_MODE(step.code) == BPF_LEN)
                value = sizeof data;
            else if (BPF_MODE(step.code) == BPF_MEM)
                value = memory[step.k % BPF_MEMWORDS];
            (BPF_CLASS(step.code) == BPF_LD ? a : x) = value;
            break;
        }
        case BPF_ST:
            memory[step.k % BPF_MEMWORDS] = a;
            break;
        case BPF_STX:
            memory[step.k % BPF_MEMWORDS] = x;
            break;
        case BPF_ALU:
            if (!arithmetic(BPF_OP(step.code), a, operand))
                return SECCOMP_RET_KILL_PROCESS;
            break;
        case BPF_JMP:
            if (BPF_OP(step.code) == BPF_JA)
                at += step.k;
            else
                at += holds(BPF_OP(step.code), a, operand) ? step.jt : step.jf;
            break;
        case BPF_RET:
            return BPF_RVAL(step.code) == BPF_A ? a : step.k;
        default: // BPF_MISC
            (BPF_MISCOP(step.code) == BPF_TAX ? x : a) = BPF_MISCOP(step.code) == BPF_TAX ? a : x;
            break;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}

void note_seccomp_filter(const sock_fprog &program) {
    uint32_t more = 0;
    for (unsigned i = 0; i < own_call_count; i++) {
        seccomp_data data{};
        data.nr = static_cast<int>(own_calls[i].number);
        data.arch = AUDIT_ARCH_X86_64;
        data.instruction_pointer = reinterpret_cast<uint64_t>(exempt_function);
        for (unsigned arg = 0; arg < 6; arg++)
            data.args[arg] = own_calls[i].args[arg];
        if (!is_harmless(run_seccomp_filter(program, data)))
            more |= 1u << i;
    }
    forbidden.fetch_or(more);
}

void note_seccomp_strict() {
    for (unsigned i = 0; i < own_call_count; i++)
        if (own_calls[i].number != SYS_exit)
            forbidden.fetch_or(1u << i);
}

bool own_call_allowed(long number) {
    const uint32_t now = forbidden.load(std::memory_order_relaxed);
    if (now == 0)
        return true;
    for (unsigned i = 0; i < own_call_count; i++)
        if (own_calls[i].number == number && (now >> i & 1) != 0)
            return false;
    return true;
}

bool own_threads_allowed() {
    const uint32_t now = forbidden.load(std::memory_order_relaxed);
    for (unsigned i = 0; now != 0 && i < own_call_count; i++)
        if (own_calls[i].of_thread && (now >> i & 1) != 0)
            return false;
    return true;
}

} // namespace intercept
