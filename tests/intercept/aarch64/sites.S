// sites: the functions of ../sites.S that the tests call, for AArch64: system calls of
// all shapes that can be caught. Built as a shared object of its own, so that it gets patched.
        .text

.macro FUNCTION name
        .globl  \name
        .type   \name, %function
        .p2align 4
\name:
        .cfi_startproc
.endm
.macro END name
        .cfi_endproc
        .size   \name, .-\name
.endm

// The usual shape.
FUNCTION site_getppid
        mov     x8, #173
        svc     #0
        ret
END site_getppid

// A number in a register. long site_call(nr, a0, a1, a2, a3, a4)
FUNCTION site_call
        mov     x8, x0
        mov     x0, x1
        mov     x1, x2
        mov     x2, x3
        mov     x3, x4
        mov     x4, x5
        svc     #0
        ret
END site_call

// A conditional branch right before: it is written anew in the stub.
FUNCTION site_over
        mov     x8, #173
        cbz     x8, 1f
        svc     #0
1:      ret
END site_over

// An address relative to the page right before.
FUNCTION site_rip_relative
        mov     x8, #173
        adrp    x1, number_getppid
        svc     #0
        adrp    x2, number_getppid
        cmp     x1, x2
        b.ne    1f
        ret
1:      mov     x0, #-1
        ret
END site_rip_relative

// long site_flags(long a, long b): nzcv of the comparison before the call, after it.
FUNCTION site_flags
        cmp     x0, x1
        mov     x8, #173
        svc     #0
        mrs     x0, nzcv
        ret
END site_flags

// There is no red zone here: what is below the stack pointer is nobody's. What is above is kept.
FUNCTION site_red_zone
        sub     sp, sp, #32
        .cfi_adjust_cfa_offset 32
        stp     x8, x9, [sp]
        stp     x10, x11, [sp, #16]
        mov     x8, #173
        svc     #0
        ldp     x0, x1, [sp]
        ldp     x2, x3, [sp, #16]
        cmp     x1, x9
        ccmp    x2, x10, #0, eq
        ccmp    x3, x11, #0, eq
        cset    x0, eq
        add     sp, sp, #32
        .cfi_adjust_cfa_offset -32
        ret
END site_red_zone

// void site_registers(long registers[31]): x0..x30 but x8, loaded from the array; a call;
// stored back.
FUNCTION site_registers
        stp     x29, x30, [sp, #-112]!
        .cfi_adjust_cfa_offset 112
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        str     x0, [sp, #96]
        ldp     x1, x2, [x0, #8]
        ldp     x3, x4, [x0, #24]
        ldp     x5, x6, [x0, #40]
        ldr     x7, [x0, #56]
        ldp     x9, x10, [x0, #72]
        ldp     x11, x12, [x0, #88]
        ldp     x13, x14, [x0, #104]
        ldp     x15, x16, [x0, #120]
        ldp     x17, x18, [x0, #136]
        ldp     x19, x20, [x0, #152]
        ldp     x21, x22, [x0, #168]
        ldp     x23, x24, [x0, #184]
        ldp     x25, x26, [x0, #200]
        ldp     x27, x28, [x0, #216]
        ldp     x29, x30, [x0, #232]
        ldr     x0, [x0]
        mov     x8, #173
        svc     #0
        str     x0, [sp, #104]
        ldr     x0, [sp, #96]
        stp     x1, x2, [x0, #8]
        stp     x3, x4, [x0, #24]
        stp     x5, x6, [x0, #40]
        stp     x7, x8, [x0, #56]
        stp     x9, x10, [x0, #72]
        stp     x11, x12, [x0, #88]
        stp     x13, x14, [x0, #104]
        stp     x15, x16, [x0, #120]
        stp     x17, x18, [x0, #136]
        stp     x19, x20, [x0, #152]
        stp     x21, x22, [x0, #168]
        stp     x23, x24, [x0, #184]
        stp     x25, x26, [x0, #200]
        stp     x27, x28, [x0, #216]
        stp     x29, x30, [x0, #232]
        ldr     x1, [sp, #104]
        str     x1, [x0]
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     x29, x30, [sp], #112
        .cfi_adjust_cfa_offset -112
        ret
END site_registers

.macro VECTORS instruction
        \instruction     q0, q1, [x9]
        \instruction     q2, q3, [x9, #32]
        \instruction     q4, q5, [x9, #64]
        \instruction     q6, q7, [x9, #96]
        \instruction     q8, q9, [x9, #128]
        \instruction     q10, q11, [x9, #160]
        \instruction     q12, q13, [x9, #192]
        \instruction     q14, q15, [x9, #224]
        \instruction     q16, q17, [x9, #256]
        \instruction     q18, q19, [x9, #288]
        \instruction     q20, q21, [x9, #320]
        \instruction     q22, q23, [x9, #352]
        \instruction     q24, q25, [x9, #384]
        \instruction     q26, q27, [x9, #416]
        \instruction     q28, q29, [x9, #448]
        \instruction     q30, q31, [x9, #480]
.endm
// void site_vectors(uint8_t state[520], long): all vector registers, and fpcr and fpsr behind them.
FUNCTION site_vectors
        sub     sp, sp, #64
        .cfi_adjust_cfa_offset 64
        stp     d8, d9, [sp]
        stp     d10, d11, [sp, #16]
        stp     d12, d13, [sp, #32]
        stp     d14, d15, [sp, #48]
        mov     x9, x0
        VECTORS ldp
        ldr     w10, [x9, #512]
        msr     fpcr, x10
        ldr     w10, [x9, #516]
        msr     fpsr, x10
        mov     x8, #173
        svc     #0
        VECTORS stp
        mrs     x10, fpcr
        str     w10, [x9, #512]
        mrs     x10, fpsr
        str     w10, [x9, #516]
        msr     fpcr, xzr
        ldp     d8, d9, [sp]
        ldp     d10, d11, [sp, #16]
        ldp     d12, d13, [sp, #32]
        ldp     d14, d15, [sp, #48]
        add     sp, sp, #64
        .cfi_adjust_cfa_offset -64
        ret
END site_vectors

// long site_clone(flags, stack_top, void (*run)(void *), argument): a child on its own
// stack that runs and exits; the parent gets the result.
FUNCTION site_clone
        stp     x2, x3, [x1, #-16]!
        mov     x2, #0
        mov     x3, #0
        mov     x4, #0
        mov     x8, #220
        svc     #0
        cbz     x0, 1f
        ret
1:      ldp     x1, x0, [sp], #16
        blr     x1
        mov     x0, #0
        mov     x8, #93
        svc     #0
        brk     #1
END site_clone

        .section .rodata
        .p2align 3
number_getppid:
        .quad   173

        .section .note.GNU-stack,"",%progbits
