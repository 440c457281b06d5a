/* A hook library as they were written for the older interface. */
#include <libsyscall_intercept_hook_point.h>
#include <syscall.h>

static int hook(long nr, long a0, long a1, long a2, long a3, long a4, long a5, long *result) {
    (void)a0, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (nr != SYS_getppid)
        return 1;
    *result = 42;
    return 0;
}

static __attribute__((constructor)) void start(void) {
    intercept_hook_point = hook;
}
