// program_signals: what the program sees of signals while SIGSYS is ours.
//
// The kernel would end a process whose SIGSYS is blocked or ignored when a call is
// trapped, and programs block all signals now and then. So the kernel's masks and its
// action never hold SIGSYS, and the program is shown what it asked for.
#pragma once

#include <cstdint>

namespace intercept {

// struct sigaction as rt_sigaction(2) has it on x86-64.
struct ProgramAction {
    uint64_t handler; // 0 = default, 1 = ignored
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;

    bool is_function() const {
        return handler > 1;
    }
};

constexpr int signal_limit = 65;
constexpr uint64_t signal_bit(int number) {
    return uint64_t{1} << (number - 1);
}

// Installs the handler of SIGSYS and hooks the calls that concern it. 0, or -errno of intercept_add.
int program_signals_start();

// From now on the kernel gets `handler` for each function of the program's (guest/).
void program_signals_wrap(uint64_t handler);

// What the calling thread's program thinks of SIGSYS, for a thread that it makes.
bool program_signals_blocked();
void program_signals_inherit(bool blocked);

// The program's present action. Any context; needs no thread pointer.
ProgramAction program_action(int number);
// SA_RESETHAND was due: the action is the default one now, if it still is `was`.
void program_action_reset(int number, const ProgramAction &was);

} // namespace intercept
