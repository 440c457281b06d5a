// sites: functions with system calls of all shapes that the planner must tell
// apart. Built as a shared object of its own, so that it gets patched.
        .text

.macro FUNCTION name
        .globl  \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
.endm
.macro END name
        .cfi_endproc
        .size   \name, .-\name
.endm

// The usual shape: five bytes that load the number.
FUNCTION site_getppid
        mov     $110, %eax
        syscall
        ret
END site_getppid

// A number in a register: the window takes the moves before it.
// long site_call(nr, a0, a1, a2, a3, a4)
FUNCTION site_call
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        syscall
        ret
END site_call

// Nothing to move before: the window takes the instruction and what follows.
FUNCTION site_over
        mov     $110, %eax
        jmp     1f
1:      syscall
        cmp     $-4096, %rax
        ja      2f
        ret
2:      neg     %eax
        ret
END site_over

// A branch into the only window: must be left alone.
FUNCTION site_branch_inside
        mov     $110, %eax
        test    %edi, %edi
        jz      2f
        xor     %edx, %edx
        nop
1:      xor     %esi, %esi
2:      syscall
3:      nop
        test    %rdi, %rdi
        js      3b
        ret
END site_branch_inside

// A window with a rip-relative load.
FUNCTION site_rip_relative
        mov     number_getppid(%rip), %rax
        syscall
        ret
END site_rip_relative

// The flags of before are read after: they must survive.
// long site_flags(long a, long b): bit 0 = ZF, 1 = SF, 2 = CF, 3 = OF, 4 = PF
FUNCTION site_flags
        mov     %rsi, %r8
        mov     %rdi, %r9
        cmp     %r8, %r9
        mov     $110, %eax
        syscall
        setz    %al
        sets    %cl
        setc    %dl
        seto    %sil
        setp    %dil
        movzbl  %al, %eax
        movzbl  %cl, %ecx
        movzbl  %dl, %edx
        movzbl  %sil, %esi
        movzbl  %dil, %edi
        lea     (%rax,%rcx,2), %rax
        lea     (%rax,%rdx,4), %rax
        lea     (%rax,%rsi,8), %rax
        shl     $4, %edi
        add     %rdi, %rax
        ret
END site_flags

// The direction flag is set over the call.
FUNCTION site_direction
        std
        mov     $110, %eax
        syscall
        pushfq
        pop     %rax
        cld
        shr     $10, %rax
        and     $1, %rax
        ret
END site_direction

// The alignment-check flag is set over the call.
FUNCTION site_alignment
        pushfq
        orl     $0x40000, (%rsp)
        popfq
        mov     $110, %eax
        syscall
        pushfq
        pop     %rdx
        mov     %rdx, %rcx
        and     $~0x40000, %rcx
        push    %rcx
        popfq
        shr     $18, %edx
        and     $1, %edx
        mov     %edx, %eax
        ret
END site_alignment

// void site_float(uint8_t image[512]): all x87 registers full of numbers of
// their own and odd control words over the call; then the state as fxsave64 has it.
FUNCTION site_float
        fninit
        fldpi
        fldl2e
        fldl2t
        fldlg2
        fldln2
        fld1
        fldz
        fldpi
        fchs
        pushq   $0x0f7f
        fldcw   (%rsp)
        movl    $0x5fa1, (%rsp)
        ldmxcsr (%rsp)
        mov     $110, %eax
        syscall
        fxsave64 (%rdi)
        fninit
        movl    $0x1f80, (%rsp)
        ldmxcsr (%rsp)
        pop     %rax
        ret
END site_float

// A leaf that keeps values in the red zone over the call.
FUNCTION site_red_zone
        mov     $0x1122334455667788, %rdx
        mov     %rdx, -8(%rsp)
        mov     %rdx, -64(%rsp)
        mov     %rdx, -128(%rsp)
        mov     $110, %eax
        syscall
        cmp     %rdx, -8(%rsp)
        jne     1f
        cmp     %rdx, -64(%rsp)
        jne     1f
        cmp     %rdx, -128(%rsp)
        jne     1f
        mov     $1, %eax
        ret
1:      xor     %eax, %eax
        ret
END site_red_zone

