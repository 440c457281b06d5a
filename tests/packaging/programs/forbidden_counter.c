/* Is rdtsc trapped when Linux has been asked to forbid it (prctl(2), PR_SET_TSC)? Prints "trapped" or "not trapped". */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <x86intrin.h>

static void on_fault(int number) {
    (void)number;
    _exit(write(1, "trapped\n", 8) == 8 ? 0 : 1);
}

int main(void) {
    signal(SIGSEGV, on_fault);
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
    volatile unsigned long long counter = __rdtsc();
    (void)counter;
    puts("not trapped");
    return 0;
}
