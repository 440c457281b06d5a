// Signals under the preload library: the application's handlers run, when and as
// they should, and bad pointers are EFAULT.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

std::string in_pool(const std::string &name) {
    return std::string(getenv("POOL_DIRECTORY")) + "/" + name;
}

volatile uintptr_t bad_address = 16; // volatile: the compiler would warn
std::atomic<int> caught = 0;
std::atomic<bool> mask_was_right = true;
sigjmp_buf jump;

void count(int) {
    caught++;
}

void count_with_mask(int, siginfo_t *info, void *context) {
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    if (!sigismember(&now, SIGUSR1) || !sigismember(&now, SIGUSR2) || sigismember(&now, SIGHUP) ||
        info->si_signo != SIGUSR1 || info->si_pid != getpid() || context == nullptr)
        mask_was_right = false;
    caught++;
}

void jump_out(int) {
    siglongjmp(jump, 1);
}

void set_timer(long microseconds) {
    const itimerval value = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &value, nullptr);
}

// How a child ends that does `body`.
template <typename Body> int status_of(Body body) {
    const pid_t child = fork();
    if (child == 0) {
        const rlimit none = {};
        setrlimit(RLIMIT_CORE, &none);
        body();
        _exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

TEST(Signals, ActionsAreShownAsSet) {
    struct sigaction wanted = {};
    wanted.sa_sigaction = count_with_mask;
    wanted.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
    sigaddset(&wanted.sa_mask, SIGUSR2);
    struct sigaction former = {};
    for (const int number : {SIGUSR1, SIGSEGV, SIGBUS}) {
        ASSERT_EQ(sigaction(number, &wanted, &former), 0);
        EXPECT_EQ(former.sa_handler, SIG_DFL) << number;
        struct sigaction now = {};
        ASSERT_EQ(sigaction(number, nullptr, &now), 0);
        EXPECT_EQ(now.sa_sigaction, count_with_mask);
        EXPECT_EQ(now.sa_flags & ~0x04000000, wanted.sa_flags); // without SA_RESTORER, which libc adds
        EXPECT_TRUE(sigismember(&now.sa_mask, SIGUSR2));
        EXPECT_FALSE(sigismember(&now.sa_mask, SIGHUP));
        ASSERT_EQ(sigaction(number, &former, nullptr), 0);
    }
    EXPECT_EQ(sigaction(SIGKILL, &wanted, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST(Signals, HandlerSeesItsMaskAndInformation) {
    struct sigaction wanted = {};
    wanted.sa_sigaction = count_with_mask;
    wanted.sa_flags = SA_SIGINFO;
    sigaddset(&wanted.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &wanted, nullptr);
    caught = 0;
    mask_was_right = true;
    kill(getpid(), SIGUSR1);
    EXPECT_EQ(caught, 1);
    EXPECT_TRUE(mask_was_right);
    sigset_t after;
    sigprocmask(SIG_BLOCK, nullptr, &after);
    EXPECT_FALSE(sigismember(&after, SIGUSR1));
    EXPECT_FALSE(sigismember(&after, SIGUSR2));
    signal(SIGUSR1, SIG_DFL);
}

TEST(Signals, ResetHandler) {
    struct sigaction wanted = {};
    wanted.sa_handler = count;
    wanted.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGUSR1, &wanted, nullptr);
    caught = 0;
    raise(SIGUSR1);
    EXPECT_EQ(caught, 1);
    struct sigaction now = {};
    sigaction(SIGUSR1, nullptr, &now);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
    EXPECT_EQ(WTERMSIG(status_of([] { raise(SIGUSR1); })), SIGUSR1);
}

TEST(Signals, StormWhileWriting) {
    struct sigaction wanted = {};
    wanted.sa_handler = count;
    wanted.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &wanted, nullptr);
    caught = 0;
    const int descriptor = open(in_pool("storm").c_str(), O_CREAT | O_RDWR | O_TRUNC, 0644);
    ASSERT_GE(descriptor, 0);
    set_timer(50);
    std::string block(10000, 'x');
    for (int i = 0; i < 3000; i++) {
        block[0] = static_cast<char>('a' + i % 26);
        ASSERT_EQ(pwrite(descriptor, block.data(), block.size(), (i % 50) * 10000), 10000) << strerror(errno);
        ASSERT_EQ(rename(in_pool("storm").c_str(), in_pool("storm2").c_str()), 0) << strerror(errno);
        ASSERT_EQ(rename(in_pool("storm2").c_str(), in_pool("storm").c_str()), 0) << strerror(errno);
    }
    set_timer(0);
    EXPECT_GT(caught, 100);
    char first = 0;
    EXPECT_EQ(pread(descriptor, &first, 1, 490000), 1);
    EXPECT_EQ(first, 'a' + 2999 % 26);
    close(descriptor);
    signal(SIGALRM, SIG_DFL);
}

// A handler that leaves by siglongjmp never leaves the engine half way.
TEST(Signals, JumpsOutOfAStorm) {
    struct sigaction wanted = {};
    wanted.sa_handler = jump_out;
    sigaction(SIGALRM, &wanted, nullptr);
    const int descriptor = open(in_pool("jumps").c_str(), O_CREAT | O_RDWR | O_TRUNC, 0644);
    ASSERT_GE(descriptor, 0);
    static std::string block(50000, 'j');
    volatile int jumps = 0;
    if (sigsetjmp(jump, 1) != 0)
        jumps = jumps + 1;
    if (jumps < 300) {
        set_timer(300);
        for (;;)
            if (pwrite(descriptor, block.data(), block.size(), 0) != 50000)
                break;
    }
    set_timer(0);
    signal(SIGALRM, SIG_DFL);
    EXPECT_EQ(jumps, 300);
    EXPECT_EQ(pwrite(descriptor, "end", 3, 50000), 3);
    close(descriptor);
}

TEST(Signals, InterruptWaitingForALock) {
    const int descriptor = open(in_pool("waited").c_str(), O_CREAT | O_RDWR, 0644);
    const int other = open(in_pool("waited").c_str(), O_RDWR);
    ASSERT_EQ(flock(descriptor, LOCK_EX), 0);
    struct sigaction wanted = {};
    wanted.sa_handler = count;
    sigaction(SIGALRM, &wanted, nullptr);
    caught = 0;
    set_timer(20000);
    EXPECT_EQ(flock(other, LOCK_EX), -1);
    EXPECT_EQ(errno, EINTR);
    set_timer(0);
    EXPECT_GE(caught, 1);
    // With SA_RESTART it goes on waiting until we give the lock back.
    const pid_t child = fork();
    if (child == 0) {
        wanted.sa_flags = SA_RESTART;
        sigaction(SIGALRM, &wanted, nullptr);
        caught = 0;
        set_timer(10000);
        const int mine = open(in_pool("waited").c_str(), O_RDWR);
        const int locked = flock(mine, LOCK_EX);
        _exit(locked == 0 && caught > 2 ? 0 : 1);
    }
    usleep(100000);
    ASSERT_EQ(flock(descriptor, LOCK_UN), 0);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    close(other);
    close(descriptor);
    signal(SIGALRM, SIG_DFL);
}

TEST(Signals, BadPointersAreErrors) {
    const int descriptor = open(in_pool("pointers").c_str(), O_CREAT | O_RDWR | O_TRUNC, 0644);
    ASSERT_EQ(write(descriptor, "text", 4), 4);
    auto *bad = reinterpret_cast<char *>(bad_address);
    EXPECT_EQ(pwrite(descriptor, bad, 4, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(pread(descriptor, bad, 4, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(fstat(descriptor, reinterpret_cast<struct stat *>(bad)), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(open(bad, O_RDONLY), -1);
    EXPECT_EQ(errno, EFAULT);
    // A page that may only be read; and one behind the end of a mapped file (SIGBUS).
    void *page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(pread(descriptor, page, 4, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    munmap(page, 4096);
    FILE *empty = tmpfile();
    void *beyond = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(empty), 0);
    EXPECT_EQ(pread(descriptor, beyond, 4, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    munmap(beyond, 4096);
    fclose(empty);
    close(descriptor);
}

TEST(Signals, FaultsOfTheProgramsOwn) {
    auto crash = [] { *reinterpret_cast<volatile int *>(bad_address) = 1; };
    int status = status_of(crash);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGSEGV);
    // With a handler of its own: it runs, and may jump out.
    struct sigaction wanted = {};
    struct sigaction former = {};
    wanted.sa_handler = jump_out;
    sigaction(SIGSEGV, &wanted, &former);
    volatile bool jumped = true;
    if (sigsetjmp(jump, 1) == 0) {
        crash();
        jumped = false;
    }
    EXPECT_TRUE(jumped);
    sigaction(SIGSEGV, &former, nullptr);
    // Ignored: sent ones are, real ones kill all the same.
    status = status_of([&] {
        signal(SIGSEGV, SIG_IGN);
        kill(getpid(), SIGSEGV);
        crash();
    });
    EXPECT_EQ(WTERMSIG(status), SIGSEGV);
    EXPECT_EQ(status_of([] {
                  signal(SIGSEGV, SIG_IGN);
                  kill(getpid(), SIGSEGV);
              }),
              0);
    status = status_of([] { kill(getpid(), SIGBUS); });
    EXPECT_EQ(WTERMSIG(status), SIGBUS);
    status = status_of([] { abort(); });
    EXPECT_EQ(WTERMSIG(status), SIGABRT);
}

TEST(Signals, IgnoredOnesStayIgnoredOverExec) {
    const int status = status_of([] {
        signal(SIGSEGV, SIG_IGN);
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, count);
        execl("/bin/sh", "sh", "-c", "kill -SEGV $$; kill -USR1 $$; kill -USR2 $$; exit 1", nullptr);
    });
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGUSR2); // handlers become SIG_DFL
}

// Another thread changes an action all the time: a child has the former one or the next one, whole.
TEST(Signals, ForkBesideSigaction) {
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        struct sigaction wanted = {};
        wanted.sa_handler = count;
        while (!is_over)
            sigaction(SIGUSR1, &wanted, nullptr);
    });
    signal(SIGUSR1, count);
    int stuck = 0;
    for (int round = 0; round < 100 && stuck == 0; round++) {
        const pid_t child = fork();
        if (child == 0) {
            raise(SIGUSR1);
            _exit(0);
        }
        pid_t ended = 0;
        for (int tries = 0; tries < 50'000 && ended == 0; tries++) { // five seconds
            ended = waitpid(child, nullptr, WNOHANG);
            if (ended == 0)
                usleep(100);
        }
        stuck += ended != child;
        if (ended != child) {
            kill(child, SIGKILL);
            waitpid(child, nullptr, 0);
        }
    }
    is_over = true;
    other.join();
    signal(SIGUSR1, SIG_DFL);
    EXPECT_EQ(stuck, 0);
}

volatile pid_t handled_in = 0;

// What is sent to a process that forks is not its child's, who has no timer.
TEST(Signals, ForkUnderAStorm) {
    struct sigaction wanted = {};
    wanted.sa_handler = [](int) { handled_in = getpid(); };
    wanted.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &wanted, nullptr);
    set_timer(50);
    int wrong = 0;
    for (int round = 0; round < 200; round++) {
        const pid_t child = fork();
        if (child == 0)
            _exit(handled_in == getpid());
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        wrong += status != 0;
    }
    set_timer(0);
    signal(SIGALRM, SIG_DFL);
    EXPECT_EQ(wrong, 0);
}

// A handler for once that has run in a vfork child is still the parent's.
TEST(Signals, ResetHandlerInAVforkChild) {
    struct sigaction wanted = {};
    wanted.sa_handler = count;
    wanted.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGUSR1, &wanted, nullptr);
    caught = 0;
    const pid_t child = vfork();
    if (child == 0) {
        kill(getpid(), SIGUSR1);
        _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(caught, 1);
    struct sigaction now = {};
    sigaction(SIGUSR1, nullptr, &now);
    ASSERT_EQ(now.sa_handler, count);
    raise(SIGUSR1);
    EXPECT_EQ(caught, 2);
}

// At a thread's first call and at its end: one whose handler makes calls there leaves nothing behind, neither memory
// nor (as run_in_pool.sh looks for) the runtime file, whose last process would count it for ever.
TEST(Signals, StormOverThreadsThatComeAndGo) {
    static const std::string path = in_pool("opened");
    close(open(path.c_str(), O_CREAT | O_RDWR, 0644));
    struct sigaction wanted = {};
    wanted.sa_handler = [](int) { close(open(path.c_str(), O_RDONLY)); };
    wanted.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &wanted, nullptr);
    sigset_t alarm;
    sigset_t former;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    set_timer(50);
    for (int i = 0; i < 2000; i++) {
        pthread_t thread;
        const auto body = [](void *) -> void * {
            close(open(path.c_str(), O_RDONLY));
            syscall(SYS_exit, 0); // libc's own end blocks signals
            return nullptr;
        };
        ASSERT_EQ(pthread_create(&thread, nullptr, body, nullptr), 0);
        pthread_sigmask(SIG_BLOCK, &alarm, &former);
        pthread_join(thread, nullptr);
        pthread_sigmask(SIG_SETMASK, &former, nullptr);
    }
    set_timer(0);
    signal(SIGALRM, SIG_DFL);
}

int told_of_signal = -1;

void tell(int) {
    static_cast<void>(write(told_of_signal, "x", 1));
}

// A signal that comes while a process is on its way to another program has the old one's handler or the new one's
// default action.
TEST(Signals, NoneIsLostInExec) {
    const std::string program = in_pool("sleeps");
    ASSERT_EQ(system(("cp /bin/sleep " + program).c_str()), 0);
    int lost = 0;
    for (int round = 0; round < 300; round++) {
        int told[2];
        int ready[2];
        char byte = 0;
        ASSERT_EQ(pipe2(told, O_CLOEXEC | O_NONBLOCK) | pipe2(ready, O_CLOEXEC), 0);
        const pid_t child = fork();
        if (child == 0) {
            told_of_signal = told[1];
            signal(SIGUSR1, tell);
            static_cast<void>(write(ready[1], "x", 1));
            execl(program.c_str(), "sleep", "100", nullptr);
            _exit(9);
        }
        ASSERT_EQ(read(ready[0], &byte, 1), 1);
        usleep(static_cast<useconds_t>(round * 10));
        kill(child, SIGUSR1);
        const bool is_handled = [&] {
            int status = 0;
            for (int tries = 0; tries < 2000; tries++) {
                if (read(told[0], &byte, 1) == 1)
                    return true;
                if (waitpid(child, &status, WNOHANG) == child)
                    return WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1;
                usleep(1000);
            }
            return false;
        }();
        lost += !is_handled;
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        for (const int descriptor : {told[0], told[1], ready[0], ready[1]})
            close(descriptor);
    }
    EXPECT_EQ(lost, 0);
}

// One that comes again and again does not keep a process from executing.
TEST(Signals, ExecUnderAStorm) {
    const std::string program = in_pool("ends");
    ASSERT_EQ(system(("cp /bin/true " + program).c_str()), 0);
    for (int round = 0; round < 5; round++) {
        const int status = status_of([&] {
            struct sigaction wanted = {};
            wanted.sa_handler = [](int) {
                static int times = 0;
                if (++times == 50'000) // five seconds
                    _exit(8);
            };
            wanted.sa_flags = SA_RESTART;
            sigaction(SIGALRM, &wanted, nullptr);
            set_timer(100);
            execl(program.c_str(), "true", nullptr);
        });
        // The new image has the default action until it ends.
        EXPECT_TRUE(status == 0 || WTERMSIG(status) == SIGALRM) << status;
    }
}

} // namespace
