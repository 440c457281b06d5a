/* A tracer in forty lines: number, first two arguments and result of each call, to descriptor 2.
 *
 *   LD_PRELOAD=./tracer.so ls */
#include <pmemfile-intercept.h>
#include <sys/syscall.h>

static char *put_hex(char *to, unsigned long value) {
    int shift = 60;
    while (shift > 0 && (value >> shift & 15) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    return to;
}

/* A hook may not use stdio or malloc: the program may be in the middle of either. */
static void print(const struct intercept_call *call) {
    char line[100], *to = line;
    to = put_hex(to, (unsigned long)call->nr);
    for (int i = 0; i < 2; i++) {
        *to++ = i == 0 ? '(' : ' ';
        to = put_hex(to, (unsigned long)call->args[i]);
    }
    *to++ = ')';
    *to++ = '=';
    to = put_hex(to, (unsigned long)call->result);
    *to++ = '\n';
    intercept_raw_syscall(SYS_write, 2, (long)line, to - line, 0, 0, 0);
}

static int before(struct intercept_call *call) {
    (void)call;
    return INTERCEPT_PASS_POST; /* let the kernel do it, then call `print` */
}

__attribute__((constructor)) static void start(void) {
    struct intercept_hook hook = {.hook = before, .post = (void (*)(struct intercept_call *))print};
    if (intercept_add(&hook) >= 0)
        intercept_start();
}
