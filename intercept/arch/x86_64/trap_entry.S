// trap_entry: the handler of SIGSYS. A trapped call is not answered here: the thread
// goes on in the site's stub, as if it had never been interrupted.
//
// The kernel has put the registers back as they were at the syscall, and changed
// nothing else: the handler is installed with an empty mask and SA_NODEFER.
// So no rt_sigreturn is needed, which would be a third of the cost: what the kernel
// saved and cleared can be put back from here.
#include "intercept/arch/x86_64/trap_frame.h"

        .text
        .hidden intercept_trap_target
        .hidden intercept_other_sigsys
        .globl  intercept_trap_handler
        .hidden intercept_trap_handler
        .type   intercept_trap_handler, @function
        .p2align 4
intercept_trap_handler:
        .cfi_startproc
        cmpl    $SYS_USER_DISPATCH_CODE, SIGINFO_CODE(%rsi)
        jne     intercept_other_sigsys
        // The kernel clears the direction flag for a handler, not the alignment check.
        pushfq
        .cfi_adjust_cfa_offset 8
        btrq    $18, (%rsp)
        jnc     1f
        popfq
        .cfi_adjust_cfa_offset -8
        pushfq
        .cfi_adjust_cfa_offset 8
1:      mov     %rdx, (%rsp)
        mov     %rdx, %rdi
        call    intercept_trap_target
        pop     %rdi
        .cfi_adjust_cfa_offset -8
        // 0: the C side has changed the frame and wants it to be returned to.
        test    %rax, %rax
        jz      9f
        // The kernel gave the thread's alternate stack away: only it gives it back.
        testl   $SS_AUTODISARM_FLAG, UCONTEXT_STACK_FLAGS(%rdi)
        jnz     8f
        testl   $UC_FP_XSTATE_FLAG, UCONTEXT_FLAGS(%rdi)
        jz      8f
        mov     %rax, %r11
        mov     UCONTEXT_FPREGS(%rdi), %rcx
        mov     FPREGS_XFEATURES(%rcx), %eax
        mov     FPREGS_XFEATURES+4(%rcx), %edx
        xrstor64 (%rcx)
        mov     UCONTEXT_R8(%rdi), %r8
        mov     UCONTEXT_R9(%rdi), %r9
        mov     UCONTEXT_R10(%rdi), %r10
        mov     UCONTEXT_R12(%rdi), %r12
        mov     UCONTEXT_R13(%rdi), %r13
        mov     UCONTEXT_R14(%rdi), %r14
        mov     UCONTEXT_R15(%rdi), %r15
        mov     UCONTEXT_RSI(%rdi), %rsi
        mov     UCONTEXT_RBP(%rdi), %rbp
        mov     UCONTEXT_RBX(%rdi), %rbx
        mov     UCONTEXT_RDX(%rdi), %rdx
        mov     UCONTEXT_RAX(%rdi), %rax
        mov     UCONTEXT_RSP(%rdi), %rcx
        pushq   UCONTEXT_EFLAGS(%rdi)
        mov     UCONTEXT_RDI(%rdi), %rdi
        popfq
        mov     %rcx, %rsp
        jmp     *%r11
8:      mov     %rax, UCONTEXT_RSP+8(%rdi)
9:      ret
        .cfi_endproc
        .size   intercept_trap_handler, .-intercept_trap_handler

// The kernel's way back for handlers whose restorer is ours.
        .globl  intercept_signal_return
        .hidden intercept_signal_return
        .type   intercept_signal_return, @function
        nop
intercept_signal_return:
        mov     $15, %eax
        syscall
        .size   intercept_signal_return, .-intercept_signal_return

        .section .note.GNU-stack,"",@progbits
