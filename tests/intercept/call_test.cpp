// call: who answers a call, what a hook may change of it, and what is patched.
#include "base/raw_syscall.h"
#include "tests/intercept/call_fixture.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <thread>
#include <unistd.h>

namespace {

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
    catch_every_call();
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
