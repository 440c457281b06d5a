// See waiting_call.h. Between the look at the count and the kernel's call a signal may come: its handler finds us
// between `begin` and `syscall`, as it does where the kernel is about to begin the call again.
    .text
    .globl shim_waiting_call, shim_waiting_begin, shim_waiting_syscall, shim_waiting_interrupted
    .hidden shim_waiting_call, shim_waiting_begin, shim_waiting_syscall, shim_waiting_interrupted

    .p2align 5
    .type shim_waiting_call, @function
shim_waiting_call:
    .cfi_startproc
    movq %rdi, %r11
    movq %rsi, %rax
    movq %rdx, %rcx
    movq (%rcx), %rdi
    movq 8(%rcx), %rsi
    movq 16(%rcx), %rdx
    movq 24(%rcx), %r10
    movq 32(%rcx), %r8
    movq 40(%rcx), %r9
shim_waiting_begin:
    cmpl $0, (%r11)
    jne shim_waiting_interrupted
shim_waiting_syscall:
    syscall
    ret
shim_waiting_interrupted:
    movabsq $0x8000000000000002, %rax // restart_call
    ret
    .cfi_endproc
    .size shim_waiting_call, .-shim_waiting_call

    .section .note.GNU-stack, "", @progbits
