// storm: threads that start, call and end without a pause while intercept_start lists, patches and
// sends signals, and while hooks come and go. Each round is a process of its own, which starts once.
#include "base/raw_syscall.h"
#include "intercept/include/pmemfile-intercept.h"

#include <atomic>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" {
long site_getppid();
long site_call(long nr, long a0, long a1, long a2, long a3, long a4);
long site_over();
long site_red_zone();
}

namespace {

constexpr long answer = 4711;
std::atomic<bool> over;
std::atomic<bool> settled; // the last hook is there, and stays
std::atomic<long> wrong;
std::atomic<long> answered;
std::atomic<long> threads_started;
// mov $SYS_getppid, %eax ; syscall ; ret. Made after the start, as what level 2 is for.
std::atomic<long (*)()> made_code;

int answer_getppid(intercept_call *call) {
    answered++;
    call->result = answer;
    return INTERCEPT_HANDLED;
}

int add_hook() {
    const long number = SYS_getppid;
    const intercept_hook hook{nullptr, answer_getppid, nullptr, 0, &number, 1, 0};
    return intercept_add(&hook);
}

void call_all(long parent) {
    auto is_right = [&](long result) { return result == parent || result == answer; };
    wrong += is_right(getppid()) ? 0 : 1;
    wrong += is_right(site_getppid()) && is_right(site_over()) ? 0 : 1;
    wrong += site_call(SYS_lseek, -1, 0, 0, 0, 0) == -EBADF && site_red_zone() == 1 ? 0 : 1;
    if (auto *code = made_code.load(); code != nullptr)
        wrong += is_right(code()) ? 0 : 1;
    char byte;
    errno = 0;
    wrong += read(-1, &byte, 1) == -1 && errno == EBADF ? 0 : 1;
}

void make_code() {
    auto *page =
        static_cast<uint8_t *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    memcpy(page, "\xb8\x6e\0\0\0\x0f\x05\xc3", 8);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    made_code = reinterpret_cast<long (*)()>(page);
}

// With other threads there only one store will do: an instruction with the number alone, in one line.
int is_left_for_nothing(const intercept_site_info *site, void *) {
    constexpr uint8_t load_number = 0xb8;
    constexpr unsigned bytes = 5, line_bytes = 64;
    auto *window = static_cast<const uint8_t *>(site->address) - bytes;
    return site->state == INTERCEPT_SITE_FAILED && window[0] == load_number &&
                   reinterpret_cast<uintptr_t>(window) % line_bytes <= line_bytes - bytes
               ? 1
               : 0;
}

// Exit status of a round: what failed, a bit each.
int round(unsigned levels) {
    constexpr int makers = 3, steady = 2;
    const long parent = base::raw_syscall(SYS_getppid);
    std::atomic<int> missed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < makers; i++)
        threads.emplace_back([&] {
            while (!over) {
                std::thread one([&] {
                    const bool last = settled;
                    call_all(parent);
                    missed += last && (levels & INTERCEPT_LEVEL_TRAP) != 0 && made_code.load()() != answer ? 1 : 0;
                });
                one.join();
                threads_started++;
            }
        });
    for (int i = 0; i < steady; i++)
        threads.emplace_back([&] {
            while (!settled)
                call_all(parent);
            missed += (levels & INTERCEPT_LEVEL_TRAP) != 0 && made_code.load()() != answer ? 1 : 0;
            while (!over)
                call_all(parent);
        });
    while (threads_started < 20)
        std::this_thread::yield();
    int result = intercept_set_levels(levels) == 0 && intercept_start() == 0 ? 0 : 1;
    make_code();
    const long before = threads_started;
    for (int i = 0; i < 300 || threads_started < before + 40; i++) {
        const int first = add_hook();
        const int second = add_hook();
        result |= first >= 0 && second >= 0 && intercept_remove(first) == 0 && intercept_remove(second) == 0 ? 0 : 2;
    }
    result |= add_hook() >= 0 ? 0 : 2;
    usleep(20000); // the signals that switch the traps on have come by now
    settled = true;
    const long later = threads_started;
    while (threads_started < later + 20)
        std::this_thread::yield();
    over = true;
    for (std::thread &thread : threads)
        thread.join();
    intercept_statistics statistics;
    intercept_get_statistics(&statistics);
    result |= wrong == 0 ? 0 : 4;
    result |= answered > 0 && statistics.patched_before > 200 ? 0 : 8;
    result |= missed == 0 ? 0 : 16;
    result |= intercept_visit_sites(is_left_for_nothing, nullptr) == 0 ? 0 : 32;
    if (result != 0)
        fprintf(stderr, "wrong %ld answered %ld missed %d patched %zu\n", wrong.load(), answered.load(), missed.load(),
                static_cast<size_t>(statistics.patched_before));
    return result;
}

void rounds(unsigned levels, int count) {
    for (int i = 0; i < count; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(60);
            _exit(round(levels));
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status) << " in round " << i;
        EXPECT_EQ(WEXITSTATUS(status), 0) << "round " << i;
    }
}

TEST(Storm, ThreadsStartWhileObjectsArePatched) {
    rounds(INTERCEPT_LEVEL_START | INTERCEPT_LEVEL_LOADED, 5);
}

TEST(Storm, ThreadsStartWhileTrapsAreSwitchedOn) {
    rounds(INTERCEPT_LEVEL_START | INTERCEPT_LEVEL_TRAP, 5);
}

} // namespace
