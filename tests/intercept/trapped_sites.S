// trapped_sites: stands in for libintercept-sites in a program that loads it later, so
// that it is not patched and each of its calls is trapped. Fills itself.
        .text
.macro SITE name
        .globl  \name
        .type   \name, @function
\name:  jmp     *trapped_\name(%rip)
        .globl  trapped_\name
        .pushsection .data
trapped_\name: .quad 0
        .popsection
        .pushsection .rodata.names
1:      .asciz  "\name"
        .popsection
        .pushsection .data.rel.ro.table, "aw"
        .quad   1b, trapped_\name, \name
        .popsection
.endm
        .section .data.rel.ro.table, "aw"
        .globl  trapped_sites
trapped_sites:
        .text
        SITE site_getppid
        SITE site_call
        SITE site_over
        SITE site_rip_relative
        SITE site_flags
        SITE site_direction
        SITE site_alignment
        SITE site_red_zone
        SITE site_float
        SITE site_registers
        SITE site_vectors
        SITE site_clone
        .section .data.rel.ro.table, "aw"
        .quad   0, 0, 0
        .section .note.GNU-stack,"",@progbits
