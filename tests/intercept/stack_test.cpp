// stack: hooked calls on small stacks, and runtimes that change stacks themselves.
#include "base/raw_syscall.h"
#include "tests/intercept/call_fixture.h"

#include <algorithm>
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr size_t small_stack_bytes = 16384;

// A stack that ends in a page nobody may touch.
class GuardedStack {
public:
    GuardedStack() : memory_(mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
        EXPECT_NE(memory_, MAP_FAILED);
        EXPECT_EQ(mprotect(memory_, guard_bytes, PROT_NONE), 0);
    }
    GuardedStack(const GuardedStack &) = delete;
    GuardedStack &operator=(const GuardedStack &) = delete;
    ~GuardedStack() {
        munmap(memory_, mapped_bytes);
    }
    void *bottom() const {
        return static_cast<char *>(memory_) + guard_bytes;
    }

private:
    static constexpr size_t guard_bytes = 4096;
    static constexpr size_t mapped_bytes = guard_bytes + small_stack_bytes;
    void *memory_;
};

// A thread's own 16 KiB, and beside them the frame that the kernel puts down for a
// signal: that is of the processor's size, and the program's to provide for.
size_t thread_stack_bytes() {
    auto least = static_cast<size_t>(sysconf(_SC_THREAD_STACK_MIN));
    return std::max(least, small_stack_bytes) + getauxval(AT_MINSIGSTKSZ);
}

constexpr long raise_in_hook = 2;

// The deepest there is: a signal comes where the hook has used all that it may, and
// the handler's own call is hooked too.
TEST_F(Call, ThreadsOn16KiBStacks) {
    static std::atomic<int> right;
    static std::atomic<int> signals;
    right = 0;
    signals = 0;
    struct sigaction action {};
    action.sa_handler = [](int) {
        site_getppid();
        signals++;
    };
    struct sigaction old {};
    sigaction(SIGALRM, &action, &old);
    on_hook = [](intercept_call *call) -> int {
        volatile char used[2048]; // what CONTRIBUTING.md lets a hook take
        used[0] = 1;
        used[sizeof used - 1] = 1;
        if (call->args[0] == raise_in_hook)
            base::raw_syscall(SYS_tgkill, base::raw_syscall(SYS_getpid), base::raw_syscall(SYS_gettid), SIGALRM);
        return call->args[0] == 1 ? INTERCEPT_PASS_POST : INTERCEPT_PASS;
    };
    catch_calls({SYS_getppid});
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    ASSERT_EQ(pthread_attr_setstacksize(&attributes, thread_stack_bytes()), 0);
    constexpr int thread_count = 8;
    constexpr int calls_per_thread = 3000;
    auto body = [](void *expected) -> void * {
        bool good = true;
        for (int i = 0; i < calls_per_thread; i++)
            good &= site_call(SYS_getppid, i % (raise_in_hook + 1), 0, 0, 0, 0) == reinterpret_cast<long>(expected);
        right += good ? 1 : 0;
        return nullptr;
    };
    pthread_t threads[thread_count];
    auto *expected = reinterpret_cast<void *>(base::raw_syscall(SYS_getppid));
    for (pthread_t &thread : threads)
        ASSERT_EQ(pthread_create(&thread, &attributes, body, expected), 0);
    for (pthread_t thread : threads)
        pthread_join(thread, nullptr);
    sigaction(SIGALRM, &old, nullptr);
    pthread_attr_destroy(&attributes);
    EXPECT_EQ(right, thread_count);
    EXPECT_EQ(signals, thread_count * calls_per_thread / (raise_in_hook + 1));
}

#ifdef __x86_64__ // elsewhere glibc refuses stacks of less than 128 KiB
// All that the thread has is 16 KiB, its own descriptor and thread-local storage included; no signal comes.
TEST_F(Call, ThreadsOnPlain16KiBStacks) {
    static std::atomic<int> right;
    right = 0;
    on_hook = [](intercept_call *call) -> int {
        volatile char used[2048];
        used[0] = 1;
        used[sizeof used - 1] = 1;
        return call->args[0] == 1 ? INTERCEPT_PASS_POST : INTERCEPT_PASS;
    };
    on_post = [](intercept_call *) {
        volatile char used[2048];
        used[0] = 1;
        used[sizeof used - 1] = 1;
    };
    catch_calls({SYS_getppid});
    constexpr int thread_count = 8;
    auto body = [](void *expected) -> void * {
        bool good = true;
        for (int i = 0; i < 3000; i++)
            good &= site_call(SYS_getppid, i % 2, 0, 0, 0, 0) == reinterpret_cast<long>(expected);
        right += good ? 1 : 0;
        return nullptr;
    };
    auto *expected = reinterpret_cast<void *>(base::raw_syscall(SYS_getppid));
    GuardedStack stacks[thread_count];
    pthread_t threads[thread_count];
    for (int i = 0; i < thread_count; i++) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        ASSERT_EQ(pthread_attr_setstack(&attributes, stacks[i].bottom(), small_stack_bytes), 0);
        ASSERT_EQ(pthread_create(&threads[i], &attributes, body, expected), 0);
        pthread_attr_destroy(&attributes);
    }
    for (pthread_t thread : threads)
        pthread_join(thread, nullptr);
    EXPECT_EQ(right, thread_count);
}
#endif

