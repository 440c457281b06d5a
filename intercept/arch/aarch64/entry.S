// entry: from a site's stub into the hooks and back.
//
//   stub:  [moved instruction]
//          x16, x17 below the stack pointer
//          table[w8] == 0 ?  ──────────────────────────► x16, x17 back, svc
//          x16 = record; br entry ──► frame, filter, hook
//   pass:     x16, x17 back; to the svc
//   answered: x16, x17 back; behind the svc
//
// The kernel keeps every register but x0, and the flags; so do we. Nothing here
// remembers anything outside the stack frame: a siglongjmp out of a hook, or a thread
// that dies inside it, leaves nothing behind.
#include "intercept/arch/aarch64/frame.h"

        .text
        .hidden intercept_table
        .hidden intercept_bypass_depth
        .hidden intercept_dispatch_filter
        .hidden intercept_dispatch_hook
        .hidden intercept_dispatch_post
        .hidden intercept_dispatch_process_post

// Unwinders come from the entry right to the app's function, as if its svc had called us:
// the return address is what the record says. x30 is the app's and may be live, therefore
// it has a column of its own (96, as libgcc has it for signal frames). These are
// DW_CFA_val_expression for it, by x16 (the record itself) and by the frame.
#define RETURN_COLUMN 96
.macro SITE_IN_X16
        .cfi_escape 0x16, RETURN_COLUMN, 3, 0x80, 0, 0x06
.endm
.macro SITE_IN_FRAME
        .cfi_escape 0x16, RETURN_COLUMN, 5, 0x8f, (FRAME_SITE & 0x7f) | 0x80, FRAME_SITE >> 7, 0x06, 0x06
.endm
.macro ENTRY name
        .globl  \name
        .hidden \name
        .type   \name, %function
        .p2align 5
\name:
        .cfi_startproc
        .cfi_personality 0x1b, intercept_hook_personality // relative, 4 bytes
        .cfi_return_column RETURN_COLUMN
        .cfi_def_cfa sp, 16
        SITE_IN_X16
.endm

