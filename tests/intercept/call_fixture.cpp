// call_fixture: one registration, made before the first test, whose behaviour
// changes; and the program's main().
#include "tests/intercept/call_fixture.h"

#ifdef SITES_LIBRARY
#include "intercept/arch/x86_64/vector_level.h"
#endif
#include "tests/intercept/vector_spoiler.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

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
#if defined(__aarch64__)
    asm volatile("cmp xzr, xzr" ::: "cc");
#else
    asm volatile("xor %%eax, %%eax\n stc" ::: "eax", "cc");
#endif
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

#ifdef SITES_LIBRARY
// The same tests under level 2: the sites are loaded when all has been patched.
struct TrappedSite {
    const char *name;
    void **function;
    long (*address)();
};
extern "C" const TrappedSite trapped_sites[]; // trapped_sites.S

static bool load_sites() {
    intercept::detect_vector_level(); // this program's own copy, for the spoiler
    void *library = dlopen(SITES_LIBRARY, RTLD_NOW);
    bool found = library != nullptr;
    for (const TrappedSite *site = trapped_sites; found && site->name != nullptr; site++)
        found = (*site->function = dlsym(library, site->name)) != nullptr;
    return found;
}
const void *code_of(long (*site)()) {
    for (const TrappedSite *each = trapped_sites; each->name != nullptr; each++)
        if (each->address == site)
            return *each->function;
    return nullptr;
}
static bool choose_levels() {
    intercept_set_object_filter([](const intercept_object_info *object,
                                   void *) { return strstr(object->path, "intercept-sites") == nullptr ? 1 : 0; },
                                nullptr);
    return intercept_set_levels(INTERCEPT_LEVEL_START | INTERCEPT_LEVEL_TRAP) == 0;
}
#else
const void *code_of(long (*site)()) {
    return reinterpret_cast<const void *>(site);
}
static bool load_sites() {
    return true;
}
static bool choose_levels() {
    return true;
}
#endif

#ifdef SITES_LIBRARY
// A thread that is there before level 2 is.
static std::atomic<int> early_step;
static std::atomic<long> early_result;
static void early_main() {
    while (early_step != 1)
        usleep(1000);
    early_result = site_getppid();
    early_step = 2;
}
long early_thread_call() {
    early_step = 1;
    while (early_step != 2)
        usleep(1000);
    return early_result;
}
// EARLY_THREAD: all is patched first, then a thread made, then level 2 started.
static bool start_early_thread() {
    if (getenv("EARLY_THREAD") == nullptr)
        return true;
    intercept_set_levels(INTERCEPT_LEVEL_START);
    bool started = intercept_start() == 0;
    std::thread(early_main).detach();
    return started && choose_levels();
}
#else
static bool start_early_thread() {
    return true;
}
#endif

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    long none = 0xffff;
    intercept_hook own{filter, hook, post, 0, &none, 1};
    hook_id = intercept_add(&own);
    if (hook_id < 0 || !choose_levels() || !start_early_thread() || intercept_start() != 0 || !load_sites()) {
        fprintf(stderr, "the interceptor did not start\n");
        return 1;
    }
    return RUN_ALL_TESTS();
}
