// The hook for the calls that have to do with SIGSYS, and SIGSYS that is no trap.
#include "intercept/trap/program_signals.h"

#include "base/spin_lock.h"
#include "intercept/arch/x86_64/trap_stub.h"
#include "intercept/guest/guest.h"
#include "intercept/guest/launch.h"
#include "intercept/guest/program_break.h"
#include "intercept/hooks/registry.h"
#include "intercept/trap/exempt_call.h"
#include "intercept/trap/own_calls.h"
#include "intercept/trap/program_memory.h"
#include "intercept/trap/trap.h"

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <linux/sched.h>
#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

extern "C" {
__attribute__((visibility("hidden"))) void intercept_trap_handler();
__attribute__((visibility("hidden"))) void intercept_signal_return();
}

namespace intercept {
namespace {

constexpr uint64_t trap_bit = signal_bit(SIGSYS);
constexpr uint64_t flag_restorer = 0x04000000;
constexpr size_t mask_bytes = sizeof(uint64_t);

struct Entry {
    std::atomic<uint32_t> sequence;
    std::atomic<uint64_t> handler, flags, restorer, mask;
};
constinit Entry table[signal_limit];
constinit base::SpinLock lock; // makes the table's and the kernel's change one
constinit std::atomic<uint64_t> wrapper;

// Of this thread's program.
struct ThreadView {
    bool blocked;        // it thinks that SIGSYS is blocked
    bool pending;        // and one has come
    bool in_vfork_child; // whose memory is the parent's, but not its actions
    bool makes_child;    // a call of fork's kin is under way
    unsigned next_mask;
    uint64_t masks[8][2]; // what waiting calls get in place of the program's; a handler takes the next one
};
constinit thread_local ThreadView view{};

void store(int number, const ProgramAction &action) {
    Entry &entry = table[number];
    entry.sequence.fetch_add(1);
    entry.handler.store(action.handler);
    entry.flags.store(action.flags);
    entry.restorer.store(action.restorer);
    entry.mask.store(action.mask);
    entry.sequence.fetch_add(1);
}

long kernel_action(int number, const ProgramAction *next, ProgramAction *former) {
    return exempt_call(SYS_rt_sigaction, number, base::as_long(next), base::as_long(former), mask_bytes);
}

long kernel_mask(int how, const uint64_t *set, uint64_t *former) {
    return exempt_call(SYS_rt_sigprocmask, how, base::as_long(set), base::as_long(former), mask_bytes);
}

// What the kernel is told when the program asks for `wanted`.
ProgramAction for_kernel(ProgramAction wanted) {
    wanted.mask &= ~trap_bit;
    if (uint64_t wrap = wrapper.load(); wrap != 0 && wanted.is_function()) {
        wanted.handler = wrap;
        wanted.flags |= flag_restorer;
        wanted.restorer = reinterpret_cast<uint64_t>(intercept_signal_return);
    }
    return wanted;
}

void take_trap_signal() {
    const ProgramAction action = {reinterpret_cast<uint64_t>(intercept_trap_handler),
                                  SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTART | flag_restorer,
                                  reinterpret_cast<uint64_t>(intercept_signal_return), 0};
    kernel_action(SIGSYS, &action, nullptr);
}

void send_again() {
    exempt_call(SYS_tgkill, exempt_call(SYS_getpid), exempt_call(SYS_gettid), SIGSYS);
}

long change_action(int number, const ProgramAction &wanted) {
    const ProgramAction ours = for_kernel(wanted);
    const long result = number != SIGSYS ? kernel_action(number, &ours, nullptr) : 0;
    if (result == 0 && !view.in_vfork_child)
        store(number, wanted);
    return result;
}

// What the kernel has reset when it ran the handler, it alone knows, where no wrapper of ours stands before it.
ProgramAction present_action(int number) {
    ProgramAction action = program_action(number);
    ProgramAction kernels{};
    if ((action.flags & static_cast<uint32_t>(SA_RESETHAND)) != 0 && number != SIGSYS && wrapper.load() == 0 &&
        kernel_action(number, nullptr, &kernels) == 0)
        action.handler = kernels.handler;
    return action;
}

// What the kernel keeps of an action: programs find out so which flags it knows.
ProgramAction kept_of(ProgramAction action) {
    constexpr uint64_t expose_tag_bits = 0x800;
    constexpr uint64_t known_flags = uint64_t{SA_NOCLDSTOP} | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART |
                                     SA_NODEFER | static_cast<uint32_t>(SA_RESETHAND) | expose_tag_bits | flag_restorer;
    action.flags &= known_flags;
    action.mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    return action;
}

int serve_action(intercept_call *call) {
    auto number = static_cast<int>(call->args[0]);
    auto *next = reinterpret_cast<const ProgramAction *>(call->args[1]);
    auto *former = reinterpret_cast<ProgramAction *>(call->args[2]);
    if (call->args[3] != mask_bytes || number < 1 || number >= signal_limit || number == SIGKILL || number == SIGSTOP)
        return INTERCEPT_PASS;
    call->result = -EFAULT;
    if ((next != nullptr && !is_readable_action(next)) || (former != nullptr && !is_writable_action(former)))
        return INTERCEPT_HANDLED;
    ProgramAction wanted{};
    if (next != nullptr)
        wanted = kept_of(*next);
    ProgramAction was{};
    if (own_call_allowed(SYS_rt_sigprocmask)) {
        AllSignalsBlocked blocked;
        const base::SpinGuard held(lock);
        was = present_action(number);
        call->result = next != nullptr ? change_action(number, wanted) : 0;
    } else {
        // A handler that comes in between may do the same: without the lock then. Two threads that change the same
        // signal at the same time get one or the other.
        was = present_action(number);
        call->result = next != nullptr ? change_action(number, wanted) : 0;
    }
    if (call->result == 0 && former != nullptr)
        *former = was;
    return INTERCEPT_HANDLED;
}

int serve_mask(intercept_call *call) {
    auto how = static_cast<int>(call->args[0]);
    auto *set = reinterpret_cast<const uint64_t *>(call->args[1]);
    auto *former = reinterpret_cast<uint64_t *>(call->args[2]);
    if (call->args[3] != mask_bytes || (set == nullptr && former == nullptr))
        return INTERCEPT_PASS;
    call->result = -EFAULT;
    if (set != nullptr && !is_readable(set))
        return INTERCEPT_HANDLED;
    const bool was_blocked = view.blocked;
    const uint64_t wanted = set != nullptr ? *set : 0;
    const uint64_t ours = wanted & ~trap_bit;
    call->result = kernel_mask(how, set != nullptr ? &ours : nullptr, former);
    // EFAULT is of the former mask alone: the new one counts by then.
    if (call->result != 0 && call->result != -EFAULT)
        return INTERCEPT_HANDLED;
    if (former != nullptr && was_blocked && call->result == 0)
        *former |= trap_bit;
    if (set != nullptr && (how == SIG_SETMASK || (wanted & trap_bit) != 0))
        view.blocked = how != SIG_UNBLOCK && (wanted & trap_bit) != 0;
    if (!view.blocked && view.pending) {
        view.pending = false;
        send_again();
    }
    return INTERCEPT_HANDLED;
}

// The mask that a call waits with, at `argument`: a copy without SIGSYS in its place.
int serve_wait(intercept_call *call, unsigned argument, long size_bytes) {
    auto *set = reinterpret_cast<const uint64_t *>(call->args[argument]);
    if (set == nullptr || size_bytes != mask_bytes || !is_readable(set) || (*set & trap_bit) == 0)
        return INTERCEPT_PASS;
    uint64_t *copy = view.masks[view.next_mask++ % 8];
    copy[0] = *set & ~trap_bit;
    call->args[argument] = base::as_long(copy);
    return INTERCEPT_PASS;
}

// pselect6 has the mask behind one more pointer.
int serve_select(intercept_call *call) {
    struct Pack {
        const uint64_t *set;
        uint64_t size_bytes;
    };
    auto *pack = reinterpret_cast<const Pack *>(call->args[5]);
    if (pack == nullptr || !is_readable(pack) || !is_readable(&pack->size_bytes))
        return INTERCEPT_PASS;
    const Pack wanted = *pack;
    if (wanted.set == nullptr || wanted.size_bytes != mask_bytes || !is_readable(wanted.set) ||
        (*wanted.set & trap_bit) == 0)
        return INTERCEPT_PASS;
    // The mask lies behind the pack that names it.
    static thread_local uint64_t masks[8];
    unsigned slot = view.next_mask++ % 8;
    masks[slot] = *wanted.set & ~trap_bit;
    view.masks[slot][0] = reinterpret_cast<uint64_t>(&masks[slot]);
    view.masks[slot][1] = mask_bytes;
    call->args[5] = base::as_long(view.masks[slot]);
    return INTERCEPT_PASS;
}

// The new image inherits what is blocked and what is ignored.
int serve_exec(intercept_call *call) {
    const bool ignored = program_action(SIGSYS).handler == 1;
    if (!view.blocked && !ignored)
        return INTERCEPT_PASS;
    const ProgramAction ignore = {1, 0, 0, 0};
    if (ignored)
        kernel_action(SIGSYS, &ignore, nullptr);
    uint64_t former = 0;
    kernel_mask(SIG_BLOCK, view.blocked ? &trap_bit : nullptr, &former);
    call->result = exempt_call(call->nr, call->args[0], call->args[1], call->args[2], call->args[3], call->args[4]);
    if (ignored)
        take_trap_signal();
    kernel_mask(SIG_SETMASK, &former, nullptr);
    return INTERCEPT_HANDLED;
}

// What the filter says about our own calls is looked at when the kernel has taken it.
int serve_seccomp(bool installs) {
    if (!installs || view.in_vfork_child)
        return INTERCEPT_PASS;
    trap_before_seccomp();
    return INTERCEPT_PASS_POST;
}

void seccomp_installed(const intercept_call *call) {
    if (call->result < 0)
        return;
    const bool by_prctl = call->nr == SYS_prctl;
    const long mode = by_prctl ? call->args[1] : call->args[0];
    if (mode == (by_prctl ? SECCOMP_MODE_STRICT : SECCOMP_SET_MODE_STRICT))
        note_seccomp_strict();
    else
        note_seccomp_filter(*reinterpret_cast<const sock_fprog *>(call->args[2]));
}

int serve(intercept_call *call) {
    switch (call->nr) {
    case SYS_rt_sigaction:
        return serve_action(call);
    case SYS_rt_sigprocmask:
        return serve_mask(call);
    case SYS_rt_sigsuspend:
        return serve_wait(call, 0, call->args[1]);
    case SYS_ppoll:
        return serve_wait(call, 3, call->args[4]);
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return serve_wait(call, 4, call->args[5]);
    case SYS_pselect6:
        return serve_select(call);
    case SYS_execve:
    case SYS_execveat:
        return serve_exec(call);
    case SYS_seccomp:
        return serve_seccomp(call->args[0] == SECCOMP_SET_MODE_FILTER || call->args[0] == SECCOMP_SET_MODE_STRICT);
    case SYS_prctl:
        if (call->args[0] == PR_SET_SECCOMP)
            return serve_seccomp(true);
        if (call->args[0] == guest_question && guest_is_active()) {
            call->result = guest_answer;
            return INTERCEPT_HANDLED;
        }
        if (call->args[0] != PR_SET_SYSCALL_USER_DISPATCH)
            return INTERCEPT_PASS;
        call->result = -EINVAL; // as a kernel that has none: it is in use
        return INTERCEPT_HANDLED;
    default: // fork and its kin
        view.makes_child = true;
        return INTERCEPT_PASS_POST;
    }
}

// The flags of a call that made a process or a thread. Not for a new thread: clone3's lie on the stack of its parent,
// which has gone on.
uint64_t clone_flags(const intercept_call *call) {
    if (call->nr == SYS_fork)
        return 0;
    if (call->nr == SYS_vfork)
        return CLONE_VM | CLONE_VFORK;
    return call->nr == SYS_clone ? static_cast<uint64_t>(call->args[0])
                                 : reinterpret_cast<const clone_args *>(call->args[0])->flags;
}

// The kernel has taken all handlers from a child, that of the traps too. The table is the parent's in shared memory.
void handlers_cleared(bool own_memory) {
    for (int number = 1; own_memory && number < signal_limit; number++)
        if (program_action(number).is_function())
            store(number, {});
    take_trap_signal();
}

void child_or_parent(intercept_call *call) {
    if (call->nr == SYS_seccomp || call->nr == SYS_prctl)
        return seccomp_installed(call);
    const bool is_thread = !view.makes_child; // with thread-local storage of its own
    view.makes_child = false;
    if (call->result < 0)
        return; // nobody was made, and the arguments may lead anywhere
    if (call->result == 0 && is_thread) {
        trap_thread_on();
        return;
    }
    const bool vfork = (clone_flags(call) & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK);
    if (call->result != 0) {
        if (vfork)
            view.in_vfork_child = false;
        return;
    }
    if ((clone_flags(call) & CLONE_VM) == 0) {
        lock.reset_after_fork();
        program_break_after_fork();
    }
    view.in_vfork_child |= vfork;
    if ((clone_flags(call) & CLONE_CLEAR_SIGHAND) != 0)
        handlers_cleared((clone_flags(call) & CLONE_VM) == 0);
    trap_thread_on();
}

constexpr long numbers[] = {SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigsuspend, SYS_ppoll,    SYS_pselect6,
                            SYS_epoll_pwait,  SYS_epoll_pwait2,   SYS_execve,        SYS_execveat, SYS_prctl,
                            SYS_seccomp,      SYS_fork,           SYS_vfork,         SYS_clone,    SYS_clone3};

} // namespace

ProgramAction program_action(int number) {
    Entry &entry = table[number];
    for (;;) {
        const uint32_t before = entry.sequence.load();
        const ProgramAction action = {entry.handler.load(), entry.flags.load(), entry.restorer.load(),
                                      entry.mask.load()};
        if ((before & 1) == 0 && entry.sequence.load() == before)
            return action;
    }
}

void program_action_reset(int number, const ProgramAction &was) {
    uint64_t expected = was.handler;
    table[number].handler.compare_exchange_strong(expected, 0);
}

bool program_signals_blocked() {
    return view.blocked;
}

void program_signals_inherit(bool blocked) {
    view.blocked = blocked;
}

void program_signals_wrap(uint64_t handler) {
    wrapper.store(handler);
}

int program_signals_start() {
    // Last of all: another hook that answers one of these calls has taken the task over.
    const intercept_hook hook = {nullptr, serve, child_or_parent, INT_MAX, numbers, sizeof numbers / sizeof numbers[0]};
    for (int number = 1; number < signal_limit; number++)
        if (ProgramAction inherited{}; kernel_action(number, nullptr, &inherited) == 0)
            store(number, inherited);
    uint64_t mask = 0;
    kernel_mask(SIG_BLOCK, nullptr, &mask);
    view.blocked = (mask & trap_bit) != 0;
    kernel_mask(SIG_UNBLOCK, &trap_bit, nullptr);
    int id = intercept_add(&hook);
    if (id >= 0)
        take_trap_signal();
    return id < 0 ? id : 0;
}

} // namespace intercept

