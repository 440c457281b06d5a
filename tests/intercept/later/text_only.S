// text_only: an object of code alone, without data, relocations or a C library.
        .text
        .globl  text_only_getppid
        .type   text_only_getppid, @function
text_only_getppid:
        .cfi_startproc
        mov     $110, %eax
        syscall
        ret
        .cfi_endproc
        .size   text_only_getppid, .-text_only_getppid
        .section .note.GNU-stack,"",@progbits
