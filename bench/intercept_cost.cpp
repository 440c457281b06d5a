// intercept_cost: what the interceptor costs, in one run with the cases
// interleaved, so that a change of clock speed hits all alike.
//
//   function     call of an empty function
//   answered     hooked getppid that the hook answers
//   plain        getppid that the kernel answers, from an object that is not patched
//   passed       the same, hooked, the filter says PASS
//   by its word  the same, without asking the filter: the word of its first argument says so
//   unhooked     the same, at a patched site, number nobody hooked
//
// For two kinds of sites: a wrapper of libc (no vector state to save) and a
// foreign object (all vector state is saved). Prints the median over rounds, and
// exits with 1 if a target is missed (--check).
#include "intercept/include/pmemfile-intercept.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern "C" long site_getppid(long);

namespace {

enum class Mode { off, answer, pass, word };
Mode mode = Mode::off;

INTERCEPT_FILTER_FUNCTION int choose(const intercept_call *) {
    return mode == Mode::pass ? INTERCEPT_FILTER_PASS : INTERCEPT_FILTER_SERVE;
}

int answer(intercept_call *call) {
    call->result = 42;
    return INTERCEPT_HANDLED;
}

__attribute__((noinline)) long empty_function(long) {
    asm volatile("");
    return 42;
}

// In this object, which holds the hooks and is therefore not patched.
__attribute__((noinline)) long plain_getppid(long number) {
    long result;
    asm volatile("syscall" : "=a"(result) : "a"(SYS_getppid), "D"(number) : "rcx", "r11", "memory");
    return result;
}

// The very function of libc, called through a pointer as the others are.
// getppid ignores arguments; to the interceptor the first looks like a descriptor.
constexpr long ours_number = 1, host_number = 3;
constexpr uint64_t words[4] = {0, 0, 0, INTERCEPT_WORD_PASS};

long (*const libc_getppid)(long) = reinterpret_cast<long (*)(long)>(reinterpret_cast<void *>(getppid));

double now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

template <typename F> double time_ns(F function, long number, int calls) {
    double begin = now_ns();
    for (int i = 0; i < calls; i++)
        asm volatile("" ::"r"(function(number)));
    return (now_ns() - begin) / calls;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

struct Case {
    const char *name;
    long (*call)(long);
    Mode mode;
    int calls;
    std::vector<double> rounds{};
};

// Processor time of one start and end of `program`, in ns: neighbours do not count.
double start_ns(const char *program, const char *preload, const char *cache) {
    pid_t child = vfork();
    if (child == 0) {
        std::string load = preload != nullptr ? std::string("LD_PRELOAD=") + preload : "NOTHING=1";
        std::string kept = std::string("PMEMFILE_CACHE_DIR=") + cache;
        const char *argv[] = {program, nullptr};
        const char *envp[] = {load.c_str(), kept.c_str(), "PASS_ALL_WAY=filter", nullptr};
        execve(program, const_cast<char *const *>(argv), const_cast<char *const *>(envp));
        _exit(127);
    }
    int status = 0;
    rusage usage{};
    wait4(child, &status, 0, &usage);
    auto in_ns = [](const timeval &t) {
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_usec) * 1e3;
    };
    return status == 0 ? in_ns(usage.ru_utime) + in_ns(usage.ru_stime) : 1e18;
}

// Memory of this process that no other shares.
long private_kib() {
    std::ifstream file("/proc/self/smaps_rollup");
    std::string word;
    long value = 0;
    while (file >> word)
        if (word == "Private_Dirty:")
            file >> value;
    return value;
}

} // namespace

int main(int argc, char **argv) {
    CLI::App app("Measures what an intercepted system call costs.");
    int rounds = 300;
    bool check = false;
    std::string preload;
    app.add_option("--rounds", rounds, "interleaved rounds")->capture_default_str();
    app.add_flag("--check", check, "exit with 1 if a target is missed");
    app.add_option("--preload", preload, "library whose start-up time is measured");
    CLI11_PARSE(app, argc, argv);

    long number = SYS_getppid;
    intercept_hook hook{choose, answer, nullptr, 0, &number, 1};
    int id = intercept_add(&hook);
    long before_kib = private_kib();
    before_kib = private_kib(); // what reading costs is there by now
    if (id < 0 || intercept_start() != 0) {
        fmt::print(stderr, "intercept_cost: the interceptor did not start\n");
        return 2;
    }
    fmt::print("memory after the start   {:7} KiB private\n", private_kib() - before_kib);
    std::vector<Case> cases = {
        {"function", empty_function, Mode::answer, 20000},
        {"answered, libc", libc_getppid, Mode::answer, 20000},
        {"answered, other object", site_getppid, Mode::answer, 20000},
        {"plain", plain_getppid, Mode::off, 2000},
        {"passed, libc", libc_getppid, Mode::pass, 2000},
        {"passed, other object", site_getppid, Mode::pass, 2000},
        {"by its word, libc", libc_getppid, Mode::word, 2000},
        {"unhooked, libc", libc_getppid, Mode::off, 2000},
        {"unhooked, other object", site_getppid, Mode::off, 2000},
    };
    for (int round = 0; round < rounds; round++)
        for (Case &one : cases) {
            mode = one.mode;
            long none = 39;
            intercept_set_calls(id, one.mode == Mode::off ? &none : &number, 1);
            intercept_set_words(id, words, std::size(words), &number, one.mode == Mode::pass ? 0 : 1);
            one.rounds.push_back(time_ns(one.call, one.mode == Mode::word ? host_number : ours_number, one.calls));
        }
    bool good = true;
    for (Case &one : cases) {
        // Differences are taken within a round, then the median of them.
        const Case &base = one.mode == Mode::answer ? cases[0] : cases[3];
        std::vector<double> differences;
        for (size_t i = 0; i < one.rounds.size(); i++)
            differences.push_back(one.rounds[i] - base.rounds[i]);
        double value = median(one.rounds);
        double more = median(differences);
        double target = one.mode == Mode::answer ? 10 : 5;
        fmt::print("{:<24} {:7.1f} ns  {:+6.1f} ns\n", one.name, value, more);
        good &= more <= target;
    }
    if (!preload.empty()) {
        std::string cache = fmt::format("/tmp/intercept-cost-{}", getpid());
        std::vector<double> without;
        std::vector<double> cached;
        std::vector<double> planned;
        start_ns("/bin/true", preload.c_str(), cache.c_str());
        for (int round = 0; round < rounds; round++) {
            without.push_back(start_ns("/bin/true", nullptr, cache.c_str()));
            cached.push_back(start_ns("/bin/true", preload.c_str(), cache.c_str()));
            planned.push_back(start_ns("/bin/true", preload.c_str(), "/proc/no/cache"));
        }
        double more = median(cached) - median(without);
        fmt::print("start of true            {:7.2f} ms\n", median(without) / 1e6);
        fmt::print("  preloaded, cached plan {:7.2f} ms  {:+.2f} ms\n", median(cached) / 1e6, more / 1e6);
        fmt::print("  preloaded, no cache    {:7.2f} ms  {:+.2f} ms\n", median(planned) / 1e6,
                   (median(planned) - median(without)) / 1e6);
        good &= more <= 5e6;
        std::string remove = fmt::format("rm -rf {}", cache);
        if (system(remove.c_str()) != 0)
            good = false;
    }
    return check && !good ? 1 : 0;
}