// void site_registers(long registers[16]): loads all general registers but rsp
// from the array, calls getppid and stores them all. Order: rax rbx rcx rdx rsi
// rdi rbp r8..r15; rax is given as the number.
FUNCTION site_registers
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdi
        mov     8(%rdi), %rbx
        mov     24(%rdi), %rdx
        mov     32(%rdi), %rsi
        mov     48(%rdi), %rbp
        mov     56(%rdi), %r8
        mov     64(%rdi), %r9
        mov     72(%rdi), %r10
        mov     88(%rdi), %r12
        mov     96(%rdi), %r13
        mov     104(%rdi), %r14
        mov     112(%rdi), %r15
        mov     40(%rdi), %rdi
        mov     $110, %eax
        syscall
        xchg    %rdi, (%rsp)
        mov     %rax, 0(%rdi)
        mov     %rbx, 8(%rdi)
        mov     %rcx, 16(%rdi)
        mov     %rdx, 24(%rdi)
        mov     %rsi, 32(%rdi)
        mov     %rbp, 48(%rdi)
        mov     %r8, 56(%rdi)
        mov     %r9, 64(%rdi)
        mov     %r10, 72(%rdi)
        mov     %r11, 80(%rdi)
        mov     %r12, 88(%rdi)
        mov     %r13, 96(%rdi)
        mov     %r14, 104(%rdi)
        mov     %r15, 112(%rdi)
        pop     %rax
        mov     %rax, 40(%rdi)
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
END site_registers

// void site_vectors(uint8_t state[], long level): level 1 = xmm, 2 = ymm, 3 = zmm
// and masks. Loads all registers, calls getppid, stores all.
.altmacro
.macro MOVE_ONE instruction, letter, width, n, store
.if \store
        \instruction %\letter\()mm\n, \n*\width(%rdi)
.else
        \instruction \n*\width(%rdi), %\letter\()mm\n
.endif
.endm
.macro MASK_ONE n, store
.if \store
        kmovq   %k\n, 2048+\n*8(%rdi)
.else
        kmovq   2048+\n*8(%rdi), %k\n
.endif
.endm
.macro MOVE_ALL instruction, letter, width, count, store
        .set    i, 0
        .rept   \count
        MOVE_ONE \instruction, \letter, \width, %i, \store
        .set    i, i+1
        .endr
.endm
.macro MASK_ALL store
        .set    i, 0
        .rept   8
        MASK_ONE %i, \store
        .set    i, i+1
        .endr
.endm
FUNCTION site_vectors
        cmp     $2, %esi
        je      2f
        ja      3f
        MOVE_ALL movups, x, 16, 16, 0
        mov     $110, %eax
        syscall
        MOVE_ALL movups, x, 16, 16, 1
        ret
2:      MOVE_ALL vmovdqu, y, 32, 16, 0
        mov     $110, %eax
        syscall
        MOVE_ALL vmovdqu, y, 32, 16, 1
        vzeroupper
        ret
3:      MOVE_ALL vmovdqu64, z, 64, 32, 0
        MASK_ALL 0
        mov     $110, %eax
        syscall
        MOVE_ALL vmovdqu64, z, 64, 32, 1
        MASK_ALL 1
        vzeroupper
        ret
END site_vectors

// long site_clone(flags, stack_top, void (*run)(void *), argument): a child on
// its own stack that runs and exits; the parent gets the result.
FUNCTION site_clone
        mov     %rdx, -8(%rsi)
        mov     %rcx, -16(%rsi)
        lea     -16(%rsi), %rsi
        xor     %edx, %edx
        xor     %r10d, %r10d
        xor     %r8d, %r8d
        mov     $56, %eax
        syscall
        test    %eax, %eax
        jz      1f
        ret
1:      pop     %rdi
        pop     %rax
        and     $-16, %rsp
        call    *%rax
        xor     %edi, %edi
        mov     $60, %eax
        syscall
        hlt
END site_clone

// A table that looks like a system call, in the text and without a frame.
site_table:
        .byte   0xb8, 0x6e, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x90

// The same bytes inside an instruction (mov $0x050f, %eax).
FUNCTION site_immediate
        mov     $0x050f, %eax
        ret
END site_immediate

        .section .rodata
        .p2align 3
number_getppid:
        .quad   110

        .section .note.GNU-stack,"",@progbits
