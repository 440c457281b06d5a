// See user_copy.h. rcx always holds the number of bytes still to copy, so that
// a fault anywhere between begin and end can return it. rep movsb is what
// processors with FSRM (fast short rep mov) do best for the cached copy; it
// keeps rcx exact by itself.
    .text
    .globl base_user_copy, base_user_copy_nt
    .globl base_user_copy_begin, base_user_copy_end, base_user_copy_fault
    .hidden base_user_copy, base_user_copy_nt
    .hidden base_user_copy_begin, base_user_copy_end, base_user_copy_fault

base_user_copy_begin:
    .p2align 5
    .type base_user_copy, @function
base_user_copy:
    movq %rdx, %rcx
    rep movsb
    xorl %eax, %eax
    ret
    .size base_user_copy, .-base_user_copy

    .p2align 5
    .type base_user_copy_nt, @function
base_user_copy_nt:
    movq %rdx, %rcx
1:  cmpq $64, %rcx
    jb 2f
    movdqu (%rsi), %xmm0
    movdqu 16(%rsi), %xmm1
    movdqu 32(%rsi), %xmm2
    movdqu 48(%rsi), %xmm3
    movntdq %xmm0, (%rdi)
    movntdq %xmm1, 16(%rdi)
    movntdq %xmm2, 32(%rdi)
    movntdq %xmm3, 48(%rdi)
    addq $64, %rsi
    addq $64, %rdi
    subq $64, %rcx
    jmp 1b
2:  testq %rcx, %rcx
    jz 3f
    movdqu (%rsi), %xmm0
    movntdq %xmm0, (%rdi)
    addq $16, %rsi
    addq $16, %rdi
    subq $16, %rcx
    jmp 2b
3:  xorl %eax, %eax
    ret
    .size base_user_copy_nt, .-base_user_copy_nt
base_user_copy_end:

base_user_copy_fault:
    movq %rcx, %rax
    ret

    .section .note.GNU-stack, "", @progbits
