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
        .hidden intercept_after_lone_hook
        .hidden intercept_after_words_hook
        .hidden intercept_words_hook
        .hidden intercept_lone_filter
        .hidden intercept_lone_hook
        .hidden intercept_lone_post
        .hidden intercept_lone_slots
        .hidden intercept_bypass_depth
        .hidden intercept_dispatch_hook
        .hidden intercept_dispatch_loader
        .hidden intercept_dispatch_post
        .hidden intercept_dispatch_process_post
        .hidden intercept_with_vectors_saved
        .hidden intercept_hook_personality

// Unwinders (debuggers, cancellation) do not need to know stubs: the way back is from
// the entry right to the app's function, as if its syscall instruction had called
// us. The return address is what the record says; these are DW_CFA_val_expression
// for it, by r11 (the record itself), and by rsp and rbp with the record in the frame.
.macro BEGIN_UNWINDING
        .cfi_startproc
        .cfi_personality 0x1b, intercept_hook_personality // relative, 4 bytes
.endm
.macro SITE_IN_R11
        .cfi_escape 0x16, 0x10, 3, 0x7b, 0, 0x06
.endm
.macro SITE_IN_RSP_FRAME
        .cfi_escape 0x16, 0x10, 5, 0x77, (FRAME_SITE & 0x7f) | 0x80, FRAME_SITE >> 7, 0x06, 0x06
.endm
.macro SITE_IN_RBP_FRAME
        .cfi_escape 0x16, 0x10, 5, 0x76, (FRAME_SITE & 0x7f) | 0x80, FRAME_SITE >> 7, 0x06, 0x06
.endm
// The frame is just left: it still is in the 128 bytes that a signal spares.
.macro SITE_IN_LEFT_FRAME
        .cfi_escape 0x16, 0x10, 5, 0x77, ((FRAME_SITE - FRAME_BYTES) & 0x7f) | 0x80, ((FRAME_SITE - FRAME_BYTES) >> 7) & 0x7f, 0x06, 0x06
.endm
.macro LEAVE_FRAME
        lea     FRAME_BYTES(%rsp), %rsp
        .cfi_def_cfa %rsp, 136
        SITE_IN_LEFT_FRAME
        ret
.endm

// Frame: rsp -> struct intercept_call, the flags last. It has one size and is not
// aligned, for the way to the filter and back; rbp takes it over on the way to a
// hook, which needs an aligned stack.
.macro FRAME_OPEN keep_flags
.if \keep_flags
        pushfq
        .cfi_adjust_cfa_offset 8
        lea     -FRAME_FLAGS(%rsp), %rsp
        .cfi_adjust_cfa_offset FRAME_FLAGS
        // Direction and alignment-check flag: rare; the C side needs both clear.
        testl   $0x40400, FRAME_FLAGS(%rsp)
        jz      11f
        pushq   $0x202
        .cfi_adjust_cfa_offset 8
        popfq
        .cfi_adjust_cfa_offset -8
11:
.else
        sub     $FRAME_BYTES, %rsp
        .cfi_adjust_cfa_offset FRAME_BYTES
.endif
        mov     %rdi, FRAME_ARG0(%rsp)
        mov     %rsi, FRAME_ARG1(%rsp)
        mov     %rdx, FRAME_ARG2(%rsp)
        mov     %r10, FRAME_ARG3(%rsp)
        mov     %r8, FRAME_ARG4(%rsp)
        mov     %r9, FRAME_ARG5(%rsp)
        mov     %r11, FRAME_SITE(%rsp)
        SITE_IN_RSP_FRAME
.endm

// From here on rbp is the frame and rsp is aligned.
.macro FRAME_TO_RBP
        mov     %rbp, FRAME_RBP(%rsp)
        .cfi_rel_offset %rbp, FRAME_RBP
        mov     %rsp, %rbp
        .cfi_def_cfa_register %rbp
        SITE_IN_RBP_FRAME
        and     $-16, %rsp
.endm

// Puts the app's registers back and returns to the stub. Destroys nothing else.
.macro FRAME_CLOSE
        .cfi_remember_state
        mov     %rbp, %rsp
        .cfi_def_cfa_register %rsp
        SITE_IN_RSP_FRAME
        mov     FRAME_RBP(%rsp), %rbp
        .cfi_same_value %rbp
        LEAVE_FRAME
        .cfi_restore_state
.endm

