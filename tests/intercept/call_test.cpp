// call: what a program may notice of a hooked call. The test program holds the
// hooks and is itself not patched; the calls come from libc and libintercept-sites.
#include "base/raw_syscall.h"
#include "intercept/arch/x86_64/frame.h"
#include "intercept/arch/x86_64/vector_level.h"
#include "intercept/include/pmemfile-intercept.h"

#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
long site_getppid();
long site_call(long nr, long a0, long a1, long a2, long a3, long a4);
long site_over();
long site_rip_relative();
long site_flags(long a, long b);
long site_direction();
long site_red_zone();
void site_registers(long *registers);
void site_vectors(uint8_t *state, long level);
long site_clone(long flags, void *stack_top, void (*run)(void *), void *argument);
}

namespace {

// What the hook does is chosen per test.
int (*on_filter)(const intercept_call *) = nullptr;
int (*on_hook)(intercept_call *) = nullptr;
void (*on_post)(intercept_call *) = nullptr;
int hook_id = -1;

INTERCEPT_FILTER_FUNCTION int filter(const intercept_call *call) {
    return on_filter != nullptr ? on_filter(call) : INTERCEPT_FILTER_SERVE;
}

// Whatever the hook is, it leaves no vector register and no flag as it was.
void spoil() {
    if (intercept_vector_level >= VECTOR_AVX512F)
        asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                     "vpternlogd $0xff, %zmm\\n, %zmm\\n, %zmm\\n\n.endr\n"
                     ".irp n,0,1,2,3,4,5,6,7\nkxnorw %k\\n, %k\\n, %k\\n\n.endr\n");
    asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\npcmpeqd %xmm\\n, %xmm\\n\n.endr\n");
    if (intercept_vector_level >= VECTOR_AVX)
        asm volatile("vzeroupper");
    asm volatile("xor %%eax, %%eax\n stc" ::: "eax", "cc");
}

int hook(intercept_call *call) {
    int answer = on_hook != nullptr ? on_hook(call) : INTERCEPT_PASS;
    spoil();
    return answer;
}

void post(intercept_call *call) {
    if (on_post != nullptr)
        on_post(call);
    spoil();
}

// On each test: no behaviour, no numbers; `catch_calls` sets them.
class Call : public testing::Test {
protected:
    void SetUp() override {
        on_filter = nullptr;
        on_hook = nullptr;
        on_post = nullptr;
    }
    void TearDown() override {
        long none = 0xffff;
        intercept_set_calls(hook_id, &none, 1);
    }
    static void catch_calls(std::vector<long> numbers) {
        ASSERT_EQ(intercept_set_calls(hook_id, numbers.data(), numbers.size()), 0);
    }
};

int answer_42(intercept_call *call) {
    call->result = 42;
    for (long &argument : call->args)
        argument = -1; // must not be seen by the app
    return INTERCEPT_HANDLED;
}

int pass(intercept_call *) {
    return INTERCEPT_PASS;
}

int pass_post(intercept_call *) {
    return INTERCEPT_PASS_POST;
}

TEST_F(Call, AnsweredFromLibcAndOtherObjects) {
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    EXPECT_EQ(getppid(), 42);
    EXPECT_EQ(site_getppid(), 42);
    EXPECT_EQ(site_over(), 42);
    EXPECT_EQ(site_rip_relative(), 42);
    EXPECT_EQ(site_call(SYS_getppid, 0, 0, 0, 0, 0), 42);
    EXPECT_EQ(syscall(SYS_getppid), 42);
}

TEST_F(Call, PassedGivesTheKernelsAnswer) {
    long expected = base::raw_syscall(SYS_getppid);
    for (auto behaviour : {pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_getppid});
        EXPECT_EQ(getppid(), expected);
        EXPECT_EQ(site_getppid(), expected);
        EXPECT_EQ(site_over(), expected);
        EXPECT_EQ(site_call(SYS_getppid, 0, 0, 0, 0, 0), expected);
    }
}

