// actions: what the application wants done with each signal, and what the kernel is told.
//
// The kernel gets one handler of ours for every signal that has a handler of the
// application's; rt_sigaction answers with the application's view.
#pragma once

#include <csignal>
#include <cstdint>

namespace shim {

// struct sigaction as rt_sigaction(2) has it on x86-64.
struct KernelAction {
    void (*handler)(int, siginfo_t *, void *);
    uint64_t flags;
    void (*restorer)();
    uint64_t mask;

    bool is_default() const {
        return reinterpret_cast<uint64_t>(handler) == 0; // SIG_DFL
    }
    bool is_ignored() const {
        return reinterpret_cast<uint64_t>(handler) == 1; // SIG_IGN
    }
    bool is_function() const {
        return !is_default() && !is_ignored();
    }
};

constexpr uint64_t signal_bit(int number) {
    return uint64_t{1} << (number - 1);
}
// Never held back: a fault inside base_user_copy must reach us in the middle of a call.
constexpr uint64_t fault_signals = signal_bit(SIGSEGV) | signal_bit(SIGBUS);

// Raw rt_sigaction and rt_sigprocmask(SIG_SETMASK). -errno.
long kernel_action(int number, const KernelAction *next, KernelAction *former);
void set_signal_mask(uint64_t mask, uint64_t *former);

// The application's present action. Any thread, also inside a signal handler.
KernelAction application_action(int number);
// SA_RESETHAND: the action is SIG_DFL from now on, if it still is `was`.
void application_action_reset(int number, const KernelAction &was);

// Around a fork: nobody changes an action meanwhile, so that the child's table is whole and says what its kernel does.
void actions_before_fork();
void actions_fork_done(); // in the parent
// A fork child: the table's lock is free, and cleared handlers are gone from it too.
void actions_after_fork(bool handlers_cleared);

// The one handler (signals/deferral.cpp).
void universal_handler(int number, siginfo_t *info, void *ucontext);

} // namespace shim
