/* The smallest hook: getppid answers 42 in the program that this is loaded into.
 *
 *   cc -shared -fPIC minimal_hook.c -o minimal_hook.so $(pkg-config --cflags --libs libpmemfile-intercept)
 *   LD_PRELOAD=./minimal_hook.so python3 -c 'import os; print(os.getppid())' */
#include <pmemfile-intercept.h>
#include <sys/syscall.h>

static int answer(struct intercept_call *call) {
    call->result = 42;
    return INTERCEPT_HANDLED; /* the kernel is not asked */
}

__attribute__((constructor)) static void start(void) {
    static const long calls[] = {SYS_getppid};
    struct intercept_hook hook = {.hook = answer, .calls = calls, .call_count = 1};
    if (intercept_add(&hook) >= 0)
        intercept_start();
}
