// signal: handlers, masks, restarts, jumps and cancellation around a hooked call.
#include "base/raw_syscall.h"
#include "tests/intercept/call_fixture.h"

#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>
#include <vector>

namespace {

TEST_F(Call, SignalsDuringHooks) {
    static std::atomic<int> alarms;
    alarms = 0;
    struct sigaction action {};
    action.sa_handler = [](int) {
        alarms++;
        site_getppid(); // a hooked call inside a handler
    };
    struct sigaction old {};
    sigaction(SIGALRM, &action, &old);
    on_hook = [](intercept_call *call) -> int {
        for (int i = 0; i < 200; i++)
            asm volatile("");
        call->result = 42;
        return INTERCEPT_HANDLED;
    };
    catch_calls({SYS_getppid});
    itimerval timer{{0, 500}, {0, 500}};
    setitimer(ITIMER_REAL, &timer, nullptr);
    bool right = true;
    long calls = 0;
    while (alarms < 100 && calls < 100000000) {
        right &= site_getppid() == 42 && site_red_zone() == 1;
        calls++;
    }
    timer = {};
    setitimer(ITIMER_REAL, &timer, nullptr);
    sigaction(SIGALRM, &old, nullptr);
    EXPECT_TRUE(right);
    EXPECT_GE(alarms, 100);
}

TEST_F(Call, LongJumpOutOfAHook) {
    static sigjmp_buf back;
    struct sigaction action {};
    action.sa_handler = [](int) { siglongjmp(back, 1); };
    struct sigaction old {};
    sigaction(SIGUSR1, &action, &old);
    on_hook = [](intercept_call *) -> int {
        base::raw_syscall(SYS_kill, base::raw_syscall(SYS_getpid), SIGUSR1);
        return INTERCEPT_PASS;
    };
    catch_calls({SYS_getppid});
    static int jumps;
    static int rounds;
    jumps = 0;
    for (rounds = 0; rounds < 1000; rounds++) {
        if (sigsetjmp(back, 1) == 0)
            site_getppid();
        else
            jumps++;
    }
    sigaction(SIGUSR1, &old, nullptr);
    EXPECT_EQ(jumps, 1000);
    on_hook = answer_42;
    EXPECT_EQ(getppid(), 42) << "nothing may stick";
}

TEST_F(Call, BlockingCallIsRestartedAfterASignal) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    struct sigaction old {};
    sigaction(SIGALRM, &action, &old);
    for (auto behaviour : {pass, pass_post}) {
        on_hook = behaviour;
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        catch_calls({SYS_read});
        itimerval timer{{0, 0}, {0, 20000}};
        setitimer(ITIMER_REAL, &timer, nullptr);
        std::thread writer([&] {
            usleep(60000);
            base::raw_syscall(SYS_write, ends[1], base::as_long("y"), 1);
        });
        char byte = 0;
        EXPECT_EQ(read(ends[0], &byte, 1), 1);
        EXPECT_EQ(byte, 'y');
        writer.join();
        close(ends[0]);
        close(ends[1]);
    }
    sigaction(SIGALRM, &old, nullptr);
}

TEST_F(Call, ThreadsCanBeCancelledInACall) {
    for (auto behaviour : {pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_read});
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        static int descriptor;
        static std::atomic<bool> cleaned;
        cleaned = false;
        descriptor = ends[0];
        pthread_t thread;
        auto body = [](void *) -> void * {
            pthread_cleanup_push([](void *) { cleaned = true; }, nullptr);
            char byte;
            if (read(descriptor, &byte, 1) == 1)
                return nullptr;
            pthread_cleanup_pop(0);
            return nullptr;
        };
        ASSERT_EQ(pthread_create(&thread, nullptr, body, nullptr), 0);
        usleep(20000);
        ASSERT_EQ(pthread_cancel(thread), 0);
        void *result = nullptr;
        ASSERT_EQ(pthread_join(thread, &result), 0);
        EXPECT_EQ(result, PTHREAD_CANCELED);
        EXPECT_TRUE(cleaned);
        close(ends[0]);
        close(ends[1]);
    }
}