using namespace intercept;

namespace {

void other_sigsys(int number, siginfo_t *info, void *interrupted) {
    auto *context = static_cast<ucontext_t *>(interrupted);
    if (trap_take_request(info))
        return;
    const bool forced = info->si_code > 0;
    if (view.blocked && !forced) {
        view.pending = true;
        return;
    }
    const ProgramAction action = program_action(SIGSYS);
    if (action.handler == 1 && !forced)
        return;
    if (!action.is_function() || (forced && view.blocked)) {
        const ProgramAction standard{};
        kernel_action(SIGSYS, &standard, nullptr);
        send_again(); // ends the process, as it would have been
        return;
    }
    if ((action.flags & static_cast<uint32_t>(SA_RESETHAND)) != 0)
        program_action_reset(SIGSYS, action);
    uint64_t mask = 0;
    memcpy(&mask, &context->uc_sigmask, sizeof mask);
    mask = (mask | action.mask) & ~trap_bit;
    const bool was_blocked = view.blocked;
    view.blocked |= (action.flags & SA_NODEFER) == 0 || (action.mask & trap_bit) != 0;
    kernel_mask(SIG_SETMASK, &mask, nullptr);
    intercept_run_program_handler(number, info, context,
                                  reinterpret_cast<void (*)(int, siginfo_t *, void *)>(action.handler));
    view.blocked = was_blocked;
}

} // namespace

extern "C" uint64_t intercept_reserved_signals(void) {
    return trap_is_on() ? trap_bit : 0;
}

// A SIGSYS that is not a trap of ours: somebody sent it, or a seccomp filter.
extern "C" __attribute__((visibility("hidden"))) void intercept_other_sigsys(int number, siginfo_t *info,
                                                                             void *context) {
    intercept_run_own_handler(number, info, context, other_sigsys);
}