TEST_F(Call, FilterKeepsTheHookAway) {
    static int hooked;
    hooked = 0;
    on_filter = [](const intercept_call *call) INTERCEPT_GENERAL_REGS_ONLY -> int {
        return call->args[0] == 7 ? INTERCEPT_FILTER_SERVE : INTERCEPT_FILTER_PASS;
    };
    on_hook = [](intercept_call *call) -> int {
        hooked++;
        call->result = 70;
        return INTERCEPT_HANDLED;
    };
    catch_calls({SYS_getppid});
    EXPECT_EQ(site_call(SYS_getppid, 8, 0, 0, 0, 0), base::raw_syscall(SYS_getppid));
    EXPECT_EQ(hooked, 0);
    EXPECT_EQ(site_call(SYS_getppid, 7, 0, 0, 0, 0), 70);
    EXPECT_EQ(hooked, 1);
}

TEST_F(Call, ArgumentsArriveAndMayBeChanged) {
    static long seen[6];
    on_hook = [](intercept_call *call) -> int {
        memcpy(seen, call->args, sizeof seen);
        call->args[1] = call->args[1] + 1; // skip the first byte
        call->args[2] = call->args[2] - 1;
        return INTERCEPT_PASS;
    };
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    catch_calls({SYS_write});
    const char text[] = "xhello";
    long written = site_call(SYS_write, ends[1], reinterpret_cast<long>(text), 6, 44, 55);
    catch_calls({0xffff});
    EXPECT_EQ(written, 5);
    EXPECT_EQ(seen[0], ends[1]);
    EXPECT_EQ(seen[2], 6);
    EXPECT_EQ(seen[3], 44);
    EXPECT_EQ(seen[4], 55);
    char got[8] = {};
    EXPECT_EQ(read(ends[0], got, 8), 5);
    EXPECT_STREQ(got, "hello");
    close(ends[0]);
    close(ends[1]);
}

TEST_F(Call, PostMayChangeTheResult) {
    on_hook = pass_post;
    on_post = [](intercept_call *call) { call->result += 1000000000; };
    catch_calls({SYS_getppid});
    EXPECT_EQ(site_getppid(), base::raw_syscall(SYS_getppid) + 1000000000);
    EXPECT_EQ(site_over(), base::raw_syscall(SYS_getppid) + 1000000000);
}

TEST_F(Call, AnyNumberIsSafe) {
    on_hook = answer_42;
    ASSERT_EQ(intercept_set_calls(hook_id, nullptr, 0), 0);
    long odd[] = {-1, 0x10000, 0x7fffffff, -0x7fffffffL, 0x1234567890abcdef, 0x4000006e};
    long got[6];
    for (int i = 0; i < 6; i++)
        got[i] = site_call(odd[i], 0, 0, 0, 0, 0);
    long high = site_call(0x100000000 + SYS_getppid, 0, 0, 0, 0, 0);
    TearDown();
    for (int i = 0; i < 6; i++)
        EXPECT_EQ(got[i], -ENOSYS) << i;
    EXPECT_EQ(high, 42) << "the kernel looks at the low 32 bits only";
}

TEST_F(Call, GeneralRegistersAreKept) {
    for (auto behaviour : {answer_42, pass, pass_post}) {
        on_hook = behaviour;
        catch_calls({SYS_getppid});
        long registers[16];
        for (long i = 0; i < 16; i++)
            registers[i] = 0x0101010101010101 * (i + 1);
        site_registers(registers);
        for (long i = 1; i < 15; i++)
            if (i != 2 && i != 10) { // rcx and r11 are the kernel's to destroy
                EXPECT_EQ(registers[i], 0x0101010101010101 * (i + 1)) << i;
            }
    }
}

TEST_F(Call, FlagsRedZoneAndDirectionAreKept) {
    const long pairs[][2] = {{0, 0}, {1, 2}, {2, 1}, {INT64_MIN, 1}, {INT64_MAX, -1}, {-1, 1}, {3, 0}};
    for (auto behaviour : {answer_42, pass, pass_post}) {
        for (const auto &pair : pairs) {
            catch_calls({0xffff});
            long expected = site_flags(pair[0], pair[1]);
            on_hook = behaviour;
            catch_calls({SYS_getppid});
            EXPECT_EQ(site_flags(pair[0], pair[1]), expected) << pair[0] << " " << pair[1];
        }
        EXPECT_EQ(site_red_zone(), 1);
        EXPECT_EQ(site_direction(), 1);
    }
}