// What a handler finds on the stack and in its context when it comes in the middle
// of a hook: the app's mask, its alternate stack, and room for more hooked calls.
TEST_F(Call, HandlerOnTheAlternateStack) {
    static std::vector<char> memory(static_cast<size_t>(sysconf(_SC_MINSIGSTKSZ)) + 16384);
    static std::atomic<int> inside;
    static std::atomic<int> answers;
    inside = 0;
    answers = 0;
    stack_t own{memory.data(), 0, memory.size()};
    stack_t former{};
    catch_every_call();
    ASSERT_EQ(sigaltstack(&own, &former), 0);
    struct sigaction action {};
    action.sa_handler = [](int) {
        auto *here = static_cast<char *>(__builtin_frame_address(0));
        inside += here >= memory.data() && here < memory.data() + memory.size() ? 1 : 0;
        answers += site_getppid() == 42 && getppid() == 42 ? 1 : 0;
    };
    action.sa_flags = SA_ONSTACK;
    struct sigaction old {};
    ASSERT_EQ(sigaction(SIGUSR1, &action, &old), 0);
    static bool raised; // only the app's call raises, not those of the handler
    raised = false;
    on_hook = [](intercept_call *call) -> int {
        if (call->nr != SYS_getppid)
            return INTERCEPT_PASS_POST;
        if (!raised) {
            raised = true;
            base::raw_syscall(SYS_tgkill, base::raw_syscall(SYS_getpid), base::raw_syscall(SYS_gettid), SIGUSR1);
        }
        call->result = 42;
        return INTERCEPT_HANDLED;
    };
    EXPECT_EQ(site_getppid(), 42); // a signal in the hook
    EXPECT_EQ(raise(SIGUSR1), 0);  // a signal at the end of a hooked call
    TearDown();
    sigaction(SIGUSR1, &old, nullptr);
    ASSERT_EQ(sigaltstack(&former, nullptr), 0);
    EXPECT_EQ(inside, 2);
    EXPECT_EQ(answers, 2);
}

TEST_F(Call, MasksAreTheAppsInHooksHandlersAndAfterSuspension) {
    static uint64_t in_hook;
    static uint64_t in_context;
    for (auto behaviour : {INTERCEPT_PASS, INTERCEPT_PASS_POST}) {
        static int answer;
        answer = behaviour;
        in_hook = 0;
        in_context = 0;
        on_hook = [](intercept_call *) -> int {
            base::raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, base::as_long(&in_hook), 8);
            return answer;
        };
        struct sigaction action {};
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = [](int, siginfo_t *, void *context) {
            memcpy(&in_context, &static_cast<ucontext_t *>(context)->uc_sigmask, 8);
        };
        struct sigaction old {};
        ASSERT_EQ(sigaction(SIGUSR1, &action, &old), 0);
        sigset_t blocked;
        sigset_t former;
        sigset_t none;
        sigemptyset(&none);
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGUSR1);
        sigaddset(&blocked, SIGUSR2);
        ASSERT_EQ(sigprocmask(SIG_BLOCK, &blocked, &former), 0);
        raise(SIGUSR1); // pending until the suspension
        catch_calls({SYS_rt_sigsuspend, SYS_rt_sigprocmask, SYS_ppoll});
        EXPECT_EQ(sigsuspend(&none), -1);
        EXPECT_EQ(errno, EINTR);
        constexpr uint64_t both = 1u << (SIGUSR1 - 1) | 1u << (SIGUSR2 - 1);
        EXPECT_EQ(in_hook & both, both);
        EXPECT_EQ(in_context & both, both) << "the mask that the handler's return puts back";
        raise(SIGUSR1);
        in_context = 0;
        timespec long_time{10, 0};
        EXPECT_EQ(ppoll(nullptr, 0, &long_time, &none), -1);
        EXPECT_EQ(in_context & both, both);
        sigset_t after;
        EXPECT_EQ(sigprocmask(SIG_SETMASK, &former, &after), 0);
        EXPECT_TRUE(sigismember(&after, SIGUSR1) == 1 && sigismember(&after, SIGUSR2) == 1);
        TearDown();
        sigaction(SIGUSR1, &old, nullptr);
    }
}