// Coroutines of getcontext and swapcontext, which are system calls themselves
// (the mask), so that a hook runs on each way from stack to stack.
constexpr int coroutine_count = 6;
constexpr int rounds = 200;
ucontext_t scheduler;
ucontext_t coroutines[coroutine_count];
double sums[coroutine_count];
long wrong_answers;

void coroutine(int index) {
    double sum = 0;
    for (int i = 0; i < rounds; i++) {
        sum += 1.5 * index + i;
        wrong_answers += getppid() == 42 && site_getppid() == 42 ? 0 : 1;
        swapcontext(&coroutines[index], &scheduler);
    }
    sums[index] = sum;
}

TEST_F(Call, ContextsOnStacksOfTheirOwn) {
    static std::atomic<long> masks;
    masks = 0;
    wrong_answers = 0;
    on_hook = [](intercept_call *call) -> int {
        if (call->nr == SYS_getppid)
            return answer_42(call);
        masks++;
        return INTERCEPT_PASS_POST;
    };
    GuardedStack stacks[coroutine_count];
    catch_calls({SYS_getppid, SYS_rt_sigprocmask});
    for (int i = 0; i < coroutine_count; i++) {
        getcontext(&coroutines[i]);
        coroutines[i].uc_stack.ss_sp = stacks[i].bottom();
        coroutines[i].uc_stack.ss_size = small_stack_bytes;
        coroutines[i].uc_link = &scheduler;
        makecontext(&coroutines[i], reinterpret_cast<void (*)()>(coroutine), 1, i);
    }
    for (int round = 0; round <= rounds; round++)
        for (ucontext_t &one : coroutines)
            ASSERT_EQ(swapcontext(&scheduler, &one), 0);
    TearDown();
    EXPECT_EQ(wrong_answers, 0);
    EXPECT_GE(masks, long{coroutine_count} * rounds * 2);
    for (int i = 0; i < coroutine_count; i++)
        EXPECT_EQ(sums[i], 1.5 * i * rounds + rounds * (rounds - 1) / 2);
}

// Threads as GNU Pth makes them: sigsetjmp in a handler on an alternate stack, then
// jumps to and fro with calls in between.
sigjmp_buf main_place;
sigjmp_buf other_place;
volatile int trips;

void live_on_the_other_stack() {
    for (;;) {
        trips = trips + (getppid() == 42 ? 1 : 1000000);
        if (sigsetjmp(other_place, 1) == 0)
            siglongjmp(main_place, 1);
    }
}

TEST_F(Call, JumpsBetweenStacks) {
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    GuardedStack stack;
    stack_t own{stack.bottom(), 0, small_stack_bytes};
    stack_t former{};
    ASSERT_EQ(sigaltstack(&own, &former), 0);
    struct sigaction action {};
    action.sa_flags = SA_ONSTACK;
    action.sa_handler = [](int) {
        if (sigsetjmp(other_place, 1) != 0)
            live_on_the_other_stack();
    };
    struct sigaction old {};
    sigaction(SIGUSR1, &action, &old);
    raise(SIGUSR1); // the frame stays behind on the other stack, where it is entered again
    sigaction(SIGUSR1, &old, nullptr);
    own.ss_flags = SS_DISABLE;
    ASSERT_EQ(sigaltstack(&own, nullptr), 0);
    trips = 0;
    static int round; // a jump leaves it alone
    for (round = 0; round < 500; round++)
        if (sigsetjmp(main_place, 1) == 0)
            siglongjmp(other_place, 1);
    EXPECT_EQ(trips, 500);
    EXPECT_EQ(getppid(), 42);
    sigaltstack(&former, nullptr);
}

} // namespace
