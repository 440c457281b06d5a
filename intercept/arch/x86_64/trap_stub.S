// trap_stub: templates, copied by write_trap_code; all that differs is in the record, TRAP_RECORD_DISTANCE
// behind a copy's begin. See stub.cpp for the way through a hooked stub.
#include "intercept/arch/x86_64/frame.h"
#include "intercept/arch/x86_64/trap_frame.h"

        .section .rodata
.macro TEMPLATE name
        .globl  intercept_\name
        .hidden intercept_\name
        .balign 16
intercept_\name:
.endm
.macro LABEL name
        .globl  intercept_\name
        .hidden intercept_\name
intercept_\name:
.endm

// ecx = who wants the number in ax. No flag, no memory of the app's is touched.
.macro LOOK_UP record
        movzwl  %ax, %ecx
        mov     \record+TRAP_TABLE(%rip), %r11
        movzbl  (%r11,%rcx), %ecx
        jrcxz   1f
.endm

// Fills up the slot; more than that does not assemble.
.macro WHOLE_SLOT begin
        .org    \begin+TRAP_SLOT_BYTES, 0xcc
.endm

        TEMPLATE trap_stub_hooked
.Lhooked:
        .set    .Lhooked_record, .Lhooked+TRAP_RECORD_DISTANCE
        LOOK_UP .Lhooked_record
        lea     -128(%rsp), %rsp
        lea     .Lhooked_record(%rip), %r11
        call    *.Lhooked_record+RECORD_ENTRY(%rip)
        lea     128(%rsp), %rsp
        jrcxz   1f
        jmp     *.Lhooked_record+TRAP_BACK(%rip)
        LABEL trap_stub_hooked_pass
1:      syscall
        jmp     *.Lhooked_record+TRAP_BACK(%rip)
.macro HOOKED_KIND index, number
        LABEL trap_stub_hooked_kind\index
        lea     128(%rsp), %rsp
        syscall
        lea     -128(%rsp), %rsp
        mov     $\number, %ecx
        lea     .Lhooked_record(%rip), %r11
        call    *.Lhooked_record+RECORD_POST_ENTRY(%rip)
        lea     128(%rsp), %rsp
        jmp     *.Lhooked_record+TRAP_BACK(%rip)
.endm
        HOOKED_KIND 0, 56
        HOOKED_KIND 1, 57
        HOOKED_KIND 2, 58
        HOOKED_KIND 3, 435
        WHOLE_SLOT .Lhooked

        TEMPLATE trap_stub_pass
        syscall
        jmp     *9f(%rip)
9:      // where to, 8 bytes

// A C function with the arguments of syscall(2).
        TEMPLATE exempt_function
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        mov     8(%rsp), %r9
        syscall
        ret
        LABEL exempt_function_end

// A guest's stack is left alone: it may be small, or unmapped by the very call before.
        TEMPLATE trap_stub_guest
.Lguest:
        .set    .Lguest_record, .Lguest+TRAP_RECORD_DISTANCE
        LOOK_UP .Lguest_record
        lea     .Lguest_record(%rip), %r11
        jmp     *.Lguest_record+RECORD_ENTRY(%rip)
        LABEL trap_stub_guest_pass
1:      syscall
        jmp     *.Lguest_record+TRAP_BACK(%rip)
.macro GUEST_KIND index
        LABEL trap_stub_guest_kind\index
        syscall
        lea     .Lguest_record(%rip), %r11
        jmp     *.Lguest_record+TRAP_KIND_POST+8*\index(%rip)
.endm
        GUEST_KIND 0
        GUEST_KIND 1
        GUEST_KIND 2
        GUEST_KIND 3
        WHOLE_SLOT .Lguest

        .section .note.GNU-stack,"",@progbits