// Which flags the kernel knows is seen by what it keeps; SIGKILL cannot be blocked.
TEST_F(Call, AnActionIsWhatTheKernelKeepsOfIt) {
    constexpr unsigned unsupported = 0x400;
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART | unsupported;
    sigfillset(&action.sa_mask);
    struct sigaction former {};
    struct sigaction seen {};
    sigaction(SIGUSR1, &action, &former);
    sigaction(SIGUSR1, &former, &seen);
    EXPECT_EQ(static_cast<unsigned>(seen.sa_flags) & (SA_RESTART | unsupported), unsigned{SA_RESTART});
    EXPECT_FALSE(sigismember(&seen.sa_mask, SIGKILL));
    EXPECT_FALSE(sigismember(&seen.sa_mask, SIGSTOP));
    EXPECT_TRUE(sigismember(&seen.sa_mask, SIGTERM));
}

// Without SA_RESTART: EINTR, at once. A stop and its end: the kernel restarts the call by
// a number of its own (restart_syscall) at the address of the instruction.
TEST_F(Call, InterruptedAndStoppedCalls) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    struct sigaction old {};
    sigaction(SIGALRM, &action, &old);
    for (auto behaviour : {pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_clock_nanosleep, SYS_nanosleep, SYS_read});
        itimerval timer{{0, 0}, {0, 5000}};
        setitimer(ITIMER_REAL, &timer, nullptr);
        timespec time{10, 0};
        timespec left{};
        EXPECT_EQ(nanosleep(&time, &left), -1);
        EXPECT_EQ(errno, EINTR);
        EXPECT_GE(left.tv_sec, 8);
        pid_t child = fork();
        if (child == 0) {
            timespec begin;
            timespec end;
            clock_gettime(CLOCK_MONOTONIC, &begin);
            timespec short_time{0, 150000000};
            int slept = nanosleep(&short_time, nullptr);
            clock_gettime(CLOCK_MONOTONIC, &end);
            long passed_ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
            _exit(slept == 0 && passed_ms >= 149 ? 0 : 1);
        }
        usleep(30000);
        kill(child, SIGSTOP);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
        ASSERT_TRUE(WIFSTOPPED(status));
        kill(child, SIGCONT);
        EXPECT_EQ(wait_for(child), 0);
    }
    sigaction(SIGALRM, &old, nullptr);
}

// Anywhere, also in the stub, where unwinding ends: whether destructors run is not
// promised; that the thread ends is, and that it takes nothing with it.
TEST_F(Call, AsynchronousCancellationInTheMiddleOfHooks) {
    on_hook = [](intercept_call *call) -> int {
        for (int i = 0; i < 2000; i++)
            asm volatile("");
        call->result = 42;
        return INTERCEPT_HANDLED;
    };
    catch_calls({SYS_getppid});
    for (int round = 0; round < 40; round++) {
        static std::atomic<bool> running;
        running = false;
        pthread_t thread;
        auto body = [](void *) -> void * {
            pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
            running = true;
            for (;;)
                site_getppid();
        };
        ASSERT_EQ(pthread_create(&thread, nullptr, body, nullptr), 0);
        while (!running)
            sched_yield();
        usleep(static_cast<useconds_t>(round * 7));
        ASSERT_EQ(pthread_cancel(thread), 0);
        void *result = nullptr;
        ASSERT_EQ(pthread_join(thread, &result), 0);
        EXPECT_EQ(result, PTHREAD_CANCELED);
    }
    EXPECT_EQ(getppid(), 42);
}

