/* Many calls in the ways that are hard for a tracer. Usage: storm_program MODE [N]
 *   calls N     N times getppid
 *   threads N   N threads one after the other, ten times getppid each
 *   signals N   N signals to itself; the handler calls getppid, and so does the loop
 *   jump N      the same, but the handler leaves by siglongjmp
 *   vfork N     N children by vfork, which call getppid and exec true
 *   shared N    a child that shares memory and thread-local storage and runs at the same time: it calls
 *               getsid N times and executes true; its parent calls getppid meanwhile and afterwards
 *   unknown     a call number that does not exist, and one far out
 *   pointers    bad pointers in every place
 *   seccomp     a filter that kills on process_vm_readv, then failing calls
 *   sleep       waits in read until it is killed
 *   daemon      a grandchild goes on after the program has ended */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int jumps;

static void *thread(void *unused) {
    for (int i = 0; i < 10; i++)
        getppid();
    return unused;
}

static void handler(int number) {
    (void)number;
    getppid();
    if (jumps)
        siglongjmp(back, 1);
}

static void pointers(void) {
    static const long numbers[] = {
        SYS_read,         SYS_write,   SYS_openat, SYS_newfstatat, SYS_execve, SYS_writev,   SYS_sendmsg, SYS_recvmsg,
        SYS_rt_sigaction, SYS_connect, SYS_ioctl,  SYS_nanosleep,  SYS_getcwd, SYS_readlink, SYS_statx,   SYS_setxattr};
    /* One readable page with an unreadable one behind it, and places nobody has. */
    long bad[] = {1, 4096, -4096, 0x7fffffffe000, (long)0x8000000000000000};
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        for (unsigned k = 0; k < sizeof bad / sizeof bad[0]; k++) {
            syscall(numbers[i], bad[k], bad[k], bad[k], bad[k], bad[k], bad[k]);
            syscall(numbers[i], 0L, bad[k], 8L, bad[k], 0L, 0L);
            syscall(numbers[i], -1L, bad[k], 1L << 40, bad[k], 0L, 0L);
        }
    struct iovec parts[2] = {{"good", 4}, {(void *)1, 100}};
    syscall(SYS_writev, -1, parts, 2);
    syscall(SYS_writev, -1, parts, 1L << 30);
}

/* Pointers that the kernel has not looked at when the call ends, well or not. */
static void unread_pointers(void) {
    const long bad = 8;
    syscall(SYS_rename, "/nowhere/x", bad);
    syscall(SYS_link, "/nowhere/x", bad);
    syscall(SYS_linkat, AT_FDCWD, "/dev/null/x", AT_FDCWD, bad, 0L);
    int ends[2], polled = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {NULL}};
    if (pipe(ends) != 0 || epoll_ctl(polled, EPOLL_CTL_ADD, ends[0], &event) != 0 ||
        syscall(SYS_epoll_ctl, polled, EPOLL_CTL_DEL, ends[0], bad) != 0)
        _exit(1);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    if (syscall(SYS_wait4, child, bad, WNOHANG, bad) != 0 ||
        syscall(SYS_waitid, P_PID, child, NULL, WNOHANG | WEXITED, bad) != 0)
        _exit(1);
    close(ends[1]);
    if (waitpid(child, NULL, 0) != child)
        _exit(1);
    /* A socket's name, with room for two bytes. */
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int pair[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = 2;
    if (page == MAP_FAILED || munmap(page + 4096, 4096) != 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0 ||
        bind(pair[0], (struct sockaddr *)&address, sizeof address.sun_family) != 0 || /* the kernel gives one */
        getsockname(pair[0], (struct sockaddr *)(page + 4094), &length) != 0)
        _exit(1);
}

static void filter(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        exit(9);
    if (write(-1, "abc", 3) != -1 || errno != EBADF)
        exit(8);
}

static int shared_calls;
static char child_stack[256 << 10] __attribute__((aligned(16)));

static int shared_child(void *unused) {
    (void)unused;
    for (int k = 0; k < shared_calls; k++)
        syscall(SYS_getsid, 0L);
    execl("/bin/true", "true", (char *)NULL);
    return 1;
}

static int shared(int count) {
    shared_calls = count;
    pid_t child = clone(shared_child, child_stack + sizeof child_stack, CLONE_VM | SIGCHLD, NULL);
    int status = 1;
    for (int k = 0; k < count; k++)
        getppid();
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return 1;
    for (int k = 0; k < count; k++)
        getppid();
    return 0;
}

static int i; /* a longjmp or a vfork child leaves it alone */

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 1;
    if (strcmp(mode, "calls") == 0) {
        for (i = 0; i < count; i++)
            getppid();
    } else if (strcmp(mode, "threads") == 0) {
        for (i = 0; i < count; i++) {
            pthread_t id;
            if (pthread_create(&id, NULL, thread, NULL) != 0)
                return 1;
            pthread_join(id, NULL);
        }
    } else if (strcmp(mode, "signals") == 0 || strcmp(mode, "jump") == 0) {
        pid_t parent = getpid();
        jumps = strcmp(mode, "jump") == 0;
        signal(SIGUSR1, handler);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, NULL);
        static pid_t child;
        child = fork();
        if (child == 0) {
            for (i = 0; i < count; i++) {
                kill(parent, SIGUSR1);
                for (volatile int k = 0; k < 3000; k++) {
                }
            }
            _exit(0);
        }
        sigsetjmp(back, 0);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        while (waitpid(child, NULL, WNOHANG) == 0)
            getppid();
    } else if (strcmp(mode, "vfork") == 0) {
        for (i = 0; i < count; i++) {
            pid_t child = vfork();
            if (child == 0) {
                getppid();
                execl("/bin/true", "true", (char *)NULL);
                _exit(1);
            }
            int status = 1;
            if (waitpid(child, &status, 0) != child || status != 0)
                return 1;
            getppid();
        }
    } else if (strcmp(mode, "shared") == 0) {
        return shared(count);
    } else if (strcmp(mode, "unknown") == 0) {
        syscall(499L, 1L, 2L, 3L, 4L, 5L, 6L);
        syscall(60000L, 7L);
        syscall(-5L, 7L);
    } else if (strcmp(mode, "pointers") == 0) {
        pointers();
        unread_pointers();
    } else if (strcmp(mode, "seccomp") == 0) {
        filter();
    } else if (strcmp(mode, "sleep") == 0) {
        int ends[2];
        char byte;
        if (pipe(ends) != 0)
            return 1;
        puts("asleep");
        fflush(stdout);
        if (read(ends[0], &byte, 1) != 1)
            return 1;
    } else if (strcmp(mode, "daemon") == 0) {
        if (fork() == 0) {
            setsid();
            usleep(300000);
            getppid();
            _exit(6);
        }
    } else {
        return 99;
    }
    return 0;
}