// Puts the flags back and leaves r11 as the kernel does. popfq costs more than
// the rest of the entry, so the arithmetic flags go through sahf and an
// addition that sets OF. Destroys rax, rcx.
.macro FLAGS_BACK frame, keep_flags
.if \keep_flags
        mov     FRAME_FLAGS(%\frame), %rax
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
        mov     \from+0(%rbp), %rdi
        mov     \from+8(%rbp), %rsi
        mov     \from+16(%rbp), %rdx
        mov     \from+24(%rbp), %r10
        mov     \from+32(%rbp), %r8
        mov     \from+40(%rbp), %r9
.endm

// Keeps the app's registers apart from what a hook may change.
.macro SAVE_ARGS
        mov     %rdi, FRAME_SAVED+0(%rsp)
        mov     %rsi, FRAME_SAVED+8(%rsp)
        mov     %rdx, FRAME_SAVED+16(%rsp)
        mov     %r10, FRAME_SAVED+24(%rsp)
        mov     %r8, FRAME_SAVED+32(%rsp)
        mov     %r9, FRAME_SAVED+40(%rsp)
.endm

// CALL_C function: rdi, esi, edx set. Clobbers caller-saved GPRs, result in eax.
.macro CALL_C function
        mov     FRAME_SITE(%rbp), %rcx
        testb   $SITE_VECTOR_DEAD, RECORD_FLAGS(%rcx)
        jnz     16f
        lea     \function(%rip), %rax
        call    intercept_with_vectors_saved
        jmp     17f
16:      call    \function
17:
.endm

// The only hook, whose answer is in eax, wants to see the end of the call, and the site makes no process and
// needs no vector state: the kernel's call and its post from here.
.macro LONE_POST
        ARGS_BACK FRAME_ARG0
        mov     FRAME_NR(%rbp), %rax
        syscall
        mov     %rax, FRAME_RESULT(%rbp)
        mov     %rbp, %rdi
        call    *intercept_lone_post(%rip)
        jmp     1b
.endm

// What the hooks decided, in eax. Label 1 of the entry is "answered".
.macro DO_ACTION keep_flags
4:      cmp     $ACTION_PASS, %eax
        jb      1b
        ja      5f
        ARGS_BACK FRAME_ARG0
        FLAGS_BACK rbp, \keep_flags
        mov     FRAME_NR(%rbp), %rax
        mov     $0, %ecx
        FRAME_CLOSE

5:      cmp     $ACTION_PROCESS, %eax
        jae     6f
        // Changed arguments, or a post: the kernel is asked from here, with
        // the frame kept. The app gets its own registers back.
        mov     %rax, FRAME_ACTION(%rbp)
        ARGS_BACK FRAME_ARG0
        mov     FRAME_NR(%rbp), %rax
        syscall
        mov     %rax, FRAME_RESULT(%rbp)
        cmpl    $ACTION_EXECUTE_POST, FRAME_ACTION(%rbp)
        jne     1b
        mov     %rbp, %rdi
        CALL_C  intercept_dispatch_post
        jmp     1b

6:      // fork, vfork, clone, clone3: from the stub, on the app's own stack
        // pointer, with nothing left on the stack that we need afterwards.
        sub     $ACTION_PROCESS, %eax
        mov     FRAME_SITE(%rbp), %rcx
        mov     RECORD_KIND_TARGET(%rcx,%rax,8), %rcx
        mov     %rcx, FRAME_BYTES(%rbp)
        ARGS_BACK FRAME_ARG0
        FLAGS_BACK rbp, \keep_flags
        mov     FRAME_NR(%rbp), %rax
        FRAME_CLOSE
.endm

.macro PASS_ON keep_flags
8:      // Not ours. Every register but rax, rcx and r11 still is the app's.
        FLAGS_BACK rsp, \keep_flags
        mov     FRAME_NR(%rsp), %rax
        mov     $0, %ecx
        LEAVE_FRAME
.endm

// The filter keeps every register but rax (INTERCEPT_FILTER_FUNCTION): the app's
// arguments are still in theirs when it returns.
.macro ENTRY name, keep_flags, loader=0
        .globl  \name
        .hidden \name
        .type   \name, @function
        .p2align 5
\name:
        BEGIN_UNWINDING
        .cfi_def_cfa_offset 136
        SITE_IN_R11
        FRAME_OPEN \keep_flags
        mov     %eax, %eax
        mov     %rax, FRAME_NR(%rsp)
        cmp     $0xffff, %eax
        ja      8f
        mov     %rcx, FRAME_MASK(%rsp) // words_bit included