// sp -> struct intercept_call and what the app had; above it the stub's x16, x17.
.macro FRAME_OPEN
        sub     sp, sp, #FRAME_BYTES
        .cfi_adjust_cfa_offset FRAME_BYTES
        str     x0, [sp, #FRAME_ARG0]
        stp     x1, x2, [sp, #FRAME_ARG1]
        stp     x3, x4, [sp, #FRAME_ARG3]
        str     x5, [sp, #FRAME_ARG5]
        stp     x0, x1, [sp, #FRAME_SAVED]
        stp     x2, x3, [sp, #FRAME_SAVED + 16]
        stp     x4, x5, [sp, #FRAME_SAVED + 32]
        stp     x6, x7, [sp, #FRAME_X6]
        stp     x8, x9, [sp, #FRAME_X6 + 16]
        stp     x10, x11, [sp, #FRAME_X6 + 32]
        stp     x12, x13, [sp, #FRAME_X6 + 48]
        stp     x14, x15, [sp, #FRAME_X6 + 64]
        str     x18, [sp, #FRAME_X18]
        stp     x29, x30, [sp, #FRAME_X29]
        .cfi_rel_offset x29, FRAME_X29
        .cfi_rel_offset x30, FRAME_X29 + 8
        add     x29, sp, #FRAME_X29
        mrs     x17, nzcv
        str     x17, [sp, #FRAME_FLAGS]
        str     x16, [sp, #FRAME_SITE]
        SITE_IN_FRAME
        mov     w17, w8
        str     x17, [sp, #FRAME_NR]
.endm

// Everything back but x0..x5 and x8, and to the place in the stub that the record has
// at \record_field.
.macro FRAME_CLOSE record_field
        .cfi_remember_state
        ldr     x17, [sp, #FRAME_FLAGS]
        msr     nzcv, x17
        ldp     x6, x7, [sp, #FRAME_X6]
        ldr     x9, [sp, #FRAME_X6 + 24]
        ldp     x10, x11, [sp, #FRAME_X6 + 32]
        ldp     x12, x13, [sp, #FRAME_X6 + 48]
        ldp     x14, x15, [sp, #FRAME_X6 + 64]
        ldr     x18, [sp, #FRAME_X18]
        ldp     x29, x30, [sp, #FRAME_X29]
        .cfi_same_value x29
        .cfi_same_value x30
        ldr     x16, [sp, #FRAME_SITE]
        SITE_IN_X16
        ldr     x17, [x16, #\record_field]
        add     sp, sp, #FRAME_BYTES
        .cfi_def_cfa_offset 16
        br      x17
        .cfi_restore_state
.endm

.macro ARGS_BACK from
        ldp     x0, x1, [sp, #\from]
        ldp     x2, x3, [sp, #\from + 16]
        ldp     x4, x5, [sp, #\from + 32]
.endm

// The changed arguments lie 8 bytes off, behind the number.
.macro CHANGED_ARGS_BACK
        ldr     x0, [sp, #FRAME_ARG0]
        ldp     x1, x2, [sp, #FRAME_ARG1]
        ldp     x3, x4, [sp, #FRAME_ARG3]
        ldr     x5, [sp, #FRAME_ARG5]
.endm

.macro VECTOR_PAIRS instruction
        \instruction     q0, q1, [sp, #0]
        \instruction     q2, q3, [sp, #32]
        \instruction     q4, q5, [sp, #64]
        \instruction     q6, q7, [sp, #96]
        \instruction     q8, q9, [sp, #128]
        \instruction     q10, q11, [sp, #160]
        \instruction     q12, q13, [sp, #192]
        \instruction     q14, q15, [sp, #224]
        \instruction     q16, q17, [sp, #256]
        \instruction     q18, q19, [sp, #288]
        \instruction     q20, q21, [sp, #320]
        \instruction     q22, q23, [sp, #352]
        \instruction     q24, q25, [sp, #384]
        \instruction     q26, q27, [sp, #416]
        \instruction     q28, q29, [sp, #448]
        \instruction     q30, q31, [sp, #480]
.endm

// with_vectors_saved: calls x9 with x0, x1 as given; keeps all vector registers and both
// floating-point control words. (Scalable registers beyond their low 128 bits, and
// predicates, are lost over every system call by the kernel's own rules.)
        .p2align 4
        .type   with_vectors_saved, %function
with_vectors_saved:
        .cfi_startproc
        stp     x29, x30, [sp, #-32]!
        .cfi_adjust_cfa_offset 32
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        mov     x29, sp
        .cfi_def_cfa_register x29
        mrs     x10, fpcr
        mrs     x11, fpsr
        stp     x10, x11, [sp, #16]
        sub     sp, sp, #512
        VECTOR_PAIRS stp
        blr     x9
        VECTOR_PAIRS ldp
        add     sp, sp, #512
        ldp     x10, x11, [sp, #16]
        msr     fpcr, x10
        msr     fpsr, x11
        ldp     x29, x30, [sp], #32
        .cfi_def_cfa sp, 0
        .cfi_same_value x29
        .cfi_same_value x30
        ret
        .cfi_endproc
        .size   with_vectors_saved, .-with_vectors_saved

// CALL_C function: x0, x1 set. Clobbers what a C function may; result in w0.
.macro CALL_C function
        ldr     x10, [sp, #FRAME_SITE]
        ldr     x10, [x10, #RECORD_FLAGS]
        tbnz    x10, #0, 16f // SITE_VECTOR_DEAD
        adrp    x9, \function
        add     x9, x9, :lo12:\function
        bl      with_vectors_saved
        b       17f
16:     bl      \function
17:
.endm

        ENTRY   intercept_entry
        FRAME_OPEN
        lsr     w9, w8, #16
        cbnz    w9, 8f // above every number there is
        adrp    x9, intercept_table
        add     x9, x9, :lo12:intercept_table
        ldrb    w1, [x9, x17]
        ands    w1, w1, #SLOTS_MASK
        b.eq    8f // a hook was just taken away
        mrs     x9, tpidr_el0
        adrp    x10, :gottprel:intercept_bypass_depth
        ldr     x10, [x10, #:gottprel_lo12:intercept_bypass_depth]
        ldr     w9, [x9, x10]
        cmp     w9, #0
        b.gt    8f
        mov     x0, sp
        bl      intercept_dispatch_filter // general registers only
        str     x0, [sp, #FRAME_MASK]
        cbz     w0, 8f
        mov     w1, w0
        mov     x0, sp
        CALL_C  intercept_dispatch_hook
        cmp     w0, #ACTION_PASS
        b.lo    1f
        b.hi    5f
8:      // Not ours, or passed as it came.
        ARGS_BACK FRAME_SAVED
        ldr     x8, [sp, #FRAME_X6 + 16]
        FRAME_CLOSE RECORD_PASS

1:      // Answered: all registers as they came, x0 the result.
        ARGS_BACK FRAME_SAVED
        ldr     x0, [sp, #FRAME_RESULT]
        ldr     x8, [sp, #FRAME_X6 + 16]
        FRAME_CLOSE RECORD_ANSWERED

5:      cmp     w0, #ACTION_PROCESS
        b.hs    6f
        // Changed arguments, or a post: the kernel is asked from here, with the frame
        // kept. The app gets its own registers back.
        str     w0, [sp, #FRAME_ACTION]
        CHANGED_ARGS_BACK
        ldp     x6, x7, [sp, #FRAME_X6]
        ldr     x8, [sp, #FRAME_NR]
        svc     #0
        str     x0, [sp, #FRAME_RESULT]
        ldr     w9, [sp, #FRAME_ACTION]
        cmp     w9, #ACTION_EXECUTE_POST
        b.ne    1b
        mov     x0, sp
        CALL_C  intercept_dispatch_post
        b       1b

6:      // clone, clone3: from the stub, on the app's own stack pointer, with nothing
        // left on the stack that we need afterwards.
        CHANGED_ARGS_BACK
        ldr     x8, [sp, #FRAME_NR]
        FRAME_CLOSE RECORD_PROCESS
        .cfi_endproc
        .size   intercept_entry, .-intercept_entry

// After the kernel made a process or thread: x0 = result, x8 = number, x16 = record. Runs
// in the parent and in the child, on whatever stack sp is.
        ENTRY   intercept_process_post_entry
        FRAME_OPEN
        str     x0, [sp, #FRAME_RESULT]
        mov     x0, sp
        CALL_C  intercept_dispatch_process_post
        ARGS_BACK FRAME_SAVED
        ldr     x0, [sp, #FRAME_RESULT]
        ldr     x8, [sp, #FRAME_X6 + 16]
        FRAME_CLOSE RECORD_ANSWERED
        .cfi_endproc
        .size   intercept_process_post_entry, .-intercept_process_post_entry

        .section .note.GNU-stack,"",%progbits
