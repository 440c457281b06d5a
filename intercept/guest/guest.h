// guest: level 3, a program that has its own C library (a static one), in a process
// whose hooks live on ours.
//
//   thread ┬ program side: its FS, its stack
//          └ hook side:    our FS (a thread of our libc, made for it), a stack of its own
//
// The program owns FS, so a thread's other half hangs on GS, which x86-64 programs leave
// alone. The switch is in arch/x86_64/guest_entry.S.
//
// A thread of the program is a thread of our libc that went over to the program (its
// "donor"): pthread_create makes it, and when the program ends it, it comes back
// and ends as ours. So hooks may use libc and thread-local variables.
#pragma once

#include "intercept/arch/x86_64/frame.h"
#include "intercept/arch/x86_64/trap_frame.h"
#include "intercept/include/pmemfile-intercept.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

struct GuestThread {
    uint64_t own_fs;     // of our side; gs points here
    uint64_t program_fs; // while our side runs
    uint64_t hook_stack; // its top
    uint64_t in_hook;
    uint64_t donor_stack; // of intercept_guest_run
    // in_hook when the last call of fork's kin was made. The child of a vfork has the same memory and leaves
    // in_hook set when its exec is made from inside a hook; the parent would then take its own stack for the hooks'.
    uint64_t in_hook_at_fork;
    // How the program wants to hear of this thread's end (CLONE_CHILD_CLEARTID, set_tid_address).
    int *clear_tid;
    bool is_donor; // else the first thread, or a forked one: the kernel ends it
    // The area that it registered for restartable sequences, which the kernel writes to at any time.
    long rseq_area, rseq_bytes, rseq_signature;
    void *own_robust_list;
    long own_robust_list_bytes;
};

struct GuestFrame {
    uint64_t rcx, r11, rsp, fs, nested, record, rbx, rbp, r12, r13, r14, r15;
};

struct GuestStart {
    long rdi, rsi, rdx, r10, r8, r9;
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip, fs, mask;
    uint32_t mxcsr, x87;
};

static_assert(offsetof(GuestThread, own_fs) == GUEST_OWN_FS && offsetof(GuestThread, program_fs) == GUEST_PROGRAM_FS &&
              offsetof(GuestThread, hook_stack) == GUEST_HOOK_STACK &&
              offsetof(GuestThread, in_hook) == GUEST_IN_HOOK &&
              offsetof(GuestThread, donor_stack) == GUEST_DONOR_STACK &&
              offsetof(GuestThread, in_hook_at_fork) == GUEST_IN_HOOK_AT_FORK);
static_assert(offsetof(GuestFrame, rsp) == GUEST_FRAME_RSP && offsetof(GuestFrame, record) == GUEST_FRAME_RECORD &&
              offsetof(GuestFrame, rbx) == GUEST_FRAME_RBX && sizeof(GuestFrame) == GUEST_FRAME_BYTES);
static_assert(offsetof(GuestStart, rbx) == GUEST_START_RBX && offsetof(GuestStart, rsp) == GUEST_START_RSP &&
              offsetof(GuestStart, mask) == GUEST_START_MASK && offsetof(GuestStart, mxcsr) == GUEST_START_MXCSR &&
              offsetof(GuestStart, x87) == GUEST_START_X87);

// True once the process has a guest.
bool guest_is_active();

// Makes the calling thread the guest's first and hooks the calls that make, change and end
// threads. Traps are on. 0 or -errno.
int guest_threads_start();

// The calling thread goes over to the program and ends with it.
[[noreturn]] void guest_enter(const GuestStart &start);

} // namespace intercept

extern "C" {
__attribute__((visibility("hidden"))) void intercept_guest_signal();
// Comes back when intercept_guest_leave is called on the same thread.
__attribute__((visibility("hidden"))) void intercept_guest_run(const intercept::GuestStart *start);
[[noreturn]] __attribute__((visibility("hidden"))) void intercept_guest_leave();
__attribute__((visibility("hidden"))) void intercept_guest_call_own(int number, void *info, void *context,
                                                                    void (*handler)(int, void *, void *));
__attribute__((visibility("hidden"))) void intercept_guest_call_program(int number, void *info, void *context,
                                                                        void (*handler)(int, void *, void *));
}
