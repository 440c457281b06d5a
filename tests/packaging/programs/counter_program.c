/* Looks at the processor's counter twice, with both instructions, and at the time of day; before that executes
 * the program that it is given, if that is possible. */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

int main(int argc, char **argv) {
    unsigned processor;
    struct timespec now;
    if (argc > 1)
        execv(argv[1], argv + 1);
    signal(SIGSEGV, SIG_IGN); /* must not take the handler away */
    unsigned long long first = __rdtsc(), second = __rdtscp(&processor);
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%llu %llu %d\n", first, second, now.tv_sec > 1600000000);
    return 0;
}