.if \loader
        // Nobody is asked yet: the loader's calls are looked at in any case.
        jmp     10f
.endif
        mov     intercept_bypass_depth@gottpoff(%rip), %r11
        cmpl    $0, %fs:(%r11)
        jg      8f
.if !\keep_flags
        // The stub has looked at the words: they do not let it pass.
        test    %cl, %cl
        js      10f
.endif
        // Where nobody but the process's first hook wants the number, which is nearly always so,
        // its functions are called from here: each call less is a nanosecond.
        mov     %ecx, %r11d
        and     $SLOTS_MASK, %r11d
        cmp     %r11b, intercept_lone_slots(%rip)
        jne     9f
        mov     %rdi, %r11
        mov     %rsp, %rdi
        call    *intercept_lone_filter(%rip)
        mov     %r11, %rdi
        test    %eax, %eax
        jz      8f
10:     SAVE_ARGS
        .cfi_remember_state
        FRAME_TO_RBP
.if \loader
        jmp     2f
.endif
        mov     FRAME_SITE(%rbp), %rcx
        testb   $SITE_VECTOR_DEAD, RECORD_FLAGS(%rcx)
        jz      2f
        mov     FRAME_MASK(%rbp), %eax
        and     $SLOTS_MASK, %eax
        cmp     %al, intercept_lone_slots(%rip)
        jne     2f
        mov     FRAME_NR(%rbp), %rax
        mov     %rax, FRAME_ACTION(%rbp)
        mov     %rbp, %rdi
        call    *intercept_lone_hook(%rip)
        test    %eax, %eax
        jnz     3f
1:      // Answered: all registers as they came, rax the result.
        ARGS_BACK FRAME_SAVED
        FLAGS_BACK rbp, \keep_flags
        mov     FRAME_SITE(%rbp), %rcx
        mov     FRAME_RESULT(%rbp), %rax
        mov     RECORD_ADDRESS(%rcx), %rcx
        FRAME_CLOSE

2:      mov     %rbp, %rdi
        mov     FRAME_MASK(%rbp), %esi
        and     $SLOTS_MASK, %esi
.if \loader
        CALL_C  intercept_dispatch_loader
.else
        CALL_C  intercept_dispatch_hook
.endif
        jmp     4f
3:      cmp     $ANSWER_PASS_POST, %eax
        jne     7f
        mov     FRAME_SITE(%rbp), %rcx
        testl   $RECORD_IS_SHORT, RECORD_FLAGS(%rcx)
        jz      7f
        LONE_POST
7:      mov     %rbp, %rdi
        mov     %eax, %esi
        mov     FRAME_MASK(%rbp), %edx
        and     $SLOTS_MASK, %edx
        call    intercept_after_lone_hook
        DO_ACTION \keep_flags
        .cfi_restore_state

9:      // Several hooks, or one without a filter.
        mov     %rsp, %rdi
        mov     FRAME_MASK(%rsp), %esi
        and     $SLOTS_MASK, %esi
        call    intercept_dispatch_filter
        mov     FRAME_ARG0(%rsp), %rdi
        mov     FRAME_ARG1(%rsp), %rsi
        mov     %rax, FRAME_MASK(%rsp)
        test    %eax, %eax
        jnz     10b
        PASS_ON \keep_flags
        .cfi_endproc
        .size   \name, .-\name
.endm

        ENTRY   intercept_entry, 1
        ENTRY   intercept_entry_flags_dead, 0
        ENTRY   intercept_entry_loader, 1, 1

// Sites whose number is known, and behind which nobody needs flags, vector state or the
// argument registers: most of libc's wrappers. Each store and each taken branch counts.

// The stub has looked at the words, which do not let it pass, and at the bypass. The stub goes on behind the site when
// this comes back; in all other cases, and they are few, it comes back to where the other entry would.
        .globl  intercept_entry_words
        .hidden intercept_entry_words
        .type   intercept_entry_words, @function
        .p2align 5
intercept_entry_words:
        BEGIN_UNWINDING
        .cfi_def_cfa_offset 136
        SITE_IN_R11
        FRAME_OPEN 0
        mov     %rax, FRAME_NR(%rsp)
        FRAME_TO_RBP
        mov     %rbp, %rdi
        call    *intercept_words_hook(%rip)
        test    %eax, %eax
        jnz     3f
        // Answered. The code behind the site looks at rax alone.
        .cfi_remember_state
        mov     FRAME_RESULT(%rbp), %rax
        lea     FRAME_BYTES(%rbp), %rsp
        mov     FRAME_RBP(%rbp), %rbp
        .cfi_same_value %rbp
        .cfi_def_cfa %rsp, 136
        SITE_IN_LEFT_FRAME
        ret
        .cfi_restore_state
