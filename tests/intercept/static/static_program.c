// static_program: linked statically, so that it has a C library and a thread pointer of
// its own. Does what programs do; says "ok" after each part that went right.
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int right, const char *what) {
    if (right)
        return;
    printf("WRONG: %s\n", what);
    fflush(stdout);
    _exit(1);
}

static void part(const char *name) {
    printf("%s ok\n", name);
    fflush(stdout);
}

static __thread long own = 7;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t robust;
static int count;

static void *worker(void *argument) {
    long number = (long)argument;
    own = number;
    for (int i = 0; i < 50; i++) {
        int descriptor = open("/dev/null", O_RDONLY);
        check(descriptor >= 0 && close(descriptor) == 0, "open in a thread");
        check(open("/nonexistent/file", O_RDONLY) == -1 && errno == ENOENT, "errno of a thread");
        check(own == number, "the thread's own variable");
        pthread_mutex_lock(&mutex);
        count++;
        pthread_mutex_unlock(&mutex);
    }
    return (void *)(number * 2);
}

static void *rounding(void *argument) {
    (void)argument;
    return (void *)(long)fegetround();
}

static void *owner_that_dies(void *argument) {
    (void)argument;
    pthread_mutex_lock(&robust);
    return NULL;
}

static void threads(void) {
    for (int round = 0; round < 20; round++) {
        pthread_t all[8];
        for (long i = 0; i < 8; i++)
            check(pthread_create(&all[i], NULL, worker, (void *)(i + 1)) == 0, "pthread_create");
        for (long i = 0; i < 8; i++) {
            void *result;
            pthread_join(all[i], &result);
            check((long)result == (i + 1) * 2, "what a thread returned");
        }
    }
    check(count == 20 * 8 * 50 && own == 7, "count");
    // Small stacks: hooks do not live on them.
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    pthread_t thread;
    void *result;
    check(pthread_create(&thread, &small, worker, (void *)5) == 0, "a 16 KiB stack");
    pthread_join(thread, &result);
    fesetround(FE_UPWARD);
    pthread_create(&thread, NULL, rounding, NULL);
    fesetround(FE_TONEAREST);
    pthread_join(thread, &result);
    check((long)result == FE_UPWARD, "the rounding mode is inherited");
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    pthread_create(&thread, NULL, owner_that_dies, NULL);
    pthread_join(thread, NULL);
    check(pthread_mutex_lock(&robust) == EOWNERDEAD, "a robust mutex of a dead thread");
    part("threads");
}

static sigjmp_buf back;
static volatile int handled;
static void *volatile handler_stack;

static void count_signal(int number) {
    char here;
    handler_stack = &here;
    handled++;
    check(number == SIGUSR1 && own == 7 && getppid() > 0, "in a handler");
    errno = EXDEV;
}

static void jump(int number) {
    (void)number;
    siglongjmp(back, 1);
}

static void signals(void) {
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_ONSTACK | SA_RESETHAND};
    struct sigaction seen;
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR1, NULL, &seen);
    check(seen.sa_handler == count_signal && (seen.sa_flags & SA_ONSTACK) != 0, "the program's own action");
    raise(SIGUSR1);
    check(handled == 1 && errno == EXDEV, "a handler ran");
    check((char *)handler_stack >= stack && (char *)handler_stack < stack + sizeof stack, "on the alternate stack");
    sigaction(SIGUSR1, NULL, &seen);
    check(seen.sa_handler == SIG_DFL, "SA_RESETHAND");
    action.sa_flags = 0;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < 100; i++)
        raise(SIGUSR1);
    check(handled == 101, "a hundred handlers");
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &former);
    kill(getpid(), SIGUSR1);
    check(getppid() > 0 && handled == 101, "calls with all blocked");
    sigprocmask(SIG_SETMASK, NULL, &all);
    check(sigismember(&all, SIGSYS) == 1, "the mask that was asked for");
    sigprocmask(SIG_SETMASK, &former, NULL);
    check(handled == 102, "the blocked one came");
    signal(SIGALRM, jump);
    for (volatile int i = 0; i < 50; i++) {
        struct itimerval timer = {{0, 0}, {0, 200 + 13 * i}};
        if (sigsetjmp(back, 1) == 0) {
            setitimer(ITIMER_REAL, &timer, NULL);
            for (;;)
                getppid();
        }
    }
    check(own == 7, "after jumps out of handlers");
    part("signals");
}

// How many bytes of the program's stack a call uses: the signal frame of the trap, and not the hooks' frames.
static size_t stack_of_a_call(void) {
    static unsigned char area[1 << 16];
    memset(area, 0x5a, sizeof area);
    unsigned char *top = area + sizeof area - 256;
    long number = SYS_getppid;
    __asm__ volatile("mov %%rsp, %%rbx\n\tmov %1, %%rsp\n\tsyscall\n\tmov %%rbx, %%rsp"
                     : "+a"(number)
                     : "r"(top)
                     : "rbx", "rcx", "r11", "memory");
    size_t untouched = 0;
    while (untouched < sizeof area && area[untouched] == 0x5a)
        untouched++;
    return sizeof area - untouched;
}

