// call_fixture: one registration, made before the first test, whose behaviour
// changes; and the program's main().
#include "tests/intercept/call_fixture.h"

#include "tests/intercept/vector_spoiler.h"

#include <cstdio>
#include <sys/wait.h>

int (*on_filter)(const intercept_call *) = nullptr;
int (*on_hook)(intercept_call *) = nullptr;
void (*on_post)(intercept_call *) = nullptr;

namespace {

int hook_id = -1;

INTERCEPT_FILTER_FUNCTION int filter(const intercept_call *call) {
    return on_filter != nullptr ? on_filter(call) : INTERCEPT_FILTER_SERVE;
}

void spoil() {
    spoil_vectors();
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

} // namespace

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

void Call::SetUp() {
    on_filter = nullptr;
    on_hook = nullptr;
    on_post = nullptr;
}

void Call::TearDown() {
    long none = 0xffff;
    intercept_set_calls(hook_id, &none, 1);
}

void Call::catch_calls(const std::vector<long> &numbers) {
    ASSERT_EQ(intercept_set_calls(hook_id, numbers.data(), numbers.size()), 0);
}

void Call::catch_every_call() {
    ASSERT_EQ(intercept_set_calls(hook_id, nullptr, 0), 0);
}

int wait_for(pid_t child) {
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    long none = 0xffff;
    intercept_hook own{filter, hook, post, 0, &none, 1};
    hook_id = intercept_add(&own);
    if (hook_id < 0 || intercept_start() != 0) {
        fprintf(stderr, "the interceptor did not start\n");
        return 1;
    }
    return RUN_ALL_TESTS();
}