TEST_F(Call, VectorStateIsKept) {
    alignas(64) uint8_t before[2112];
    alignas(64) uint8_t after[2112];
    for (size_t i = 0; i < sizeof before; i++)
        before[i] = static_cast<uint8_t>(i * 7 + i / 64 + 1);
    long levels = intercept_vector_level >= VECTOR_AVX512BW ? 3 : intercept_vector_level >= VECTOR_AVX ? 2 : 1;
    for (auto behaviour : {answer_42, pass, pass_post})
        for (long level = 1; level <= levels; level++) {
            on_hook = behaviour;
            catch_calls({SYS_getppid});
            memcpy(after, before, sizeof after);
            site_vectors(after, level);
            EXPECT_EQ(memcmp(before, after, sizeof after), 0) << "level " << level;
        }
}

TEST_F(Call, SeveralHooksByPriority) {
    static std::vector<int> *order;
    std::vector<int> seen;
    order = &seen;
    auto first = [](intercept_call *) -> int {
        order->push_back(1);
        return INTERCEPT_PASS;
    };
    auto last = [](intercept_call *call) -> int {
        order->push_back(3);
        call->result = 33;
        return INTERCEPT_HANDLED;
    };
    on_hook = [](intercept_call *) -> int {
        order->push_back(2);
        return INTERCEPT_PASS;
    };
    long number = SYS_getppid;
    intercept_hook early{nullptr, first, nullptr, -5, &number, 1};
    intercept_hook late{nullptr, last, nullptr, 5, &number, 1};
    int late_id = intercept_add(&late);
    int early_id = intercept_add(&early);
    ASSERT_GE(late_id, 0);
    ASSERT_GE(early_id, 0);
    catch_calls({SYS_getppid});
    EXPECT_EQ(getppid(), 33);
    EXPECT_EQ(site_getppid(), 33);
    EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 1, 2, 3}));
    EXPECT_EQ(intercept_remove(late_id), 0);
    EXPECT_EQ(intercept_remove(early_id), 0);
    EXPECT_EQ(intercept_remove(early_id), -EINVAL);
    EXPECT_EQ(getppid(), base::raw_syscall(SYS_getppid));
}

TEST_F(Call, BypassIsPerThread) {
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    intercept_bypass_enter();
    EXPECT_NE(getppid(), 42);
    long other = 0;
    std::thread([&] { other = getppid(); }).join();
    EXPECT_EQ(other, 42);
    EXPECT_EQ(intercept_bypass_leave(), 0);
    EXPECT_EQ(getppid(), 42);
}

TEST_F(Call, BadRegistrationsAreRefused) {
    intercept_hook none{};
    EXPECT_EQ(intercept_add(&none), -EINVAL);
    long bad = 65536;
    intercept_hook out_of_range{nullptr, pass, nullptr, 0, &bad, 1};
    EXPECT_EQ(intercept_add(&out_of_range), -EINVAL);
    EXPECT_EQ(intercept_set_calls(77, nullptr, 0), -EINVAL);
}

// --- process making -------------------------------------------------------

std::atomic<int> *counts; // [0] parent posts, [1] child posts; shared memory
long last_number;

void count_post(intercept_call *call) {
    last_number = call->nr;
    counts[call->result == 0 ? 1 : 0]++;
}

class Process : public Call {
protected:
    void SetUp() override {
        Call::SetUp();
        counts[0] = 0;
        counts[1] = 0;
        on_hook = pass_post;
        on_post = count_post;
        catch_calls({SYS_fork, SYS_vfork, SYS_clone, SYS_clone3});
    }
};

int wait_for(pid_t child) {
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Process, Fork) {
    pid_t child = fork();
    if (child == 0)
        _exit(5);
    EXPECT_EQ(wait_for(child), 5);
    EXPECT_EQ(counts[0], 1);
    EXPECT_EQ(counts[1], 1);
}

TEST_F(Process, ForkByNumberFromAnotherObject) {
    long child = site_call(SYS_fork, 0, 0, 0, 0, 0);
    if (child == 0)
        _exit(6);
    EXPECT_EQ(wait_for(static_cast<pid_t>(child)), 6);
    EXPECT_EQ(last_number, SYS_fork);
    EXPECT_EQ(counts[0], 1);
    EXPECT_EQ(counts[1], 1);
}

