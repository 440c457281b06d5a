// See escape.h. The handler, and all that it calls, may keep nothing of what the caller has in registers, so all that
// a function keeps stands on the stack; where it stands is all that the escape needs.
    .text
    .globl shim_call_with_escape, shim_escape
    .hidden shim_call_with_escape, shim_escape

    .p2align 5
    .type shim_call_with_escape, @function
shim_call_with_escape:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    movq %rsp, (%rdx)
    call *%rsi
1:  popq %rdx
    .cfi_adjust_cfa_offset -8
    movq $0, (%rdx)
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    ret
    .cfi_endproc
    .size shim_call_with_escape, .-shim_call_with_escape

    .type shim_escape, @function
shim_escape:
    movq $-5, %rax // -EIO
    jmp 1b
    .size shim_escape, .-shim_escape

    .section .note.GNU-stack, "", @progbits
