// answer: what a hook may do that is not quite the usual thing: leave by a jump, throw, answer nonsense, go away.
#include "base/raw_syscall.h"
#include "tests/intercept/call_fixture.h"

#include <cerrno>
#include <climits>
#include <csetjmp>
#include <cstring>
#include <map>
#include <string>
#include <unistd.h>

namespace {

using Site = long (*)();

const Site sites[] = {site_getppid, site_over, reinterpret_cast<Site>(reinterpret_cast<void *>(getppid))};

TEST_F(Call, LongJumpsStraightOutOfHookAndPost) {
    static sigjmp_buf back;
    static bool in_post;
    on_hook = [](intercept_call *) -> int {
        if (!in_post)
            siglongjmp(back, 1);
        return INTERCEPT_PASS_POST;
    };
    on_post = [](intercept_call *) { siglongjmp(back, 2); };
    catch_calls({SYS_getppid});
    for (bool post : {false, true}) {
        in_post = post;
        for (Site site : sites) {
            static int jumps;
            static int rounds;
            jumps = 0;
            for (rounds = 0; rounds < 1000; rounds++) {
                int came_by = sigsetjmp(back, 1);
                if (came_by == 0)
                    site();
                else
                    jumps += came_by == (in_post ? 2 : 1) ? 1 : 0;
            }
            EXPECT_EQ(jumps, 1000);
        }
    }
    on_hook = answer_42;
    for (Site site : sites)
        EXPECT_EQ(site(), 42) << "nothing may stick";
}

TEST_F(Call, AnExceptionThatLeavesAFilterEndsTheProcess) {
    testing::FLAGS_gtest_death_test_style = "fast";
    on_filter = [](const intercept_call *call) INTERCEPT_GENERAL_REGS_ONLY -> int {
        if (call->args[0] == 7)
            throw 1;
        return INTERCEPT_FILTER_SERVE;
    };
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    EXPECT_EXIT(
        {
            try {
                site_call(SYS_getppid, 7, 0, 0, 0, 0);
            } catch (int) {
                _exit(7);
            }
            _exit(8);
        },
        testing::KilledBySignal(SIGABRT), "an exception leaves a hook");
    EXPECT_EQ(site_call(SYS_getppid, 8, 0, 0, 0, 0), 42);
}

TEST_F(Call, AnAnswerThatIsNoneIsPass) {
    static int answer;
    long expected = base::raw_syscall(SYS_getppid);
    on_hook = [](intercept_call *call) -> int {
        call->result = 42;
        return answer;
    };
    on_post = [](intercept_call *call) { call->result = 43; };
    catch_calls({SYS_getppid});
    for (int none : {3, 77, -1, INT_MAX, INT_MIN}) {
        answer = none;
        for (Site site : sites)
            EXPECT_EQ(site(), expected) << none;
    }
}

TEST_F(Call, AFiltersAnswerThatIsNoneIsServe) {
    on_filter = [](const intercept_call *call)
                    INTERCEPT_GENERAL_REGS_ONLY -> int { return static_cast<int>(call->args[0]); };
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    for (long none : {2l, -1l, static_cast<long>(INT_MIN), static_cast<long>(INT_MAX)})
        EXPECT_EQ(site_call(SYS_getppid, none, 0, 0, 0, 0), 42) << none;
    EXPECT_EQ(site_call(SYS_getppid, 0, 0, 0, 0, 0), base::raw_syscall(SYS_getppid));
}

TEST_F(Call, PassPostWithoutAPostIsPass) {
    static int asked;
    asked = 0;
    long number = SYS_getppid;
    intercept_hook hook{nullptr,
                        [](intercept_call *) -> int {
                            asked++;
                            return INTERCEPT_PASS_POST;
                        },
                        nullptr,
                        0,
                        &number,
                        1};
    int id = intercept_add(&hook);
    ASSERT_GE(id, 0);
    for (Site site : sites)
        EXPECT_EQ(site(), base::raw_syscall(SYS_getppid));
    EXPECT_EQ(asked, 3);
    // Beside another one that has a post.
    on_hook = pass_post;
    on_post = [](intercept_call *call) { call->result = 43; };
    catch_calls({SYS_getppid});
    for (Site site : sites)
        EXPECT_EQ(site(), 43);
    EXPECT_EQ(asked, 6);
    EXPECT_EQ(intercept_remove(id), 0);
}

TEST_F(Call, ANegativeBypassDepthBypassesNothing) {
    on_hook = answer_42;
    catch_calls({SYS_getppid});
    for (int depth : {-1, -1000, INT_MIN}) {
        intercept_bypass_set(depth);
        for (Site site : sites)
            EXPECT_EQ(site(), 42) << depth;
    }
    intercept_bypass_set(-1);
    EXPECT_EQ(intercept_bypass_enter(), 0);
    EXPECT_EQ(site_getppid(), 42);
    EXPECT_EQ(intercept_bypass_enter(), 1);
    EXPECT_EQ(site_getppid(), base::raw_syscall(SYS_getppid));
    intercept_bypass_set(0);
    EXPECT_EQ(site_getppid(), 42);
}

// Not promised (a signal handler's call could find the registry locked), but nothing breaks.
TEST_F(Call, AHookThatRemovesItself) {
    static int id;
    static int answer;
    long number = SYS_getppid;
    for (int each : {INTERCEPT_HANDLED, INTERCEPT_PASS, INTERCEPT_PASS_POST})
        for (Site site : sites) {
            answer = each;
            intercept_hook hook{nullptr,
                                [](intercept_call *call) -> int {
                                    call->result = intercept_remove(id) == 0 ? 42 : -1;
                                    return answer;
                                },
                                [](intercept_call *call) { call->result = 43; },
                                0,
                                &number,
                                1};
            id = intercept_add(&hook);
            ASSERT_GE(id, 0);
            long expected = base::raw_syscall(SYS_getppid);
            EXPECT_EQ(site(), each == INTERCEPT_HANDLED ? 42 : each == INTERCEPT_PASS ? expected : 43);
            EXPECT_EQ(site(), expected);
            EXPECT_EQ(intercept_remove(id), -EINVAL);
        }
}

TEST_F(Call, BadArgumentsAreRefused) {
    EXPECT_EQ(intercept_add(nullptr), -EINVAL);
    char text[] = "x";
    char *argv[] = {text, nullptr};
    EXPECT_EQ(intercept_run_program(-1, "x", nullptr), -EINVAL);
    EXPECT_EQ(intercept_run_program(-1, "x", argv), -EINVAL);
    EXPECT_EQ(intercept_run_program(0, nullptr, argv), -EINVAL);
    EXPECT_EQ(intercept_run_program(0, "x", nullptr), -EINVAL);
}

#ifndef SITES_LIBRARY // where they are patched
TEST_F(Call, TheListSaysWhereASiteIsAndWhyItIsNotPatched) {
    static std::map<const void *, intercept_site_info> list;
    list.clear();
    intercept_visit_sites(
        [](const intercept_site_info *site, void *) {
            list[site->address] = *site;
            return 0;
        },
        nullptr);
    static const void *address;
    on_hook = [](intercept_call *call) -> int {
        address = intercept_call_address(call);
        return INTERCEPT_PASS;
    };
    catch_calls({SYS_getppid});
    site_getppid();
    ASSERT_EQ(list.count(address), 1u);
    EXPECT_EQ(list[address].state, INTERCEPT_SITE_BEFORE);
    EXPECT_EQ(list[address].nr, SYS_getppid);
    EXPECT_NE(strstr(list[address].object, "intercept-sites"), nullptr) << list[address].object;
    EXPECT_EQ(memcmp(address, "\x0f\x05", 2), 0) << "the instruction is where it was";
    site_over();
    ASSERT_EQ(list.count(address), 1u);
    EXPECT_EQ(list[address].state, INTERCEPT_SITE_OVER);
    site_call(SYS_getppid, 0, 0, 0, 0, 0);
    ASSERT_EQ(list.count(address), 1u);
    EXPECT_EQ(list[address].nr, -1) << "the number comes in a register";
    EXPECT_GE(list[address].address, code_of(reinterpret_cast<Site>(reinterpret_cast<void *>(site_call))));
    unsigned signal_returns = 0;
    for (const auto &[place, site] : list) {
        bool patched = site.state == INTERCEPT_SITE_BEFORE || site.state == INTERCEPT_SITE_OVER;
        EXPECT_EQ(patched, site.why[0] == 0) << site.object << " " << place << " " << site.why;
        EXPECT_TRUE(patched || site.vector_dead == 0);
        if (site.state == INTERCEPT_SITE_EXCLUDED) {
            signal_returns++;
            EXPECT_NE(strstr(site.why, "signal trampoline"), nullptr) << site.why;
            EXPECT_EQ(memcmp(static_cast<const char *>(place) - 7, "\x48\xc7\xc0\x0f\0\0\0", 7), 0);
        }
    }
    EXPECT_GE(signal_returns, 1u);
}
#endif

} // namespace
