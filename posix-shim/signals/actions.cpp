// The table of the application's actions.
//
//   rt_sigaction ─► table[number] ─► kernel: universal_handler, the application's
//                                    flags, all signals blocked while it runs
//
// A writer is inside a call (handlers wait), so a handler that reads under the
// sequence counter never waits for its own thread.
#include "posix-shim/signals/actions.h"

#include "base/raw_syscall.h"
#include "base/spin_lock.h"
#include "base/user_copy.h"
#include "intercept/include/pmemfile-intercept.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/process/context.h"
#include "posix-shim/signals/deferral.h"

#include <atomic>
#include <cerrno>

// The kernel returns from a handler through it. x86-64 demands one; libc gives its own.
asm(".text\n"
    "    nop\n"
    ".type shim_signal_return, @function\n"
    "shim_signal_return:\n"
    "    movq $15, %rax\n"
    "    syscall\n"
    ".size shim_signal_return, .-shim_signal_return\n");
extern "C" void shim_signal_return();

namespace shim {
namespace {

constexpr int signal_limit = 65;
constexpr uint64_t flag_restorer = 0x04000000;
constexpr uint64_t flag_reset = static_cast<uint32_t>(SA_RESETHAND);

struct Entry {
    std::atomic<uint32_t> sequence;
    std::atomic<uint64_t> handler, flags, restorer, mask;
};
constinit Entry table[signal_limit];
// Makes the table's and the kernel's change one. Held only inside calls, and over a fork.
constinit base::SpinLock lock;

void store(int number, const KernelAction &action) {
    Entry &entry = table[number];
    entry.sequence.fetch_add(1);
    entry.handler.store(reinterpret_cast<uint64_t>(action.handler));
    entry.flags.store(action.flags);
    entry.restorer.store(reinterpret_cast<uint64_t>(action.restorer));
    entry.mask.store(action.mask);
    entry.sequence.fetch_add(1);
}

bool is_fault(int number) {
    return number == SIGSEGV || number == SIGBUS;
}

// What the kernel is told when the application asks for `wanted`.
KernelAction for_kernel(int number, const KernelAction &wanted) {
    if (!wanted.is_function() && !is_fault(number))
        return wanted;
    KernelAction action = wanted;
    action.handler = universal_handler;
    action.flags = (wanted.flags | SA_SIGINFO) & ~(flag_reset | SA_NODEFER);
    // (A program's return from a handler can be a trap: blocked, its signal would end the process.)
    action.mask = ~intercept_reserved_signals();
    if (!wanted.is_function())
        action.flags |= SA_RESTART | (number == SIGSEGV ? SA_ONSTACK : 0); // a stack may have overflowed
    // Not the application's: under level 3 its return would be one more trap.
    action.flags |= flag_restorer;
    action.restorer = shim_signal_return;
    return action;
}

// Of the kernel's; `former` becomes the application's: what the kernel has, or what our handler stands for.
long change_action(int number, const KernelAction *next, KernelAction &former) {
    const long result = kernel_action(number, next, &former);
    if (!base::is_error(result) && former.handler == universal_handler)
        former = application_action(number);
    return result;
}

} // namespace

long kernel_action(int number, const KernelAction *next, KernelAction *former) {
    return base::raw_syscall(SYS_rt_sigaction, number, base::as_long(next), base::as_long(former), sizeof(uint64_t));
}

void set_signal_mask(uint64_t mask, uint64_t *former) {
    mask &= ~intercept_reserved_signals();
    base::raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, base::as_long(&mask), base::as_long(former), sizeof mask);
}

KernelAction application_action(int number) {
    Entry &entry = table[number];
    for (;;) {
        const uint32_t before = entry.sequence.load();
        KernelAction action;
        action.handler = reinterpret_cast<decltype(action.handler)>(entry.handler.load());
        action.flags = entry.flags.load();
        action.restorer = reinterpret_cast<decltype(action.restorer)>(entry.restorer.load());
        action.mask = entry.mask.load();
        if ((before & 1) == 0 && entry.sequence.load() == before)
            return action;
    }
}

void application_action_reset(int number, const KernelAction &was) {
    uint64_t expected = reinterpret_cast<uint64_t>(was.handler);
    const KernelAction standard = {};
    if (context_is_vfork_child()) { // the table is its parent's
        kernel_action(number, &standard, nullptr);
        return;
    }
    // One word decides, so no lock is needed here, where its holder may be this very thread.
    if (table[number].handler.compare_exchange_strong(expected, 0) && !is_fault(number))
        kernel_action(number, &standard, nullptr);
}

// A program begins without handlers, and ours is the first constructor (-z initfirst). What it has inherited is the
// kernel's to tell, when it is asked for: 62 calls of a start's 200.
void signals_start() {
    for (const int number : {SIGSEGV, SIGBUS}) {
        KernelAction inherited = {};
        kernel_action(number, nullptr, &inherited);
        store(number, inherited);
        const KernelAction ours = for_kernel(number, inherited);
        kernel_action(number, &ours, nullptr);
    }
}

void actions_before_fork() BASE_NO_THREAD_SAFETY_ANALYSIS {
    lock.lock();
}

void actions_fork_done() BASE_NO_THREAD_SAFETY_ANALYSIS {
    lock.unlock();
}

void actions_after_fork(bool handlers_cleared) {
    lock.reset_after_fork();
    if (!handlers_cleared)
        return;
    for (int number = 1; number < signal_limit; number++) {
        const KernelAction former = application_action(number);
        if (former.is_function())
            store(number, {});
        if (is_fault(number)) {
            const KernelAction ours = for_kernel(number, application_action(number));
            kernel_action(number, &ours, nullptr);
        }
    }
}

void signals_before_exec() {
    for (const int number : {SIGSEGV, SIGBUS}) {
        const KernelAction wanted = application_action(number);
        if (wanted.is_ignored())
            kernel_action(number, &wanted, nullptr);
    }
}

void signals_after_exec() {
    for (const int number : {SIGSEGV, SIGBUS}) {
        const KernelAction ours = for_kernel(number, application_action(number));
        kernel_action(number, &ours, nullptr);
    }
}

// rt_sigaction(2). In a vfork child the kernel's actions are its own but the table is its
// parent's: it goes to the kernel as it is, and only our handler is not shown.
long serve_rt_sigaction(Request &request) {
    const int number = static_cast<int>(request.args[0]);
    auto *user_next = reinterpret_cast<const void *>(request.args[1]);
    auto *user_former = reinterpret_cast<void *>(request.args[2]);
    if (request.args[3] != sizeof(uint64_t) || number < 1 || number >= signal_limit ||
        (signal_bit(number) & intercept_reserved_signals()) != 0)
        return pass_to_kernel;
    KernelAction next = {};
    KernelAction former = {};
    if (user_next != nullptr && base_user_copy(&next, user_next, sizeof next) != 0)
        return -EFAULT;
    if (request.context.is_vfork_child) {
        const long result = change_action(number, user_next == nullptr ? nullptr : &next, former);
        if (base::is_error(result))
            return result;
    } else {
        const base::SpinGuard held(lock);
        const KernelAction ours = for_kernel(number, next);
        const long result = change_action(number, user_next == nullptr ? nullptr : &ours, former);
        if (base::is_error(result))
            return result;
        if (user_next != nullptr)
            store(number, next);
    }
    if (user_former != nullptr && base_user_copy(user_former, &former, sizeof former) != 0)
        return -EFAULT;
    return 0;
}

} // namespace shim
