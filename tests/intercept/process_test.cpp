// process: fork and its kin under a hook with a post, in parent and child.
#include "base/raw_syscall.h"
#include "intercept/arch/native.h"
#include "tests/intercept/call_fixture.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <linux/sched.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

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
        static void *shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ASSERT_NE(shared, MAP_FAILED);
        counts = static_cast<std::atomic<int> *>(shared);
        counts[0] = 0;
        counts[1] = 0;
        on_hook = pass_post;
        on_post = count_post;
        catch_calls({std::begin(intercept::process_kind_numbers), std::end(intercept::process_kind_numbers)});
    }
};

TEST_F(Process, Fork) {
    pid_t child = fork();
    if (child == 0)
        _exit(5);
    EXPECT_EQ(wait_for(child), 5);
    EXPECT_EQ(counts[0], 1);
    EXPECT_EQ(counts[1], 1);
}

#ifdef SYS_fork // some processors have only the newer ones
TEST_F(Process, ForkByNumberFromAnotherObject) {
    long child = site_call(SYS_fork, 0, 0, 0, 0, 0);
    if (child == 0)
        _exit(6);
    EXPECT_EQ(wait_for(static_cast<pid_t>(child)), 6);
    EXPECT_EQ(last_number, SYS_fork);
    EXPECT_EQ(counts[0], 1);
    EXPECT_EQ(counts[1], 1);
}

#endif

#ifdef SYS_vfork
constexpr long vfork_number = SYS_vfork;
constexpr long dup2_number = SYS_dup2;
#else
constexpr long vfork_number = SYS_clone;
constexpr long dup2_number = SYS_dup3;
#endif

// Overwrites the stack below, as the child of a vfork does on its way to exec.
__attribute__((noinline)) void scribble() {
    volatile char waste[8192];
    for (volatile char &byte : waste)
        byte = 0x5a;
}

TEST_F(Process, VforkChildUsesTheStackAndMakesCalls) {
    catch_calls({vfork_number, dup2_number, SYS_close, SYS_execve});
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
    EXPECT_EQ(last_number, vfork_number);
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

// clone3 as libc uses it for posix_spawn, but raw: flags, stack and its size in memory
// that the parent may reuse at once.
TEST_F(Process, RawClone3OnItsOwnStackAndOnTheParents) {
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    long child = site_call(SYS_clone3, base::as_long(&arguments), sizeof arguments, 0, 0, 0);
    if (child == 0)
        _exit(8);
    ASSERT_GT(child, 0);
    EXPECT_EQ(wait_for(static_cast<pid_t>(child)), 8);
    EXPECT_EQ(counts[0], 1);
    EXPECT_EQ(counts[1], 1);
    EXPECT_EQ(last_number, SYS_clone3);
    EXPECT_EQ(site_call(SYS_clone3, 0, 0, 0, 0, 0), -EINVAL) << "an error comes back as it is";
    constexpr long contradiction = CLONE_THREAD | SIGCHLD; // a thread that shares no memory
    EXPECT_EQ(site_call(SYS_clone, contradiction, 0, 0, 0, 0), -EINVAL);
}

TEST_F(Process, PosixSpawnWithActionsAndAttributes) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addchdir_np(&actions, "/");
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    char *const argv[] = {const_cast<char *>("sh"), const_cast<char *>("-c"),
                          const_cast<char *>("pwd; grep SigBlk /proc/self/status | tail -c 5"), nullptr};
    char *const envp[] = {const_cast<char *>("PATH=/usr/bin:/bin"), nullptr};
    catch_every_call(); // the child's dup2, close, chdir, sigprocmask, execve as well
    pid_t child = 0;
    ASSERT_EQ(posix_spawn(&child, "/bin/sh", &actions, &attributes, argv, envp), 0);
    close(ends[1]);
    char text[64] = {};
    size_t got = 0;
    for (ssize_t more; (more = read(ends[0], text + got, sizeof text - 1 - got)) > 0;)
        got += static_cast<size_t>(more);
    EXPECT_EQ(wait_for(child), 0);
    EXPECT_STREQ(text, "/\n0800\n");
    EXPECT_EQ(posix_spawn(&child, "/does/not/exist", &actions, &attributes, argv, envp), EBADF)
        << "dup2 of the closed end fails before the exec does";
    close(ends[0]);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
}

// Every call hooked with a post, also those that a child makes in its parent's memory.
TEST_F(Process, EveryCallHookedInForksThreadsAndVforks) {
    catch_every_call();
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        if (child == 0) {
            std::thread([] { usleep(100); }).join();
            _exit(system("exit 4") == 0x400 ? 3 : 1);
        }
        EXPECT_EQ(wait_for(child), 3);
        EXPECT_EQ(system("exit 5"), 0x500);
    }
}

} // namespace
