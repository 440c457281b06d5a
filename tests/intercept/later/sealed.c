/* sealed: sealed CASE COUNT. Installs a seccomp filter that kills on nearly every call, then makes calls from COUNT
 * addresses that nobody has seen before. The interceptor may add none of its own.
 *
 *   calls     getppid from each address
 *   handlers  the same in the handler of a signal, which is installed after the filter
 *   children  the same in a child of fork
 *   threads   the same in threads; here the filter kills on prctl only
 * Prints how many of the calls gave what a hook answers (4711), and how many the truth. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { code_bytes = 16, counts_max = 1024 };

static unsigned char *code;
static unsigned count, used, answered, truths;
static long parent;

/* mov $SYS_getppid, %eax ; syscall ; ret, at `count` places */
static void make_code(void) {
    code = mmap(NULL, counts_max * code_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < counts_max; i++)
        memcpy(code + i * code_bytes, "\xb8\x6e\0\0\0\x0f\x05\xc3", 8);
    mprotect(code, counts_max * code_bytes, PROT_READ | PROT_EXEC);
}

static void make_calls(void) {
    for (unsigned i = 0; i < count; i++) {
        unsigned char *place = code + used++ * code_bytes;
        long (*call)(void);
        memcpy(&call, &place, sizeof call);
        long result = call();
        answered += result == 4711;
        truths += result == parent;
    }
}

static void on_signal(int number) {
    (void)number;
    make_calls();
}

static void *in_thread(void *unused) {
    make_calls();
    return unused;
}

/* Kills on every call but those; `all_but` the other way round. */
static int install(const int *numbers, unsigned number_count, int all_but) {
    struct sock_filter steps[32] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned at = 1;
    /* Where programs may not set FS themselves, a static one cannot be served without it. */
    if (!all_but && (getauxval(AT_HWCAP2) & 2 /* HWCAP2_FSGSBASE */) == 0) {
        steps[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 1);
        steps[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    for (unsigned i = 0; i < number_count; i++)
        steps[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)numbers[i],
                                                   (unsigned char)(number_count - i), 0);
    unsigned kill = SECCOMP_RET_KILL_PROCESS, allow = SECCOMP_RET_ALLOW;
    steps[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, all_but ? allow : kill);
    steps[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, all_but ? kill : allow);
    struct sock_fprog program = {(unsigned short)at, steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static void say(const char *what) {
    char line[100];
    int length = snprintf(line, sizeof line, "%s: %u answered, %u true\n", what, answered, truths);
    if (write(1, line, (size_t)length) != length)
        _exit(4);
}

int main(int argc, char **argv) {
    static const int few[] = {SYS_getppid,      SYS_write,     SYS_exit_group, SYS_rt_sigreturn,
                              SYS_rt_sigaction, SYS_setitimer, SYS_pause};
    static const int forking[] = {SYS_getppid, SYS_write, SYS_exit_group,      SYS_rt_sigreturn,   SYS_clone,
                                  SYS_fork,    SYS_wait4, SYS_set_robust_list, SYS_rt_sigprocmask, SYS_gettid};
    static const int prctl_only[] = {SYS_prctl};
    if (argc < 3)
        return 2;
    count = (unsigned)atoi(argv[2]);
    const long own = getpid();
    FILE *status = fopen("/proc/self/stat", "r"); /* libc's getppid may be answered */
    if (status == NULL || fscanf(status, "%*d %*s %*c %ld", &parent) != 1)
        return 2;
    fclose(status);
    make_code();
    if (strcmp(argv[1], "calls") == 0) {
        if (!install(few, 4, 0))
            return 3;
        make_calls();
    } else if (strcmp(argv[1], "handlers") == 0) {
        if (!install(few, 7, 0))
            return 3;
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        if (sigaction(SIGALRM, &action, NULL) != 0 || sigaction(SIGALRM, NULL, &action) != 0 ||
            action.sa_handler != on_signal)
            return 4;
        if (syscall(SYS_rt_sigaction, SIGALRM, 8L, NULL, 8L) != -1 || errno != EFAULT)
            return 5;
        long interval[4] = {0, 0, 0, 1000};
        syscall(SYS_setitimer, 0, interval, NULL);
        while (used == 0)
            syscall(SYS_pause);
    } else if (strcmp(argv[1], "children") == 0) {
        if (!install(forking, sizeof forking / sizeof *forking, 0))
            return 3;
        long grandparent = parent;
        parent = own;
        pid_t child = fork();
        if (child == 0) {
            make_calls();
            say("child");
            _exit(0);
        }
        int ended = -1;
        if (child < 0 || waitpid(child, &ended, 0) != child || ended != 0)
            return 6;
        parent = grandparent;
        make_calls();
    } else if (strcmp(argv[1], "threads") == 0) {
        if (!install(prctl_only, 1, 1))
            return 3;
        pthread_t thread;
        if (pthread_create(&thread, NULL, in_thread, NULL) == 0)
            pthread_join(thread, NULL);
        else
            say("not made");
        make_calls();
    }
    say(argv[1]);
    _exit(0);
}