3:      mov     FRAME_SITE(%rbp), %rcx
        movzwl  RECORD_SERVED(%rcx), %ecx
        add     %rcx, FRAME_BYTES(%rbp)
        mov     %rbp, %rdi
        mov     %eax, %esi
        call    intercept_after_words_hook
        jmp     4f
1:      mov     FRAME_RESULT(%rbp), %rax
        mov     %rbp, %rcx // not 0
        FRAME_CLOSE
        DO_ACTION 0
        .cfi_endproc
        .size   intercept_entry_words, .-intercept_entry_words

// No words decide the number now.
        .globl  intercept_entry_bare
        .hidden intercept_entry_bare
        .type   intercept_entry_bare, @function
        .p2align 5
intercept_entry_bare:
        BEGIN_UNWINDING
        .cfi_def_cfa_offset 136
        SITE_IN_R11
        FRAME_OPEN 0
        mov     %rax, FRAME_NR(%rsp)
        mov     intercept_bypass_depth@gottpoff(%rip), %r11
        cmpl    $0, %fs:(%r11)
        jg      8f
        mov     %rcx, FRAME_MASK(%rsp)
        mov     %ecx, %r11d
        and     $SLOTS_MASK, %r11d
        cmp     %r11b, intercept_lone_slots(%rip)
        jne     9f
        mov     %rdi, %r11
        mov     %rsp, %rdi
        call    *intercept_lone_filter(%rip)
        mov     %r11, %rdi
        test    %eax, %eax
        jz      8f
        .cfi_remember_state
        FRAME_TO_RBP
        mov     %rbp, %rdi
        call    *intercept_lone_hook(%rip)
        test    %eax, %eax
        jnz     3f
1:      // Answered. The code behind the site looks at rax alone; the stub wants rcx not 0.
        mov     FRAME_RESULT(%rbp), %rax
        mov     %rbp, %rcx
        FRAME_CLOSE
2:      mov     %rbp, %rdi
        mov     FRAME_MASK(%rbp), %esi
        and     $SLOTS_MASK, %esi
        call    intercept_dispatch_hook
        jmp     4f
3:      cmp     $ANSWER_PASS_POST, %eax
        jne     7f
        LONE_POST
7:      mov     %rbp, %rdi
        mov     %eax, %esi
        mov     FRAME_MASK(%rbp), %edx
        and     $SLOTS_MASK, %edx
        call    intercept_after_lone_hook
        DO_ACTION 0
        .cfi_restore_state
        PASS_ON 0
9:      mov     %rsp, %rdi
        mov     FRAME_MASK(%rsp), %esi
        and     $SLOTS_MASK, %esi
        call    intercept_dispatch_filter
        mov     FRAME_ARG0(%rsp), %rdi
        mov     FRAME_ARG1(%rsp), %rsi
        mov     %rax, FRAME_MASK(%rsp)
        test    %eax, %eax
        jz      8b
        .cfi_remember_state
        FRAME_TO_RBP
        jmp     2b
        .cfi_restore_state
        .cfi_endproc
        .size   intercept_entry_bare, .-intercept_entry_bare

// After the kernel made a process or thread: rax = result, ecx = number,
// r11 = record. Runs in the parent and in the child, on whatever stack rsp is.
        .globl  intercept_process_post_entry
        .hidden intercept_process_post_entry
        .type   intercept_process_post_entry, @function
        .p2align 4
intercept_process_post_entry:
        BEGIN_UNWINDING
        .cfi_def_cfa_offset 136
        SITE_IN_R11
        FRAME_OPEN 1
        mov     %ecx, %ecx
        mov     %rcx, FRAME_NR(%rsp)
        mov     %rax, FRAME_RESULT(%rsp)
        FRAME_TO_RBP
        mov     %rbp, %rdi
        CALL_C  intercept_dispatch_process_post
        ARGS_BACK FRAME_ARG0
        FLAGS_BACK rbp, 1
        mov     FRAME_SITE(%rbp), %rcx
        mov     FRAME_RESULT(%rbp), %rax
        mov     RECORD_ADDRESS(%rcx), %rcx
        FRAME_CLOSE
        .cfi_endproc
        .size   intercept_process_post_entry, .-intercept_process_post_entry

        .section .note.GNU-stack,"",@progbits
