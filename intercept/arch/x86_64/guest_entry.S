// guest_entry: between a program that has its own C library and thread pointer, and
// hooks that live on ours. See guest/guest.h.
//
//   stub ─► save rsp, FS ─► hook stack, our FS ─► intercept_entry ─► program's FS, rsp ─► stub
//
// The program's stack is not touched: it may be a goroutine's few hundred bytes, or
// unmapped by the call before. gs:0 is the thread's struct GuestThread. While
// gs:IN_HOOK is set a hook runs on the hook stack; a call from a signal handler
// then stays on the stack that it has. No instruction here changes a flag.
//
// Where programs may not set FS themselves (no FSGSBASE), intercept_guest_asks_kernel is set and
// arch_prctl does it: some 200 ns each time, beside a trap of 1.5 us.
#include "intercept/arch/x86_64/frame.h"
#include "intercept/arch/x86_64/trap_frame.h"

        .text
        .hidden intercept_entry
        .hidden intercept_process_post_entry
        .hidden intercept_guest_deliver
        .hidden intercept_guest_asks_kernel

#define SYS_arch_prctl 158
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

// The kernel's ways. FS to rax; destroys rcx and r11. 24 bytes of stack.
.macro KERNEL_READ_FS
        push    %rdi
        push    %rsi
        push    %rsi
        mov     $ARCH_GET_FS, %edi
        mov     %rsp, %rsi
        mov     $SYS_arch_prctl, %eax
        syscall
        pop     %rax
        pop     %rsi
        pop     %rdi
.endm

// FS from \from, an operand that is read 16 bytes further down the stack; destroys rax, rcx and r11.
.macro KERNEL_WRITE_FS from:vararg
        push    %rdi
        push    %rsi
        mov     \from, %rsi
        mov     $ARCH_SET_FS, %edi
        mov     $SYS_arch_prctl, %eax
        syscall
        pop     %rsi
        pop     %rdi
.endm

// Whichever way there is. They destroy rax, rcx and r11.
.macro READ_FS
        mov     intercept_guest_asks_kernel(%rip), %rcx
        jrcxz   81f
        KERNEL_READ_FS
        jmp     82f
81:     rdfsbase %rax
82:
.endm
.macro WRITE_FS from
        mov     intercept_guest_asks_kernel(%rip), %rcx
        jrcxz   83f
        KERNEL_WRITE_FS \from
        jmp     84f
83:     wrfsbase \from
84:
.endm

.macro FUNCTION name
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 4
\name:
.endm

// r11 = record. Destroys rcx.
.macro TO_HOOK_SIDE
        mov     %gs:GUEST_IN_HOOK, %rcx
        jrcxz   71f
        mov     %rsp, %rcx
        lea     -128-GUEST_FRAME_BYTES(%rsp), %rsp
        movq    $1, GUEST_FRAME_NESTED(%rsp)
        jmp     72f
71:     mov     %rsp, %rcx
        // In this order: a handler that comes in between must not take the stack for free.
        movq    $1, %gs:GUEST_IN_HOOK
        mov     %gs:GUEST_HOOK_STACK, %rsp
        lea     -GUEST_FRAME_BYTES(%rsp), %rsp
        movq    $0, GUEST_FRAME_NESTED(%rsp)
72:     mov     %rcx, GUEST_FRAME_RSP(%rsp)
        mov     %r11, GUEST_FRAME_RECORD(%rsp)
        mov     %rbx, GUEST_FRAME_RBX(%rsp)
        mov     %rbp, GUEST_FRAME_RBP(%rsp)
        mov     %r12, GUEST_FRAME_R12(%rsp)
        mov     %r13, GUEST_FRAME_R13(%rsp)
        mov     %r14, GUEST_FRAME_R14(%rsp)
        mov     %r15, GUEST_FRAME_R15(%rsp)
        mov     intercept_guest_asks_kernel(%rip), %rcx
        jrcxz   73f
        push    %rax
        KERNEL_READ_FS
        mov     %rax, 8+GUEST_FRAME_FS(%rsp)
        mov     %rax, %gs:GUEST_PROGRAM_FS
        KERNEL_WRITE_FS %gs:GUEST_OWN_FS
        pop     %rax
        mov     GUEST_FRAME_RECORD(%rsp), %r11
        jmp     74f
