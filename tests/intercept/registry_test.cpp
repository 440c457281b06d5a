// registry: hooks that come and go while calls run through them.
#include "base/raw_syscall.h"
#include "tests/intercept/call_fixture.h"

#include <atomic>
#include <cerrno>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

std::atomic<long> foreign_calls; // a number that the hook did not ask for
std::atomic<long> foreign_posts; // a post whose hook did not run
std::atomic<long> calls_seen[2];

// Two kinds of hook, each for its own number, that know each other's calls as foreign.
template <int kind> struct Kind {
    static constexpr long number = kind == 0 ? SYS_getppid : SYS_getuid;
    static constexpr uintptr_t mark = 0x5a5a0000 + kind;
    static int hook(intercept_call *call) {
        foreign_calls += call->nr != number ? 1 : 0;
        calls_seen[kind]++;
        call->opaque = reinterpret_cast<const void *>(mark);
        return INTERCEPT_PASS_POST;
    }
    static void post(intercept_call *call) {
        foreign_posts += reinterpret_cast<uintptr_t>(call->opaque) != mark || call->nr != number ? 1 : 0;
    }
    static int add() {
        long wanted = number;
        intercept_hook registration{nullptr, hook, post, kind, &wanted, 1};
        return intercept_add(&registration);
    }
};

class Registry : public Call {
protected:
    void SetUp() override {
        Call::SetUp();
        foreign_calls = 0;
        foreign_posts = 0;
        calls_seen[0] = 0;
        calls_seen[1] = 0;
    }
};

// Eight threads install and remove, and call in between; the rest only call.
TEST_F(Registry, StormOfInstallAndRemove) {
    const long parent = base::raw_syscall(SYS_getppid);
    const long user = base::raw_syscall(SYS_getuid);
    std::atomic<long> wrong{0};
    std::atomic<bool> over{false};
    std::atomic<long> changes{0};
    auto call_both = [&] {
        bool right = getppid() == parent && site_getppid() == parent && static_cast<long>(getuid()) == user &&
                     site_call(SYS_getuid, 1, 2, 3, 4, 5) == user && site_over() == parent && site_red_zone() == 1;
        wrong += right ? 0 : 1;
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 1500; i++) {
                int id = (t + i) % 2 == 0 ? Kind<0>::add() : Kind<1>::add();
                call_both();
                if (id == -ENOSPC)
                    continue; // seven at a time
                wrong += id >= 0 && intercept_remove(id) == 0 ? 0 : 1;
                changes++;
            }
        });
    for (int t = 0; t < 2; t++)
        threads.emplace_back([&] {
            while (!over)
                call_both();
        });
    for (size_t t = 0; t < 8; t++)
        threads[t].join();
    over = true;
    threads[8].join();
    threads[9].join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(foreign_calls, 0);
    EXPECT_EQ(foreign_posts, 0);
    EXPECT_GT(changes, 1000);
    EXPECT_GT(calls_seen[0], 0);
    EXPECT_GT(calls_seen[1], 0);
    // All seven places but the fixture's own are free again.
    std::vector<int> ids;
    for (int id; (id = Kind<0>::add()) >= 0;)
        ids.push_back(id);
    EXPECT_EQ(ids.size(), 6u);
    for (int id : ids)
        EXPECT_EQ(intercept_remove(id), 0);
}

// The hook goes while the kernel has the call, another one comes: the post of the first
// is called, that of the other is not.
TEST_F(Registry, PostOfARemovedHookStillRuns) {
    static std::atomic<int> own_posts;
    static std::atomic<bool> inside;
    own_posts = 0;
    inside = false;
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    long number = SYS_read;
    intercept_hook registration{nullptr,
                                [](intercept_call *) -> int {
                                    inside = true;
                                    return INTERCEPT_PASS_POST;
                                },
                                [](intercept_call *call) {
                                    own_posts++;
                                    call->result += 10;
                                },
                                0,
                                &number,
                                1};
    int id = intercept_add(&registration);
    ASSERT_GE(id, 0);
    ssize_t got = 0;
    std::thread reader([&] {
        char byte;
        got = read(ends[0], &byte, 1);
    });
    while (!inside)
        std::this_thread::yield();
    EXPECT_EQ(intercept_remove(id), 0);
    int other = Kind<0>::add();
    EXPECT_NE(other, id) << "the place that was freed last is filled last";
    EXPECT_EQ(write(ends[1], "x", 1), 1);
    reader.join();
    EXPECT_EQ(got, 11);
    EXPECT_EQ(own_posts, 1);
    EXPECT_EQ(foreign_posts, 0);
    EXPECT_EQ(intercept_remove(other), 0);
    close(ends[0]);
    close(ends[1]);
}

