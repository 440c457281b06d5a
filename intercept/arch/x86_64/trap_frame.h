/* trap_frame: offsets that the trap's assembler and its C++ side share, as frame.h
 * does for the entry; trap_stub.h asserts them. */
#pragma once

/* struct TrapRecord: a site's record and what its stub jumps through */
#define TRAP_TABLE 64
#define TRAP_BACK 72
#define TRAP_PASS 80
#define TRAP_KIND_STUB 88
#define TRAP_KIND_POST 120
#define TRAP_RECORD_BYTES 152
/* a stub's code, and from there to its record */
#define TRAP_SLOT_BYTES 256
#define TRAP_RECORD_DISTANCE 65536

/* struct GuestThread, at gs:0 of each thread of a guest (guest/guest.h) */
#define GUEST_OWN_FS 0
#define GUEST_PROGRAM_FS 8
#define GUEST_HOOK_STACK 16
#define GUEST_IN_HOOK 24
#define GUEST_DONOR_STACK 32
#define GUEST_IN_HOOK_AT_FORK 40

/* struct GuestFrame: the program's registers while a hook runs */
#define GUEST_FRAME_RCX 0
#define GUEST_FRAME_R11 8
#define GUEST_FRAME_RSP 16
#define GUEST_FRAME_FS 24
#define GUEST_FRAME_NESTED 32
#define GUEST_FRAME_RECORD 40
#define GUEST_FRAME_RBX 48
#define GUEST_FRAME_RBP 56
#define GUEST_FRAME_R12 64
#define GUEST_FRAME_R13 72
#define GUEST_FRAME_R14 80
#define GUEST_FRAME_R15 88
#define GUEST_FRAME_BYTES 96

/* struct GuestStart: with what a thread of a guest begins */
#define GUEST_START_RDI 0
#define GUEST_START_RSI 8
#define GUEST_START_RDX 16
#define GUEST_START_R10 24
#define GUEST_START_R8 32
#define GUEST_START_R9 40
#define GUEST_START_RBX 48
#define GUEST_START_RBP 56
#define GUEST_START_R12 64
#define GUEST_START_R13 72
#define GUEST_START_R14 80
#define GUEST_START_R15 88
#define GUEST_START_RSP 96
#define GUEST_START_RIP 104
#define GUEST_START_FS 112
#define GUEST_START_MASK 120
#define GUEST_START_MXCSR 128
#define GUEST_START_X87 132

/* of the kernel's signal frame on x86-64: siginfo_t, ucontext_t, its FPU state */
#define SIGINFO_CODE 8
#define UCONTEXT_FLAGS 0
#define UCONTEXT_STACK_FLAGS 24
#define UCONTEXT_R8 40
#define UCONTEXT_R9 48
#define UCONTEXT_R10 56
#define UCONTEXT_R12 72
#define UCONTEXT_R13 80
#define UCONTEXT_R14 88
#define UCONTEXT_R15 96
#define UCONTEXT_RDI 104
#define UCONTEXT_RSI 112
#define UCONTEXT_RBP 120
#define UCONTEXT_RBX 128
#define UCONTEXT_RDX 136
#define UCONTEXT_RAX 144
#define UCONTEXT_RSP 160
#define UCONTEXT_EFLAGS 176
#define UCONTEXT_FPREGS 224
#define FPREGS_XFEATURES 472

#define SYS_USER_DISPATCH_CODE 2
#define UC_FP_XSTATE_FLAG 1
#define SS_AUTODISARM_FLAG 0x80000000
