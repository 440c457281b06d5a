// trap: what is particular to level 2. The other files of this program are those of the
// level 0 tests, whose sites are trapped here.
#include "base/raw_syscall.h"
#include "tests/intercept/call_fixture.h"

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Code = long (*)();

// Code made at run time: mov $nr, %eax ; syscall ; ret
Code make_code(int number) {
    auto *page =
        static_cast<uint8_t *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    page[0] = 0xb8;
    memcpy(page + 1, &number, 4);
    memcpy(page + 5, "\x0f\x05\xc3", 3);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    return reinterpret_cast<Code>(page);
}

intercept_statistics statistics() {
    intercept_statistics result;
    intercept_get_statistics(&result);
    return result;
}

TEST_F(Call, CodeMadeAtRunTimeIsTrapped) {
    Code code = make_code(SYS_getppid);
    EXPECT_EQ(code(), getppid()) << "nobody hooked it";
    size_t before = statistics().trap_sites;
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    EXPECT_EQ(code(), 42);
    EXPECT_EQ(code(), 42);
    EXPECT_EQ(statistics().trap_sites, before) << "one stub for an address";
    EXPECT_EQ(statistics().traps_on, 1);
    Code other = make_code(SYS_getppid);
    EXPECT_EQ(other(), 42);
    EXPECT_EQ(statistics().trap_sites, before + 1);
}

TEST_F(Call, TheHookSeesTheAddressOfTheTrappedCall) {
    static const void *address;
    on_hook = [](intercept_call *call) -> int {
        address = intercept_call_address(call);
        return answer_42(call);
    };
    catch_calls({SYS_getppid});
    Code code = make_code(SYS_getppid);
    EXPECT_EQ(code(), 42);
    EXPECT_EQ(address, reinterpret_cast<const char *>(code) + 5);
}

TEST_F(Call, NewCodeAtAnOldAddress) {
    Code code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid, SYS_getpgid});
    EXPECT_EQ(code(), 42);
    auto *page = reinterpret_cast<uint8_t *>(code);
    mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
    page[1] = SYS_gettid;
    EXPECT_EQ(code(), gettid());
    page[1] = SYS_getpgid;
    EXPECT_EQ(code(), 42);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

TEST_F(Call, OwnCallsOfTheHooksPass) {
    static int depth;
    on_hook = [](intercept_call *call) -> int {
        depth++;
        call->result = base::raw_syscall(SYS_getppid); // of this program, which is outside the exempt range
        return INTERCEPT_HANDLED;
    };
    catch_calls({SYS_getppid});
    depth = 0;
    EXPECT_EQ(make_code(SYS_getppid)(), base::raw_syscall(SYS_getppid));
    EXPECT_EQ(depth, 1);
}

TEST_F(Call, NewThreadsAreTrapped) {
    Code code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    std::atomic<int> right = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&] {
            std::thread inner([&] { right += code() == 42 ? 1 : 0; });
            for (int k = 0; k < 1000; k++)
                right += code() == 42 ? 1 : 0;
            inner.join();
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(right, 8 * 1001);
}

TEST_F(Call, AThreadThatWasThereBeforeIsTrapped) {
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    EXPECT_EQ(early_thread_call(), 42);
}

// Many threads meet many new addresses at a time.
TEST_F(Call, StubsAreMadeInManyThreads) {
    constexpr int pages = 400;
    static Code codes[pages];
    for (Code &code : codes)
        code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&] {
            for (Code code : codes)
                wrong += code() != 42 ? 1 : 0;
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
}

TEST_F(Call, ForkedChildrenAreTrapped) {
    Code code = make_code(SYS_getppid);
    Code fork_code = make_code(SYS_fork);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    pid_t child = fork();
    if (child == 0)
        _exit(code() == 42 && make_code(SYS_getppid)() == 42 ? 0 : 1);
    EXPECT_EQ(wait_for(child), 0);
    child = static_cast<pid_t>(fork_code()); // by a trapped call
    if (child == 0)
        _exit(code() == 42 ? 0 : 1);
    EXPECT_EQ(wait_for(child), 0);
    child = vfork();
    if (child == 0)
        _exit(code() == 42 ? 0 : 1);
    EXPECT_EQ(wait_for(child), 0);
    EXPECT_EQ(code(), 42);
}

TEST_F(Call, TrappedCallsUnderABlockedSigsys) {
    Code code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &former);
    EXPECT_EQ(code(), 42);
    sigset_t seen;
    sigprocmask(SIG_SETMASK, nullptr, &seen);
    EXPECT_TRUE(sigismember(&seen, SIGSYS)) << "the program blocked it";
    EXPECT_TRUE(sigismember(&seen, SIGUSR1));
    sigprocmask(SIG_SETMASK, &former, nullptr);
    sigprocmask(SIG_SETMASK, nullptr, &seen);
    EXPECT_FALSE(sigismember(&seen, SIGSYS));
}