73:     rdfsbase %rcx
        mov     %rcx, GUEST_FRAME_FS(%rsp)
        mov     %rcx, %gs:GUEST_PROGRAM_FS
        mov     %gs:GUEST_OWN_FS, %rcx
        wrfsbase %rcx
74:
.endm

// Leaves the hook side and jumps to \target (which may use rcx and r11), with the flags
// that r11 is to show in GUEST_FRAME_R11.
.macro TO_PROGRAM_SIDE
        mov     intercept_guest_asks_kernel(%rip), %rcx
        jrcxz   75f
        push    %rax
        KERNEL_WRITE_FS 24+GUEST_FRAME_FS(%rsp)
        pop     %rax
        jmp     76f
75:     mov     GUEST_FRAME_FS(%rsp), %rcx
        wrfsbase %rcx
76:     mov     GUEST_FRAME_NESTED(%rsp), %rcx
.endm

        FUNCTION intercept_guest_entry
        .cfi_startproc
        .cfi_undefined %rip
        TO_HOOK_SIDE
        movzwl  %ax, %ecx
        mov     TRAP_TABLE(%r11), %r11
        movzbl  (%r11,%rcx), %ecx
        mov     GUEST_FRAME_RECORD(%rsp), %r11
        call    intercept_entry
        jrcxz   5f
answered:
        mov     %r11, GUEST_FRAME_R11(%rsp)
        TO_PROGRAM_SIDE
        jrcxz   3f
        mov     GUEST_FRAME_RECORD(%rsp), %rcx
        mov     TRAP_BACK(%rcx), %rcx
        mov     GUEST_FRAME_R11(%rsp), %r11
        mov     GUEST_FRAME_RSP(%rsp), %rsp
        jmp     *%rcx
3:      mov     GUEST_FRAME_RECORD(%rsp), %rcx
        mov     TRAP_BACK(%rcx), %rcx
        mov     GUEST_FRAME_R11(%rsp), %r11
        mov     GUEST_FRAME_RSP(%rsp), %rsp
        movq    $0, %gs:GUEST_IN_HOOK
        jmp     *%rcx
5:      TO_PROGRAM_SIDE
        jrcxz   6f
        mov     GUEST_FRAME_RECORD(%rsp), %r11
        mov     GUEST_FRAME_RSP(%rsp), %rsp
        jmp     *TRAP_PASS(%r11)
6:      mov     GUEST_FRAME_RECORD(%rsp), %r11
        mov     GUEST_FRAME_RSP(%rsp), %rsp
        movq    $0, %gs:GUEST_IN_HOOK
        jmp     *TRAP_PASS(%r11)
        .cfi_endproc
        .size   intercept_guest_entry, .-intercept_guest_entry

// fork and its kin: with nothing left on the hook stack, from the stub.
.macro KIND index, number
        FUNCTION intercept_guest_landing\index
        .cfi_startproc
        .cfi_undefined %rip
        TO_PROGRAM_SIDE
        mov     %rcx, %gs:GUEST_IN_HOOK_AT_FORK
        jrcxz   6f
        mov     GUEST_FRAME_RECORD(%rsp), %r11
        mov     GUEST_FRAME_RSP(%rsp), %rsp
        jmp     *TRAP_KIND_STUB+8*\index(%r11)
6:      mov     GUEST_FRAME_RECORD(%rsp), %r11
        mov     GUEST_FRAME_RSP(%rsp), %rsp
        movq    $0, %gs:GUEST_IN_HOOK
        jmp     *TRAP_KIND_STUB+8*\index(%r11)
        .cfi_endproc
        .size   intercept_guest_landing\index, .-intercept_guest_landing\index

        FUNCTION intercept_guest_post\index
        .cfi_startproc
        .cfi_undefined %rip
        mov     %gs:GUEST_IN_HOOK_AT_FORK, %rcx
        mov     %rcx, %gs:GUEST_IN_HOOK
        TO_HOOK_SIDE
        mov     $\number, %ecx
        call    intercept_process_post_entry
        jmp     answered
        .cfi_endproc
        .size   intercept_guest_post\index, .-intercept_guest_post\index
.endm
        KIND 0, 56
        KIND 1, 57
        KIND 2, 58
        KIND 3, 435

