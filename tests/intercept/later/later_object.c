/* later_object: a library that is loaded after the interceptor started, with system
 * calls of its own in a constructor and in a function. */
#include <sys/syscall.h>

static long at_init = -1;

static inline long inline_getppid(void) {
    long result;
    __asm__ volatile("mov %1, %%eax\n\tsyscall" : "=&a"(result) : "i"(SYS_getppid) : "rcx", "r11", "memory");
    return result;
}

__attribute__((constructor)) static void init(void) {
    at_init = inline_getppid();
}

__attribute__((noinline)) long later_getppid(void) {
    return inline_getppid();
}

long later_at_init(void) {
    return at_init;
}
