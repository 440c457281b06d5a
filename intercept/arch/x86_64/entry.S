// entry: from a site's stub into the hooks and back.
//
//   stub:  [moved instructions]
//          table[ax] == 0 ?  ──────────────────────────► syscall
//          rsp -= 128 (red zone); r11 = record; rcx = table byte
//          call entry ──► pushes, filter, hook
//          rsp += 128;  rcx == 0 ? ────────────────────► syscall
//          jmp behind the syscall
//
// The kernel destroys rcx and r11, so the stub and we may too. Every other
// register is kept. The call/ret pair keeps the return predictor right, and the
// jumps in the stub are direct ones: that is what makes it cheap.
//
// Nothing here remembers anything outside the stack frame: a siglongjmp out of
// a hook, or a thread that dies inside it, leaves nothing behind.
#include "intercept/arch/x86_64/frame.h"

        .text
        .hidden intercept_dispatch_filter
        .hidden intercept_dispatch_both
        .hidden intercept_after_lone_hook
        .hidden intercept_lone_filter
        .hidden intercept_lone_hook
        .hidden intercept_bypass_depth
        .hidden intercept_dispatch_hook
        .hidden intercept_dispatch_post
        .hidden intercept_dispatch_process_post
        .hidden intercept_vector_level

// Frame: rbp -> saved rbp, -8(rbp) flags; rsp -> struct intercept_call, 64-aligned.
.macro FRAME_OPEN keep_flags
        push    %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        mov     %rsp, %rbp
        .cfi_def_cfa_register %rbp
.if \keep_flags
        pushfq
        // Direction and alignment-check flag: rare; the C side needs both clear.
        testl   $0x40400, -8(%rbp)
        jz      11f
        pushq   $0x202
        popfq
11:
.endif
        sub     $FRAME_BYTES, %rsp
        and     $-64, %rsp
        mov     %rdi, FRAME_ARG0(%rsp)
        mov     %rsi, FRAME_ARG1(%rsp)
        mov     %rdx, FRAME_ARG2(%rsp)
        mov     %r10, FRAME_ARG3(%rsp)
        mov     %r8, FRAME_ARG4(%rsp)
        mov     %r9, FRAME_ARG5(%rsp)
        mov     %r11, FRAME_SITE(%rsp)
.endm

// Puts the flags back and leaves r11 as the kernel does. popfq costs more than
// the rest of the entry, so the arithmetic flags go through sahf and an
// addition that sets OF. Destroys rax, rcx.
.macro FLAGS_BACK keep_flags
.if \keep_flags
        mov     -8(%rbp), %rax
        mov     %rax, %r11
        test    $0x40400, %eax
        jz      12f
        push    %rax
        popfq
        jmp     13f
12:     mov     %eax, %ecx
        shr     $11, %ecx
        and     $1, %ecx
        mov     %al, %ah
        add     $0x7f, %cl
        sahf
13:
.else
        mov     $0x246, %r11d
.endif
.endm

.macro ARGS_BACK from
        mov     \from+0(%rsp), %rdi
        mov     \from+8(%rsp), %rsi
        mov     \from+16(%rsp), %rdx
        mov     \from+24(%rsp), %r10
        mov     \from+32(%rsp), %r8
        mov     \from+40(%rsp), %r9
.endm

// Keeps the app's registers apart from what a hook may change. Eight bytes at a
// time, as they were stored. Destroys rax, rcx, rdx.
.macro SAVE_ARGS
        mov     FRAME_ARG0(%rsp), %rax
        mov     FRAME_ARG1(%rsp), %rcx
        mov     FRAME_ARG2(%rsp), %rdx
        mov     %rax, FRAME_SAVED(%rsp)
        mov     %rcx, FRAME_SAVED+8(%rsp)
        mov     %rdx, FRAME_SAVED+16(%rsp)
        mov     FRAME_ARG3(%rsp), %rax
        mov     FRAME_ARG4(%rsp), %rcx
        mov     FRAME_ARG5(%rsp), %rdx
        mov     %rax, FRAME_SAVED+24(%rsp)
        mov     %rcx, FRAME_SAVED+32(%rsp)
        mov     %rdx, FRAME_SAVED+40(%rsp)
.endm

.macro LEAVE_TO_STUB
        mov     %rbp, %rsp
        pop     %rbp
        ret
.endm

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

// with_vectors_saved: calls *%rax with rdi = the call, esi as given; keeps all
// vector state. rbx = frame (also on return). Each register is stored and
// loaded whole and with the same width: a narrower load would wait for the store
// buffer. Then vzeroupper: legacy SSE code in the hook would otherwise carry
// false dependencies on the upper halves.
        .p2align 4
        .type   with_vectors_saved, @function
with_vectors_saved:
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
        .size   with_vectors_saved, .-with_vectors_saved

// CALL_C function: rdi, esi set. Clobbers caller-saved GPRs, result in eax.
.macro CALL_C function
        mov     FRAME_SITE(%rbx), %rcx
        testb   $SITE_VECTOR_DEAD, RECORD_FLAGS(%rcx)
        jnz     16f
        lea     \function(%rip), %rax
        call    with_vectors_saved
        jmp     17f
16:      call    \function
17:
.endm

