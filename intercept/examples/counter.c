/* Another instruction than `syscall`: rdtsc and rdtscp, which read the processor's counter.
 *
 *   LD_PRELOAD=./counter.so program
 *
 * The program sees a counter that goes up by 1000 at each look and starts at 1000 in each run, so
 * that what it computes from it is the same each time.
 *
 * Such instructions need not be patched: Linux lets a process forbid itself rdtsc (PR_SET_TSC),
 * then each one is a SIGSEGV, wherever it is: in any library, in code made at run time, in the vdso. That
 * costs a signal, some 2 us. The interceptor's part is to keep the handler where it is: a hook on
 * rt_sigaction remembers what the program wants for SIGSEGV and does not let it have ours. And one on
 * execve allows rdtsc again: the prohibition outlives it, the handler does not, and the new program's loader
 * reads the counter before we are there.
 * The same goes for cpuid (arch_prctl ARCH_CPUID) and, with SIGILL, for instructions that a processor does
 * not have. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pmemfile-intercept.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <x86intrin.h>

struct kernel_action { /* what rt_sigaction gets; libc's struct is another one */
    void (*handler)(int, siginfo_t *, void *);
    uint64_t flags;
    void *restorer;
    uint64_t mask;
};

static struct kernel_action wanted; /* by the program, for SIGSEGV */
static uint64_t counter, vdso;

static void set_counter(long state) {
    intercept_raw_syscall(SYS_prctl, PR_SET_TSC, state, 0, 0, 0, 0);
}

static uint64_t real_counter(void) {
    set_counter(PR_TSC_ENABLE);
    uint64_t value = __rdtsc();
    set_counter(PR_TSC_SIGSEGV);
    return value;
}

static void on_fault(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    /* A general-protection fault has no address; where it was a bad jump, code cannot be read. */
    int length = info->si_code != SI_KERNEL             ? 0
                 : memcmp(code, "\x0f\x31", 2) == 0     ? 2
                 : memcmp(code, "\x0f\x01\xf9", 3) == 0 ? 3
                                                        : 0;
    if (length != 0) {
        /* The vdso computes the time of day from it: that stays true. */
        int is_vdso = (uint64_t)code - vdso < 4 * 4096;
        uint64_t value = is_vdso ? real_counter() : __atomic_add_fetch(&counter, 1000, __ATOMIC_RELAXED);
        registers[REG_RAX] = (greg_t)(value & 0xffffffff);
        registers[REG_RDX] = (greg_t)(value >> 32);
        if (length == 3)
            registers[REG_RCX] = 0; /* the processor's number */
        registers[REG_RIP] += length;
        return;
    }
    if ((uintptr_t)wanted.handler > 1) {
        wanted.handler(number, info, context);
    } else {
        struct kernel_action plain = {0};
        intercept_raw_syscall(SYS_rt_sigaction, number, (long)&plain, 0, 8, 0, 0);
    }
}

static int before_call(struct intercept_call *call) {
    if (call->nr != SYS_rt_sigaction) {
        set_counter(PR_TSC_ENABLE); /* of this thread; the others end */
        return INTERCEPT_PASS_POST;
    }
    if (call->args[0] != SIGSEGV)
        return INTERCEPT_PASS;
    struct kernel_action before = wanted;
    if (call->args[1] != 0)
        memcpy(&wanted, (const void *)call->args[1], sizeof wanted);
    if (call->args[2] != 0)
        memcpy((void *)call->args[2], &before, sizeof before);
    call->result = 0;
    return INTERCEPT_HANDLED;
}

static void after_call(struct intercept_call *call) {
    (void)call; /* nobody comes back from an exec that went well */
    set_counter(PR_TSC_SIGSEGV);
}

__attribute__((constructor)) static void start(void) {
    static const long calls[] = {SYS_rt_sigaction, SYS_execve, SYS_execveat};
    struct intercept_hook hook = {.hook = before_call, .post = after_call, .calls = calls, .call_count = 3};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, NULL);
    vdso = getauxval(AT_SYSINFO_EHDR);
    if (intercept_add(&hook) >= 0 && intercept_start() == 0)
        prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
}
