// trap_cost: what level 2 of the interceptor (Syscall User Dispatch) costs, in one run with the cases
// interleaved.
//
//   other, level 2 off   getppid by libc, in a child made by the kernel alone, whose calls are not trapped
//   other, level 2 on    the same call of this process: exempt, but the kernel looks at the range
//   trapped, passed      code made at run time, number nobody hooked
//   trapped, answered    the same, answered by a hook
//   a signal             sent to oneself, handled and returned from: what the kernel takes for that alone
#include "intercept/include/pmemfile-intercept.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace {

int answer(intercept_call *call) {
    call->result = 42;
    return INTERCEPT_HANDLED;
}

double now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

template <typename F> double time_ns(F function, int calls) {
    double begin = now_ns();
    for (int i = 0; i < calls; i++)
        asm volatile("" ::"r"(function()));
    return (now_ns() - begin) / calls;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// mov $getppid, %eax ; syscall ; ret
long (*make_code())() {
    void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, "\xb8\x6e\0\0\0\x0f\x05\xc3", 8);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    return reinterpret_cast<long (*)()>(page);
}

long libc_getppid() {
    return getppid();
}

long signal_to_oneself() {
    return raise(SIGUSR1);
}

struct Case {
    const char *name;
    long (*call)();
    int calls;
    std::vector<double> rounds{};
};

} // namespace

int main(int argc, char **argv) {
    CLI::App app("Measures what a trapped system call costs, and what traps cost the others.");
    int rounds = 200;
    app.add_option("--rounds", rounds, "interleaved rounds")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    long number = SYS_getppid;
    long none = SYS_getpgid;
    intercept_hook hook{nullptr, answer, nullptr, 0, &none, 1};
    int id = intercept_add(&hook);
    intercept_set_levels(INTERCEPT_LEVEL_START | INTERCEPT_LEVEL_TRAP);
    intercept_statistics statistics{};
    if (id >= 0 && intercept_start() == 0)
        intercept_get_statistics(&statistics);
    if (statistics.traps_on == 0) {
        fmt::print(stderr, "trap_cost: level 2 did not start\n");
        return 2;
    }
    signal(SIGUSR1, [](int) {});
    auto *from_child =
        static_cast<double *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::vector<Case> cases = {
        {"other, level 2 off", nullptr, 2000},
        {"other, level 2 on", libc_getppid, 2000},
        {"trapped, passed", make_code(), 300},
        {"trapped, answered", make_code(), 300},
        {"a signal and rt_sigreturn", signal_to_oneself, 300},
    };
    for (int round = 0; round < rounds; round++)
        for (Case &one : cases) {
            intercept_set_calls(id, strcmp(one.name, "trapped, answered") == 0 ? &number : &none, 1);
            if (one.call != nullptr) {
                one.rounds.push_back(time_ns(one.call, one.calls));
                continue;
            }
            // Not by libc, so that nobody switches it on in the child.
            long child = intercept_raw_syscall(SYS_fork, 0, 0, 0, 0, 0, 0);
            if (child == 0) {
                *from_child = time_ns(libc_getppid, one.calls);
                intercept_raw_syscall(SYS_exit_group, 0, 0, 0, 0, 0, 0);
            }
            intercept_raw_syscall(SYS_wait4, child, 0, 0, 0, 0, 0);
            one.rounds.push_back(*from_child);
        }
    for (Case &one : cases) {
        std::vector<double> differences;
        for (size_t i = 0; i < one.rounds.size(); i++)
            differences.push_back(one.rounds[i] - cases[0].rounds[i]);
        fmt::print("{:<26} {:7.1f} ns  {:+8.1f} ns\n", one.name, median(one.rounds), median(differences));
    }
    return 0;
}