// Overwrites the stack below, as the child of a vfork does on its way to exec.
__attribute__((noinline)) void scribble() {
    volatile char waste[8192];
    for (volatile char &byte : waste)
        byte = 0x5a;
}

TEST_F(Process, VforkChildUsesTheStackAndMakesCalls) {
    catch_calls({SYS_vfork, SYS_dup2, SYS_close, SYS_execve});
    volatile long guard = 0x77;
    pid_t child = vfork();
    if (child == 0) {
        scribble();
        dup2(2, 200);
        close(200);
        char *const argv[] = {nullptr};
        execve("/does/not/exist", argv, argv);
        scribble();
        _exit(guard == 0x77 ? 9 : 1);
    }
    EXPECT_EQ(wait_for(child), 9);
    EXPECT_EQ(guard, 0x77);
    // Parent and child of the vfork; the other calls give 0 or an error too.
    EXPECT_EQ(last_number, SYS_vfork);
    EXPECT_GE(counts[0], 1);
    EXPECT_GE(counts[1], 1);
}

TEST_F(Process, PosixSpawn) {
    pid_t child = 0;
    char *const argv[] = {const_cast<char *>("true"), nullptr};
    char *const envp[] = {nullptr};
    ASSERT_EQ(posix_spawn(&child, "/bin/true", nullptr, nullptr, argv, envp), 0);
    EXPECT_EQ(wait_for(child), 0);
    EXPECT_EQ(counts[0], 1);
    EXPECT_EQ(counts[1], 1);
}

TEST_F(Process, Threads) {
    std::atomic<int> ran{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; i++)
        threads.emplace_back([&] { ran++; });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(ran, 20);
    EXPECT_EQ(counts[0], 20);
    EXPECT_EQ(counts[1], 20);
}

TEST_F(Process, RawCloneOnItsOwnStack) {
    static std::atomic<int> *ran = &counts[2];
    *ran = 0;
    std::vector<char> stack(256 * 1024);
    long top = (reinterpret_cast<long>(stack.data()) + static_cast<long>(stack.size())) & ~63L;
    long child = site_clone(
        CLONE_VM | SIGCHLD, reinterpret_cast<void *>(top),
        [](void *argument) { *static_cast<std::atomic<int> *>(argument) += 3; }, ran);
    ASSERT_GT(child, 0);
    EXPECT_EQ(wait_for(static_cast<pid_t>(child)), 0);
    EXPECT_EQ(*ran, 3);
    EXPECT_EQ(counts[0], 1);
    EXPECT_EQ(counts[1], 1);
}

// --- signals ----------------------------------------------------------------

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

// --- after patching ---------------------------------------------------------

TEST_F(Call, NothingIsWritableAndExecutable) {
    FILE *maps = fopen("/proc/self/maps", "r");
    ASSERT_NE(maps, nullptr);
    char line[512];
    while (fgets(line, sizeof line, maps) != nullptr) {
        const char *protection = strchr(line, ' ');
        ASSERT_NE(protection, nullptr);
        EXPECT_FALSE(protection[2] == 'w' && protection[3] == 'x') << line;
    }
    fclose(maps);
}

TEST_F(Call, StatisticsAndListAgree) {
    intercept_statistics statistics;
    intercept_get_statistics(&statistics);
    EXPECT_EQ(statistics.failed, 0u);
    EXPECT_EQ(statistics.sites_found, statistics.patched_before + statistics.patched_over + statistics.unproven +
                                          statistics.window_unsafe + statistics.excluded);
    size_t listed = 0;
    intercept_visit_sites(
        [](const intercept_site_info *, void *count) {
            ++*static_cast<size_t *>(count);
            return 0;
        },
        &listed);
    EXPECT_EQ(listed, statistics.sites_found);
    EXPECT_EQ(intercept_start(), 0) << "a second start finds nothing new";
    intercept_statistics again;
    intercept_get_statistics(&again);
    EXPECT_EQ(again.sites_found, statistics.sites_found);
}

} // namespace

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    void *shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    counts = static_cast<std::atomic<int> *>(shared);
    long none = 0xffff;
    intercept_hook own{filter, hook, post, 0, &none, 1};
    hook_id = intercept_add(&own);
    if (hook_id < 0 || intercept_start() != 0) {
        fprintf(stderr, "the interceptor did not start\n");
        return 1;
    }
    return RUN_ALL_TESTS();
}
