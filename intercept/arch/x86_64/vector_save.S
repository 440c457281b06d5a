// vector_save: keeps all vector state over a call of C.
#include "intercept/arch/x86_64/frame.h"

        .text
        .hidden intercept_vector_level

// VECTOR_MOVES instruction, register letter, count, width, store
.macro VECTOR_STORE instruction, letter, count, width
        .set    i, 0
        .rept   \count
        VECTOR_STORE_ONE \instruction, \letter, \width, %i
        .set    i, i+1
        .endr
.endm
.altmacro
.macro VECTOR_STORE_ONE instruction, letter, width, n
        \instruction %\letter\()mm\n, \n*\width(%rsp)
.endm
.macro VECTOR_LOAD_ONE instruction, letter, width, n
        \instruction \n*\width(%rsp), %\letter\()mm\n
.endm
.macro VECTOR_LOAD instruction, letter, count, width
        .set    i, 0
        .rept   \count
        VECTOR_LOAD_ONE \instruction, \letter, \width, %i
        .set    i, i+1
        .endr
.endm
.macro MASK_STORE_ONE instruction, n
        \instruction %k\n, 2048+\n*8(%rsp)
.endm
.macro MASK_LOAD_ONE instruction, n
        \instruction 2048+\n*8(%rsp), %k\n
.endm
.macro MASK_STORE instruction
        .set    i, 0
        .rept   8
        MASK_STORE_ONE \instruction, %i
        .set    i, i+1
        .endr
.endm
.macro MASK_LOAD instruction
        .set    i, 0
        .rept   8
        MASK_LOAD_ONE \instruction, %i
        .set    i, i+1
        .endr
.endm

// Calls *%rax with rdi = the call, esi as given; keeps all
// vector state. Each register is stored and
// loaded whole and with the same width: a narrower load would wait for the store
// buffer. Then vzeroupper: legacy SSE code in the hook would otherwise carry
// false dependencies on the upper halves.
        .p2align 4
        .globl  intercept_with_vectors_saved
        .hidden intercept_with_vectors_saved
        .type   intercept_with_vectors_saved, @function
intercept_with_vectors_saved:
        .cfi_startproc
        push    %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        mov     %rsp, %rbp
        .cfi_def_cfa_register %rbp
        mov     intercept_vector_level(%rip), %ecx
        cmp     $VECTOR_AVX, %ecx
        je      2f
        ja      3f
        sub     $256, %rsp
        and     $-64, %rsp
        VECTOR_STORE movaps, x, 16, 16
        call    *%rax
        VECTOR_LOAD movaps, x, 16, 16
        jmp     9f
2:      sub     $512, %rsp
        and     $-64, %rsp
        VECTOR_STORE vmovdqa, y, 16, 32
        vzeroupper
        call    *%rax
        VECTOR_LOAD vmovdqa, y, 16, 32
        jmp     9f
3:      sub     $2112, %rsp
        and     $-64, %rsp
        VECTOR_STORE vmovdqa64, z, 32, 64
        cmp     $VECTOR_AVX512BW, %ecx
        jne     4f
        MASK_STORE kmovq
        vzeroupper
        call    *%rax
        MASK_LOAD kmovq
        jmp     5f
4:      MASK_STORE kmovw
        vzeroupper
        call    *%rax
        MASK_LOAD kmovw
5:      VECTOR_LOAD vmovdqa64, z, 32, 64
9:      mov     %rbp, %rsp
        pop     %rbp
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   intercept_with_vectors_saved, .-intercept_with_vectors_saved

        .section .note.GNU-stack,"",@progbits