// A fork in the middle of another thread's change leaves the child able to change.
TEST_F(Registry, ForkedChildrenMayChangeHooks) {
    std::atomic<bool> over{false};
    std::thread changer([&] {
        while (!over)
            if (int id = Kind<1>::add(); id >= 0)
                intercept_remove(id);
    });
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            int id = Kind<0>::add();
            calls_seen[0] = 0;
            bool seen = id >= 0 && getppid() != 0 && calls_seen[0] == 1;
            _exit(seen && intercept_remove(id) == 0 ? 3 : 1);
        }
        ASSERT_EQ(wait_for(child), 3);
    }
    over = true;
    changer.join();
    EXPECT_EQ(foreign_calls, 0);
}

} // namespace

namespace {

// What would crash if the hook's code were unloaded after the removal.
std::atomic<bool> unloaded;
std::atomic<long> after_unload;

INTERCEPT_FILTER_FUNCTION int counted_filter(const intercept_call *call) {
    after_unload += unloaded ? 1 : 0;
    return call->args[0] == 77 ? INTERCEPT_FILTER_PASS : INTERCEPT_FILTER_SERVE;
}

int counted_hook(intercept_call *) {
    after_unload += unloaded ? 1 : 0;
    calls_seen[0]++;
    return INTERCEPT_PASS_POST;
}

void counted_post(intercept_call *) {
    after_unload += unloaded ? 1 : 0;
}

int add_counted(long number) {
    intercept_hook hook{counted_filter, counted_hook, counted_post, 0, &number, 1, INTERCEPT_COUNTED};
    return intercept_add(&hook);
}

TEST_F(Registry, RemovalWaitsUntilNobodyIsInside) {
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int n = 0; n < 3; n++)
        threads.emplace_back([&] {
            while (!over) {
                site_call(SYS_getppid, 77, 0, 0, 0, 0);
                site_call(SYS_getppid, 1, 0, 0, 0, 0);
                reinterpret_cast<long (*)(long)>(reinterpret_cast<void *>(getppid))(1);
            }
        });
    after_unload = 0;
    for (int round = 0; round < 100; round++) {
        unloaded = false;
        int id = add_counted(SYS_getppid);
        ASSERT_GE(id, 0);
        long seen = calls_seen[0];
        while (calls_seen[0] < seen + 10)
            std::this_thread::yield();
        ASSERT_EQ(intercept_remove_and_wait(id, 10000), 0);
        unloaded = true;
        std::this_thread::yield();
    }
    over = true;
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(after_unload, 0);
    unloaded = false;
}

TEST_F(Registry, ACallThatSleepsInTheKernelIsInsideUntilItsPost) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    int id = add_counted(SYS_read);
    ASSERT_GE(id, 0);
    long seen = calls_seen[0];
    std::thread reader([&] {
        char byte;
        EXPECT_EQ(site_call(SYS_read, ends[0], reinterpret_cast<long>(&byte), 1, 0, 0), 1);
    });
    while (calls_seen[0] == seen)
        std::this_thread::yield();
    EXPECT_EQ(intercept_remove_and_wait(id, 20), -ETIMEDOUT);
    // Its place is not given away meanwhile.
    int ids[7];
    for (int &one : ids) {
        one = add_counted(SYS_getuid);
        EXPECT_NE(one, id);
    }
    for (int one : ids)
        if (one >= 0) {
            EXPECT_EQ(intercept_remove_and_wait(one, 1000), 0);
        }
    EXPECT_EQ(site_call(SYS_write, ends[1], reinterpret_cast<long>("x"), 1, 0, 0), 1);
    reader.join();
    int again = add_counted(SYS_read);
    EXPECT_GE(again, 0);
    EXPECT_EQ(intercept_remove_and_wait(again, 1000), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST_F(Registry, OnlyCountedHooksCanBeWaitedFor) {
    int id = Kind<0>::add();
    ASSERT_GE(id, 0);
    EXPECT_EQ(intercept_remove_and_wait(id, 0), -EINVAL);
    EXPECT_EQ(intercept_remove_and_wait(99, 0), -EINVAL);
    EXPECT_EQ(intercept_remove(id), 0);
    long number = SYS_getppid;
    intercept_hook wrong{nullptr, counted_hook, nullptr, 0, &number, 1, 8};
    EXPECT_EQ(intercept_add(&wrong), -EINVAL);
    int counted = add_counted(SYS_getppid);
    uint64_t word = 0;
    EXPECT_EQ(intercept_set_words(counted, &word, 1, &number, 1), -EINVAL);
    EXPECT_EQ(intercept_remove_and_wait(counted, 1000), 0);
}

} // namespace
