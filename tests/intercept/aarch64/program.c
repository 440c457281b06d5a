/* program: threads, children, signals, files and floats, for a run under qemu. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static double sums[8];

static void *work(void *argument) {
    long n = (long)argument;
    double sum = 0;
    for (long i = 1; i < 2000; i++) {
        sum += (double)n / (double)i;
        if (i % 50 == 0)
            getppid(); /* the sum is in a vector register over this */
    }
    sums[n] = sum;
    return NULL;
}

static volatile sig_atomic_t signals;
static void count(int number) {
    (void)number;
    signals++;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "parent") == 0) {
        printf("%d\n", getppid());
        return 0;
    }
    pthread_t threads[8];
    for (long i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 8; i++)
        printf("%.12f\n", sums[i]);
    fflush(stdout);
    for (int i = 0; i < 3; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            _exit(10 + i);
        waitpid(child, &status, 0);
        printf("child %d\n", WEXITSTATUS(status));
    }
    signal(SIGUSR1, count);
    for (int i = 0; i < 20; i++)
        raise(SIGUSR1);
    printf("signals %d\n", (int)signals);
    char name[] = "/tmp/aarch64-XXXXXX";
    int file = mkstemp(name);
    for (int i = 0; i < 100; i++)
        if (write(file, "0123456789", 10) != 10)
            return 1;
    printf("size %ld\n", (long)lseek(file, 0, SEEK_END));
    close(file);
    unlink(name);
    int ends[2];
    if (pipe(ends) != 0)
        return 1;
    printf("pipe %zd\n", write(ends[1], "x", 1));
    return 0;
}