// From a hook an unwinder comes to the function that made the call, and on.
TEST_F(Call, UnwindingLeadsFromTheHookToTheApp) {
    static std::vector<uint64_t> trace;
    on_hook = [](intercept_call *call) -> int {
        trace.clear();
        auto note = [](_Unwind_Context *context, void *) {
            trace.push_back(_Unwind_GetIP(context));
            return _URC_NO_REASON;
        };
        _Unwind_Backtrace(note, nullptr);
        call->result = 42;
        return INTERCEPT_HANDLED;
    };
    trace.reserve(200);
    auto near = [](long (*function)()) {
        auto begin = reinterpret_cast<uint64_t>(code_of(function));
        for (size_t i = 0; i + 2 < trace.size(); i++)
            if (trace[i] > begin && trace[i] < begin + 32)
                return true; // and two more above it
        return false;
    };
    catch_calls({SYS_getppid});
    for (auto *site : {site_getppid, site_over, site_rip_relative}) {
        EXPECT_EQ(site(), 42);
        EXPECT_TRUE(near(site)) << trace.size();
    }
    EXPECT_EQ(getppid(), 42); // a site that saves no vector state
    EXPECT_GE(trace.size(), 6u);
}

TEST_F(Call, CancellationInsideAHookRunsTheAppsDestructors) {
    static std::atomic<int> destroyed;
    destroyed = 0;
    on_hook = [](intercept_call *) -> int {
        pthread_cancel(pthread_self());
        pthread_testcancel();
        return INTERCEPT_PASS;
    };
    catch_calls({SYS_getppid});
    for (auto *call : {site_getppid, site_over}) {
        pthread_t thread;
        auto body = [](void *site) -> void * {
            struct Guard {
                ~Guard() {
                    destroyed++;
                }
            } guard;
            reinterpret_cast<long (*)()>(site)();
            return nullptr;
        };
        ASSERT_EQ(pthread_create(&thread, nullptr, body, reinterpret_cast<void *>(call)), 0);
        void *result = nullptr;
        ASSERT_EQ(pthread_join(thread, &result), 0);
        EXPECT_EQ(result, PTHREAD_CANCELED);
    }
    EXPECT_EQ(destroyed, 2);
}

TEST_F(Call, AMaskWhoseFormerOneIsABadPointer) {
    const uint64_t trap = uint64_t{1} << (SIGSYS - 1);
    auto change = [](int how, const uint64_t *set, uint64_t former) {
        return syscall(SYS_rt_sigprocmask, how, set, former, sizeof(uint64_t));
    };
    EXPECT_EQ(change(SIG_BLOCK, &trap, 8), -1);
    EXPECT_EQ(errno, EFAULT);
    uint64_t now = 0;
    EXPECT_EQ(change(SIG_UNBLOCK, &trap, reinterpret_cast<uint64_t>(&now)), 0);
    EXPECT_EQ(now & trap, trap) << "it is blocked by then, as with Linux";
}

// Not even by a handler of the program's that would fit.
TEST_F(Call, AnExceptionThatLeavesAHookEndsTheProcess) {
    testing::FLAGS_gtest_death_test_style = "fast";
    const int good = 7;
    catch_calls({SYS_getppid});
    static bool in_post;
    for (bool post : {false, true}) {
        in_post = post;
        on_hook = [](intercept_call *) -> int {
            if (!in_post)
                throw 1;
            return INTERCEPT_PASS_POST;
        };
        on_post = [](intercept_call *) { throw 1; };
        for (auto *call : {site_getppid, site_over, reinterpret_cast<long (*)()>(reinterpret_cast<void *>(getppid))})
            EXPECT_EXIT(
                {
                    try {
                        call();
                    } catch (int) {
                        _exit(good);
                    }
                    _exit(good + 1);
                },
                testing::KilledBySignal(SIGABRT), "an exception leaves a hook");
    }
    // One that stays inside is the hook's own affair.
    on_hook = [](intercept_call *called) -> int {
        try {
            throw 42L;
        } catch (long value) {
            called->result = value;
        }
        return INTERCEPT_HANDLED;
    };
    EXPECT_EQ(site_getppid(), 42);
    EXPECT_EQ(getppid(), 42);
}

} // namespace