TEST_F(Call, TrappedCallsInHandlersThatBlockAll) {
    static Code code;
    static long result;
    code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    struct sigaction action {};
    action.sa_handler = [](int) { result = code(); };
    sigfillset(&action.sa_mask);
    struct sigaction former {};
    sigaction(SIGUSR1, &action, &former);
    result = 0;
    raise(SIGUSR1);
    EXPECT_EQ(result, 42);
    struct sigaction seen {};
    sigaction(SIGUSR1, &former, &seen);
    EXPECT_TRUE(sigismember(&seen.sa_mask, SIGSYS));
}

// CLONE_CLEAR_SIGHAND, as posix_spawn of newer C libraries has it, takes the traps' handler, too.
TEST_F(Call, ChildWithoutHandlersIsTrapped) {
    Code code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    struct sigaction action {};
    action.sa_handler = [](int) {};
    struct sigaction former {};
    sigaction(SIGUSR1, &action, &former);
    clone_args arguments{};
    arguments.flags = CLONE_CLEAR_SIGHAND;
    arguments.exit_signal = SIGCHLD;
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        struct sigaction seen {};
        sigaction(SIGUSR1, nullptr, &seen);
        _exit(code() == 42 && seen.sa_handler == SIG_DFL ? 0 : 1);
    }
    EXPECT_EQ(wait_for(static_cast<pid_t>(child)), 0);
    struct sigaction seen {};
    sigaction(SIGUSR1, &former, &seen);
    EXPECT_EQ(seen.sa_handler, action.sa_handler) << "the parent keeps its own";
}

TEST_F(Call, AHandlerThatWasForOnceIsGone) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    struct sigaction former {};
    sigaction(SIGUSR1, &action, &former);
    struct sigaction seen {};
    sigaction(SIGUSR1, nullptr, &seen);
    EXPECT_EQ(seen.sa_handler, action.sa_handler);
    raise(SIGUSR1);
    sigaction(SIGUSR1, nullptr, &seen);
    EXPECT_EQ(seen.sa_handler, SIG_DFL);
    sigaction(SIGUSR1, &former, &seen);
    EXPECT_EQ(seen.sa_handler, SIG_DFL);
}

// Calls that wait with a mask: a handler that comes meanwhile makes a trapped call.
TEST_F(Call, WaitingWithSigsysBlocked) {
    static Code code;
    static std::atomic<long> result;
    code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    struct sigaction action {};
    action.sa_handler = [](int) { result = code(); };
    struct sigaction former {};
    sigaction(SIGALRM, &action, &former);
    sigset_t blocked;
    sigset_t old;
    sigset_t wait;
    sigfillset(&wait);
    sigdelset(&wait, SIGALRM);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    timespec long_time{10, 0};
    for (int way = 0; way < 3; way++) {
        result = 0;
        itimerval timer{{0, 0}, {0, 20000}};
        setitimer(ITIMER_REAL, &timer, nullptr);
        int waited = way == 0   ? sigsuspend(&wait)
                     : way == 1 ? ppoll(nullptr, 0, &long_time, &wait)
                                : pselect(0, nullptr, nullptr, nullptr, &long_time, &wait);
        EXPECT_EQ(waited, -1);
        EXPECT_EQ(errno, EINTR);
        EXPECT_EQ(result, 42) << "way " << way;
    }
    sigprocmask(SIG_SETMASK, &old, nullptr);
    sigaction(SIGALRM, &former, nullptr);
}

std::atomic<int> sigsys_count;
void count_sigsys(int, siginfo_t *, void *) {
    sigsys_count++;
    make_code(SYS_getppid)();
}