// The kernel's handler for each of the program's: a handler of the program runs
// with the program's FS, whatever was interrupted.
        FUNCTION intercept_guest_signal
        .cfi_startproc
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        READ_FS
        xor     %ebx, %ebx
        cmp     %rax, %gs:GUEST_OWN_FS
        jne     1f
        mov     %rax, %rbx
        mov     %gs:GUEST_PROGRAM_FS, %r8
        WRITE_FS %r8
1:      call    intercept_guest_deliver
        test    %rbx, %rbx
        jz      2f
        WRITE_FS %rbx
2:      pop     %rbx
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   intercept_guest_signal, .-intercept_guest_signal

// rdi rsi rdx as a handler has them, rcx = a handler on our side: runs it with our FS.
        FUNCTION intercept_guest_call_own
        .cfi_startproc
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        mov     %rcx, %r9
        READ_FS
        xor     %ebx, %ebx
        mov     %gs:GUEST_OWN_FS, %r8
        cmp     %rax, %r8
        je      1f
        mov     %rax, %rbx
        mov     %rax, %gs:GUEST_PROGRAM_FS
        WRITE_FS %r8
1:      call    *%r9
        test    %rbx, %rbx
        jz      2f
        WRITE_FS %rbx
2:      pop     %rbx
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   intercept_guest_call_own, .-intercept_guest_call_own

// The other way round: our side calls a handler of the program.
        FUNCTION intercept_guest_call_program
        .cfi_startproc
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        mov     %rcx, %r9
        READ_FS
        mov     %rax, %rbx
        mov     %gs:GUEST_PROGRAM_FS, %r8
        WRITE_FS %r8
        call    *%r9
        WRITE_FS %rbx
        pop     %rbx
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   intercept_guest_call_program, .-intercept_guest_call_program

// intercept_guest_run(const GuestStart *): the thread goes over to the program. Comes back
// when intercept_guest_leave is called on it. All signals are blocked, gs is set.
        FUNCTION intercept_guest_run
        .cfi_startproc
        push    %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        mov     %rsp, %rbp
        .cfi_def_cfa_register %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, %gs:GUEST_DONOR_STACK
        lea     -1024(%rsp), %rax
        and     $-64, %rax
        // What the main thread was given is larger than what lies below here.
        cmpq    $0, %gs:GUEST_HOOK_STACK
        jne     1f
        mov     %rax, %gs:GUEST_HOOK_STACK
1:      mov     %rdi, %r15
        ldmxcsr GUEST_START_MXCSR(%r15)
        fldcw   GUEST_START_X87(%r15)
        mov     GUEST_START_FS(%r15), %r8
        mov     %r8, %gs:GUEST_PROGRAM_FS
        WRITE_FS %r8
        mov     GUEST_START_RSP(%r15), %rsp
        movq    $0, %gs:GUEST_IN_HOOK
        // From here on handlers may run, on the program's stack.
        mov     $14, %eax
        mov     $2, %edi
        lea     GUEST_START_MASK(%r15), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        syscall
        xor     %eax, %eax
        mov     GUEST_START_RDI(%r15), %rdi
        mov     GUEST_START_RSI(%r15), %rsi
        mov     GUEST_START_RDX(%r15), %rdx
        mov     GUEST_START_R10(%r15), %r10
        mov     GUEST_START_R8(%r15), %r8
        mov     GUEST_START_R9(%r15), %r9
        mov     GUEST_START_RBX(%r15), %rbx
        mov     GUEST_START_RBP(%r15), %rbp
        mov     GUEST_START_R12(%r15), %r12
        mov     GUEST_START_R13(%r15), %r13
        mov     GUEST_START_R14(%r15), %r14
        mov     GUEST_START_RIP(%r15), %rcx
        mov     $0x202, %r11d
        mov     GUEST_START_R15(%r15), %r15
        jmp     *%rcx
        .cfi_endproc
        .size   intercept_guest_run, .-intercept_guest_run

// On the hook stack of the same thread, all signals blocked.
        FUNCTION intercept_guest_leave
        .cfi_startproc
        .cfi_undefined %rip
        mov     %gs:GUEST_DONOR_STACK, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret
        .cfi_endproc
        .size   intercept_guest_leave, .-intercept_guest_leave

        .section .note.GNU-stack,"",@progbits
