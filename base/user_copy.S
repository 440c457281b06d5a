// See user_copy.h. Until the last byte is copied rcx is not 0, so that a fault anywhere between begin and
// end can return it. rep movsb is what processors with FSRM (fast short rep mov) do best for long cached
// copies, but it takes 4 ns to start, and 10 for 128 bytes: below 512 bytes registers do it, the last of them over
// what is copied already. From there to 64 KiB, vectors are a tenth faster and let what comes before and behind
// overlap.
    .text
    .globl base_user_copy, base_user_copy_nt, base_user_byte
    .globl base_user_copy_begin, base_user_copy_end, base_user_copy_fault
    .hidden base_user_copy, base_user_copy_nt, base_user_byte, base_user_copy_wide
    .hidden base_user_copy_begin, base_user_copy_end, base_user_copy_fault

base_user_copy_begin:
    .p2align 5
    .type base_user_copy, @function
base_user_copy:
    movq %rdx, %rcx
    cmpq $512, %rdx
    jae 8f
    cmpq $16, %rdx
    jb 6f
4:  cmpq $64, %rcx
    jb 5f
    movdqu (%rsi), %xmm0
    movdqu 16(%rsi), %xmm1
    movdqu 32(%rsi), %xmm2
    movdqu 48(%rsi), %xmm3
    movdqu %xmm0, (%rdi)
    movdqu %xmm1, 16(%rdi)
    movdqu %xmm2, 32(%rdi)
    movdqu %xmm3, 48(%rdi)
    addq $64, %rsi
    addq $64, %rdi
    subq $64, %rcx
    jnz 4b
    xorl %eax, %eax
    ret
5:  cmpq $16, %rcx
    jbe 5f
    movdqu (%rsi), %xmm0
    movdqu %xmm0, (%rdi)
    addq $16, %rsi
    addq $16, %rdi
    subq $16, %rcx
    jmp 5b
5:  movdqu -16(%rsi,%rcx), %xmm0
    movdqu %xmm0, -16(%rdi,%rcx)
    xorl %eax, %eax
    ret
6:  cmpq $8, %rcx
    jb 7f
    movq (%rsi), %rax
    movq -8(%rsi,%rcx), %rdx
    movq %rax, (%rdi)
    movq %rdx, -8(%rdi,%rcx)
    xorl %eax, %eax
    ret
7:  testq %rcx, %rcx
    jz 3f
    movb (%rsi), %al
    movb %al, (%rdi)
    incq %rsi
    incq %rdi
    decq %rcx
    jmp 7b
8:  cmpb $0, base_user_copy_wide(%rip)
    je 2f
    cmpq $65536, %rcx
    jae 2f
1:  vmovdqu (%rsi), %ymm0
    vmovdqu 32(%rsi), %ymm1
    vmovdqu 64(%rsi), %ymm2
    vmovdqu 96(%rsi), %ymm3
    vmovdqu %ymm0, (%rdi)
    vmovdqu %ymm1, 32(%rdi)
    vmovdqu %ymm2, 64(%rdi)
    vmovdqu %ymm3, 96(%rdi)
    subq $-128, %rsi
    subq $-128, %rdi
    addq $-128, %rcx
    cmpq $128, %rcx
    jae 1b
    vzeroupper
    testq %rcx, %rcx
    jz 3f
2:  rep movsb
3:  xorl %eax, %eax
    ret
    .size base_user_copy, .-base_user_copy

    .p2align 5
    .type base_user_copy_nt, @function
base_user_copy_nt:
    movq %rdx, %rcx
    cmpb $0, base_user_copy_wide(%rip)
    je 1f
    testb $31, %dil
    jnz 1f
0:  cmpq $128, %rcx
    jb 4f
    vmovdqu (%rsi), %ymm0
    vmovdqu 32(%rsi), %ymm1
    vmovdqu 64(%rsi), %ymm2
    vmovdqu 96(%rsi), %ymm3
    vmovntdq %ymm0, (%rdi)
    vmovntdq %ymm1, 32(%rdi)
    vmovntdq %ymm2, 64(%rdi)
    vmovntdq %ymm3, 96(%rdi)
    subq $-128, %rsi
    subq $-128, %rdi
    addq $-128, %rcx
    jmp 0b
4:  vzeroupper
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

    .p2align 4
    .type base_user_byte, @function
base_user_byte:
    movq $-1, %rcx
    movzbl (%rdi), %eax
    ret
    .size base_user_byte, .-base_user_byte
base_user_copy_end:

base_user_copy_fault:
    movq %rcx, %rax
    cmpb $0, base_user_copy_wide(%rip)
    je 1f
    vzeroupper
1:  ret

    .section .note.GNU-stack, "", @progbits