TEST_F(Call, TheProgramsOwnSigsysHandler) {
    Code code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    struct sigaction action {};
    struct sigaction seen {};
    sigaction(SIGSYS, nullptr, &seen);
    EXPECT_EQ(seen.sa_handler, SIG_DFL) << "ours must not be seen";
    action.sa_sigaction = count_sigsys;
    action.sa_flags = SA_SIGINFO;
    ASSERT_EQ(sigaction(SIGSYS, &action, nullptr), 0);
    sigsys_count = 0;
    EXPECT_EQ(code(), 42);
    EXPECT_EQ(sigsys_count, 0) << "a trap is not the program's";
    raise(SIGSYS);
    EXPECT_EQ(sigsys_count, 1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    raise(SIGSYS);
    EXPECT_EQ(sigsys_count, 1) << "blocked";
    EXPECT_EQ(code(), 42);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    EXPECT_EQ(sigsys_count, 2) << "it was pending";
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    sigaction(SIGSYS, &action, nullptr);
    raise(SIGSYS);
    EXPECT_EQ(code(), 42) << "ignored by the program";
    EXPECT_EQ(sigsys_count, 2);
    action.sa_handler = SIG_DFL;
    sigaction(SIGSYS, &action, &seen);
    EXPECT_EQ(seen.sa_handler, SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSYS);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

TEST_F(Call, JumpOutOfAHandlerDuringATrappedCall) {
    static sigjmp_buf back;
    static Code code;
    code = make_code(SYS_getppid);
    on_hook = [](intercept_call *call) -> int {
        for (int i = 0; i < 500; i++)
            asm volatile("");
        return answer_42(call);
    };
    catch_calls({SYS_getppid});
    struct sigaction action {};
    action.sa_handler = [](int) { siglongjmp(back, 1); };
    struct sigaction former {};
    sigaction(SIGALRM, &action, &former);
    static std::atomic<bool> right; // no jump takes back what is in memory
    static std::atomic<int> jumps;
    right = true;
    for (jumps = 0; jumps < 100; jumps++) {
        itimerval timer{{0, 0}, {0, 300 + 7 * jumps}};
        if (sigsetjmp(back, 1) == 0) {
            setitimer(ITIMER_REAL, &timer, nullptr);
            while (true)
                right = right && code() == 42;
        }
    }
    EXPECT_TRUE(right);
    sigaction(SIGALRM, &former, nullptr);
}

TEST_F(Call, SignalStormOverTrappedCalls) {
    static Code code;
    static std::atomic<long> handled;
    static std::atomic<bool> right;
    code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    handled = 0;
    right = true;
    struct sigaction action {};
    action.sa_handler = [](int) {
        handled++;
        right = right && code() == 42;
    };
    action.sa_flags = SA_NODEFER;
    struct sigaction former {};
    sigaction(SIGUSR2, &action, &former);
    std::atomic<bool> stop = false;
    std::thread worker([&] {
        while (!stop)
            right = right && code() == 42 && site_red_zone() == 1;
    });
    // Signals that are sent faster than a busy machine delivers them become one.
    for (int i = 0; i < 2000 || handled <= 10; i++) {
        pthread_kill(worker.native_handle(), SIGUSR2);
        if (i % 16 == 0)
            usleep(50);
    }
    stop = true;
    worker.join();
    sigaction(SIGUSR2, &former, nullptr);
    EXPECT_TRUE(right);
    EXPECT_GT(handled, 10);
}

// A thread that gives its alternate stack away for the time of a handler (SS_AUTODISARM)
// must have it back behind a trapped call.
TEST_F(Call, AlternateStackThatDisarmsItself) {
    constexpr int autodisarm = 1 << 31;
    Code code = make_code(SYS_getppid);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    std::vector<char> memory(64 * 1024);
    stack_t stack{memory.data(), autodisarm, memory.size()};
    ASSERT_EQ(sigaltstack(&stack, nullptr), 0);
    EXPECT_EQ(code(), 42);
    stack_t seen{};
    sigaltstack(nullptr, &seen);
    EXPECT_EQ(seen.ss_sp, memory.data());
    EXPECT_EQ(seen.ss_size, memory.size());
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
}

TEST_F(Call, TheSwitchIsTaken) {
    constexpr int set_dispatch = 59;
    EXPECT_EQ(prctl(set_dispatch, 0, 0, 0, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    EXPECT_EQ(make_code(SYS_getppid)(), 42);
}

// What exec inherits is what the program chose.
TEST_F(Call, ExecInheritsTheProgramsChoice) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSYS, SIG_IGN);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSYS);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        dup2(ends[1], 1);
        execl("/bin/grep", "grep", "^Sig[BI]", "/proc/self/status", nullptr);
        _exit(1);
    }
    close(ends[1]);
    char text[256] = {};
    ssize_t got = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    EXPECT_EQ(wait_for(child), 0);
    ASSERT_GT(got, 0);
    unsigned long blocked = 0;
    unsigned long ignored = 0;
    ASSERT_EQ(sscanf(text, "SigBlk:%lx SigIgn:%lx", &blocked, &ignored), 2) << text;
    EXPECT_NE(blocked >> (SIGSYS - 1) & 1, 0u) << text;
    EXPECT_NE(ignored >> (SIGSYS - 1) & 1, 0u) << text;
}

// A kernel without Syscall User Dispatch, as a filter shows it.
void take_dispatch_away() {
    constexpr int set_dispatch = 59;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, set_dispatch, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog filter{sizeof program / sizeof program[0], program};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

std::string output_of(const char *levels, bool with_dispatch) {
    int ends[2];
    if (pipe(ends) != 0)
        return {};
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        if (!with_dispatch)
            take_dispatch_away();
        std::string variable = std::string("INTERCEPT_LEVELS=") + levels;
        const char *environment[] = {"LD_PRELOAD=" PASS_ALL, variable.c_str(), nullptr};
        execle("/bin/echo", "echo", "hello", nullptr, environment);
        _exit(1);
    }
    close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<size_t>(got));
    close(ends[0]);
    EXPECT_EQ(wait_for(child), 0);
    return text;
}

TEST_F(Call, WithoutDispatchEverythingElseGoesOn) {
    EXPECT_EQ(output_of("0,2", true), "hello\n");
    EXPECT_EQ(output_of("0", false), "hello\n");
    std::string without = output_of("0,2", false);
    EXPECT_NE(without.find("no Syscall User Dispatch"), std::string::npos) << without;
    EXPECT_TRUE(without.ends_with("\nhello\n")) << without;
    std::string senseless = output_of("0,7", true);
    EXPECT_NE(senseless.find("INTERCEPT_LEVELS=0,7"), std::string::npos) << senseless;
}

} // namespace