static void children(const char *self) {
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        own = 9;
        pthread_create(&thread, NULL, worker, (void *)3);
        pthread_join(thread, NULL);
        _exit(own == 9 ? 4 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 4, "a forked child with threads");
    const size_t used = stack_of_a_call();
    child = vfork();
    if (child == 0) {
        execl(self, self, "child", (char *)NULL);
        _exit(1);
    }
    const size_t used_after_vfork = stack_of_a_call();
    waitpid(child, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 3, "a vfork child that execs");
    check(used_after_vfork == used, "hooks keep off the program's stack after a vfork child's exec");
    char *arguments[] = {(char *)self, "child", NULL};
    check(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0, "posix_spawn");
    waitpid(child, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 3, "a spawned child");
    child = fork();
    if (child == 0)
        abort();
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "a child that aborts");
    check(system("echo from a shell") == 0, "system");
    part("children");
}

static void oddities(void) {
    // Code made at run time.
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, "\xb8\x27\0\0\0\x0f\x05\xc3", 8);
    int (*code)(void);
    memcpy(&code, &page, sizeof code);
    check(code() == getpid(), "code made at run time");
    if (getenv("PROGRAM_IS_GUEST") != NULL)
        check(syscall(SYS_arch_prctl, 0x1001, 0x1234) == -1 && errno == EPERM, "GS is taken");
    check(getauxval(AT_PHNUM) > 0 && getauxval(AT_SYSINFO_EHDR) != 0, "the auxiliary vector");
    static char aligned[1 << 21] __attribute__((aligned(1 << 21))) = {1};
    char *volatile where = aligned;
    check((uintptr_t)where % (1 << 21) == 0, "a variable that is aligned to 2 MiB");
    check(syscall(SYS_clone3, 8L, 88L) == -1 && errno == EFAULT, "clone3 of nothing");
    void *now = sbrk(0);
    check(sbrk(4096) == now && (char *)sbrk(0) == (char *)now + 4096, "brk");
    check(syscall(100000) == -1 && errno == ENOSYS, "a number that is none");
    part("oddities");
}

// As musl moves its break: it is nobody else's, so it need not be asked for again.
static int own_break(void) {
    char *first = (char *)syscall(SYS_brk, 0);
    char *end = first;
    for (int i = 0; i < 50; i++) {
        if ((char *)syscall(SYS_brk, end + 8192) != end + 8192)
            return 1;
        memset(end, 0xaa, 8192);
        end += 8192;
        getppid(); // where a hook may want memory, too
    }
    for (char *at = first; at < end; at++)
        if (*at != (char)0xaa)
            return 1;
    if ((char *)syscall(SYS_brk, first + 100) != first + 100 || (char *)syscall(SYS_brk, 4096) != first + 100 ||
        (char *)syscall(SYS_brk, end) != end)
        return 1;
    const uintptr_t next_page =
        ((uintptr_t)first + 100 + 4095) & ~(uintptr_t)4095; // what was given back comes back empty
    for (const char *at = end - 1; (uintptr_t)at >= next_page; at--)
        if (*at != 0)
            return 1;
    puts("break ok");
    return 0;
}

// What ps shows.
static void print_file(const char *path) {
    char text[4096];
    int descriptor = open(path, O_RDONLY);
    ssize_t length = read(descriptor, text, sizeof text);
    close(descriptor);
    for (ssize_t i = 0; i < length; i++)
        putchar(text[i] == 0 ? ' ' : text[i]);
    putchar('\n');
}

int main(int argc, char **argv) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    check(length > 0, "/proc/self/exe");
    path[length] = 0;
    struct stat by_link;
    struct stat by_path;
    check(stat("/proc/self/exe", &by_link) == 0 && stat(path, &by_path) == 0 && by_link.st_ino == by_path.st_ino,
          "what /proc/self/exe leads to");
    check(lstat("/proc/self/exe", &by_link) == 0 && S_ISLNK(by_link.st_mode), "/proc/self/exe is a link");
    if (argc > 1 && strcmp(argv[1], "child") == 0)
        return 3;
    if (argc > 1 && strcmp(argv[1], "few") == 0) {
        length = readlink("/proc/self/exe", path, 5);
        path[length > 0 ? length : 0] = 0;
        length = syscall(SYS_readlink, "/proc/self/exe", 8L, 5L);
        printf("%s %d\n", path, length == -1 ? -errno : 0);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "break") == 0)
        return own_break();
    if (argc > 1 && strcmp(argv[1], "parent") == 0) {
        printf("parent %d\n", getppid());
        return 0;
    }
    printf("exe %s\narguments %d %s\n", strrchr(path, '/') + 1, argc, argc > 1 ? argv[1] : "none");
    printf("variable %s, ours %s\n", getenv("PROGRAM_VARIABLE") ? getenv("PROGRAM_VARIABLE") : "none",
           getenv("INTERCEPT_RUN") ? "seen" : "hidden");
    print_file("/proc/self/cmdline");
    print_file("/proc/self/comm");
    threads();
    signals();
    children(path);
    oddities();
    return 5;
}