.macro ENTRY name, keep_flags
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 5
\name:
        .cfi_startproc
        .cfi_def_cfa_offset 136
        FRAME_OPEN \keep_flags
        mov     %eax, %eax
        mov     %rax, FRAME_NR(%rsp)
        cmp     $0xffff, %eax
        ja      8f
        mov     %rsp, %rdi
        // With one hook in the process, which is nearly always so, its functions
        // are called from here: each call less is a nanosecond.
        mov     intercept_lone_filter(%rip), %rax
        test    %rax, %rax
        jz      9f
        mov     intercept_bypass_depth@gottpoff(%rip), %rdx
        cmpl    $0, %fs:(%rdx)
        jg      8f
        mov     %ecx, FRAME_MASK(%rsp)
        call    *%rax
        test    %eax, %eax
        jz      8f
        mov     FRAME_SITE(%rsp), %rdx
        mov     FRAME_MASK(%rsp), %eax
        testb   $SITE_VECTOR_DEAD, RECORD_FLAGS(%rdx)
        jz      \name\()_serve
        SAVE_ARGS
        mov     FRAME_NR(%rsp), %rax
        mov     %rax, FRAME_ACTION(%rsp)
        mov     %rsp, %rdi
        call    *intercept_lone_hook(%rip)
        test    %eax, %eax
        jnz     14f
10:     ARGS_BACK FRAME_SAVED
        FLAGS_BACK \keep_flags
        mov     FRAME_SITE(%rsp), %rcx
        mov     FRAME_RESULT(%rsp), %rax
        mov     RECORD_ADDRESS(%rcx), %rcx
        LEAVE_TO_STUB
8:      ARGS_BACK FRAME_ARG0
        FLAGS_BACK \keep_flags
        mov     FRAME_NR(%rsp), %rax
        mov     $0, %ecx
        LEAVE_TO_STUB

\name\()_serve:
        mov     %rbx, FRAME_RBX(%rsp)
        mov     %rsp, %rbx
        mov     %rax, FRAME_MASK(%rsp)
        mov     %eax, %esi
        SAVE_ARGS
        mov     %rsp, %rdi
        CALL_C  intercept_dispatch_hook
        cmp     $ACTION_PASS, %eax
        je      3f
        ja      4f
2:      // answered: all registers as they came, rax the result
        mov     FRAME_RBX(%rsp), %rbx
        jmp     10b
3:      mov     FRAME_RBX(%rsp), %rbx
        jmp     8b
4:      cmp     $ACTION_PROCESS, %eax
        jae     5f
        // Changed arguments, or a post: the kernel is asked from here, with
        // the frame kept. The app gets its own registers back.
        mov     %rax, FRAME_ACTION(%rsp)
        ARGS_BACK FRAME_ARG0
        mov     FRAME_NR(%rsp), %rax
        syscall
        mov     %rax, FRAME_RESULT(%rsp)
        cmpl    $ACTION_EXECUTE_POST, FRAME_ACTION(%rsp)
        jne     2b
        mov     %rsp, %rdi
        CALL_C  intercept_dispatch_post
        jmp     2b
5:      // fork, vfork, clone, clone3: from the stub, on the app's own stack
        // pointer, with nothing left on the stack that we need afterwards.
        sub     $ACTION_PROCESS, %eax
        mov     FRAME_SITE(%rsp), %rcx
        mov     RECORD_KIND_TARGET(%rcx,%rax,8), %rcx
        mov     %rcx, 8(%rbp)
        mov     FRAME_RBX(%rsp), %rbx
        ARGS_BACK FRAME_ARG0
        FLAGS_BACK \keep_flags
        mov     FRAME_NR(%rsp), %rax
        LEAVE_TO_STUB
9:      // Several hooks, or one without a filter.
        mov     %ecx, %esi
        testb   $SITE_VECTOR_DEAD, RECORD_FLAGS(%r11)
        jnz     9f
        call    intercept_dispatch_filter
        test    %eax, %eax
        jz      8b
        jmp     \name\()_serve
9:      call    intercept_dispatch_both
        jmp     15f
14:     mov     %rsp, %rdi
        mov     %eax, %esi
        mov     FRAME_MASK(%rsp), %edx
        call    intercept_after_lone_hook
15:     cmp     $ACTION_PASS, %eax
        jb      10b
        je      8b
        mov     %rbx, FRAME_RBX(%rsp)
        mov     %rsp, %rbx
        jmp     4b
        .cfi_endproc
        .size   \name, .-\name
.endm

        ENTRY   intercept_entry, 1
        ENTRY   intercept_entry_flags_dead, 0

// After the kernel made a process or thread: rax = result, ecx = number,
// r11 = record. Runs in the parent and in the child, on whatever stack rsp is.
        .globl  intercept_process_post_entry
        .hidden intercept_process_post_entry
        .type   intercept_process_post_entry, @function
        .p2align 4
intercept_process_post_entry:
        .cfi_startproc
        .cfi_def_cfa_offset 136
        FRAME_OPEN 1
        mov     %ecx, %ecx
        mov     %rcx, FRAME_NR(%rsp)
        mov     %rax, FRAME_RESULT(%rsp)
        mov     %rbx, FRAME_RBX(%rsp)
        mov     %rsp, %rbx
        mov     %rsp, %rdi
        CALL_C  intercept_dispatch_process_post
        mov     FRAME_RBX(%rsp), %rbx
        ARGS_BACK FRAME_ARG0
        FLAGS_BACK 1
        mov     FRAME_SITE(%rsp), %rcx
        mov     FRAME_RESULT(%rsp), %rax
        mov     RECORD_ADDRESS(%rcx), %rcx
        LEAVE_TO_STUB
        .cfi_endproc
        .size   intercept_process_post_entry, .-intercept_process_post_entry

        .section .note.GNU-stack,"",@progbits
