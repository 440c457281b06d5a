// own_calls: what we take a seccomp filter to say is what the kernel says; and which of our calls it leaves.
#include "intercept/trap/own_calls.h"

#include <cerrno>
#include <cstddef>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <random>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace intercept {
namespace {

using Filter = std::vector<sock_filter>;

constexpr long arguments[6] = {0x123456789, -1, 77, 0x7fff0000ffff, 4, 1 << 31};

sock_filter step(unsigned code, uint32_t k) {
    return BPF_STMT(static_cast<unsigned short>(code), k);
}

// Some arithmetic with the call's data, and an error number that is made of it. Other calls are allowed.
Filter random_filter(std::mt19937 &random) {
    auto any = [&] { return static_cast<uint32_t>(random()); };
    auto below = [&](unsigned limit) { return any() % limit; };
    Filter filter{step(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0), step(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    for (unsigned slot = 0; slot < BPF_MEMWORDS; slot++)
        filter.push_back(step(BPF_ST, slot));
    constexpr unsigned operations[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH};
    constexpr unsigned conditions[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
    unsigned steps = 5 + below(40);
    for (unsigned i = 0; i < steps; i++) {
        // Not the address of the call, which is not known here.
        const uint32_t word = below(4) == 0 ? 4 * below(2) : 16 + 4 * below(12);
        const unsigned source = below(2) == 0 ? BPF_X : BPF_K;
        const unsigned operation = operations[below(8)];
        const bool shifts = operation == BPF_LSH || operation == BPF_RSH;
        switch (below(12)) {
        case 0:
        case 1:
        case 2:
            filter.push_back(step(BPF_LD | BPF_W | BPF_ABS, word));
            break;
        case 3:
            filter.push_back(step(below(2) == 0 ? BPF_LD | BPF_MEM : BPF_LDX | BPF_MEM, below(BPF_MEMWORDS)));
            break;
        case 4:
            filter.push_back(step(below(2) == 0 ? BPF_ST : BPF_STX, below(BPF_MEMWORDS)));
            break;
        case 5:
            filter.push_back(step(below(2) == 0 ? BPF_LD | BPF_IMM : BPF_LDX | BPF_IMM, any()));
            break;
        case 6:
            filter.push_back(step(below(2) == 0 ? BPF_MISC | BPF_TAX : BPF_MISC | BPF_TXA, 0));
            break;
        case 7:
            filter.push_back(step(below(2) == 0 ? BPF_LD | BPF_W | BPF_LEN : BPF_LDX | BPF_W | BPF_LEN, 0));
            break;
        case 8:
            filter.push_back(below(2) == 0 ? step(BPF_ALU | BPF_NEG, 0)
                                           : step(BPF_ALU | BPF_DIV | BPF_K, 1 + below(99)));
            break;
        case 9:
            filter.push_back(BPF_JUMP(static_cast<unsigned short>(BPF_JMP | conditions[below(4)] | source), any(),
                                      static_cast<uint8_t>(below(3)), static_cast<uint8_t>(below(3))));
            break;
        default:
            filter.push_back(step(BPF_ALU | operation | source, shifts ? below(32) : any()));
            break;
        }
    }
    filter.insert(filter.end(), 2, step(BPF_ST, 0)); // to where the last jump may lead
    filter.push_back(step(BPF_ALU | BPF_AND | BPF_K, 0x7ff));
    filter.push_back(step(BPF_ALU | BPF_ADD | BPF_K, 1));
    filter.push_back(step(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO));
    filter.push_back(step(BPF_RET | BPF_A, 0));
    return filter;
}

void install(Filter &filter) {
    const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(3);
}

TEST(OwnCalls, AFilterSaysWhatTheKernelSaysThatItSays) {
    constexpr unsigned filters = 150;
    auto *answers = static_cast<int *>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(answers, MAP_FAILED);
    std::mt19937 random(0x5eed);
    unsigned different = 0;
    for (unsigned i = 0; i < filters; i++) {
        Filter filter = random_filter(random);
        seccomp_data data{};
        data.nr = SYS_getppid;
        data.arch = AUDIT_ARCH_X86_64;
        for (int arg = 0; arg < 6; arg++)
            data.args[arg] = static_cast<uint64_t>(arguments[arg]);
        const uint32_t answer = run_seccomp_filter({static_cast<unsigned short>(filter.size()), filter.data()}, data);
        EXPECT_EQ(answer & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
        pid_t child = fork();
        if (child == 0) {
            install(filter);
            syscall(SYS_getppid, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
            *answers = errno;
            _exit(0);
        }
        int status = -1;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_EQ(status, 0) << "the kernel does not take filter " << i;
        EXPECT_EQ(answer & SECCOMP_RET_DATA, static_cast<uint32_t>(*answers)) << "filter " << i;
        different += *answers != 1 ? 1 : 0;
    }
    EXPECT_GT(different, filters / 2);
    munmap(answers, 4096);
}

sock_fprog describe(Filter &filter) {
    return {static_cast<unsigned short>(filter.size()), filter.data()};
}

// In a child each, since nothing takes it back.
template <typename F> bool holds_in_child(F condition) {
    pid_t child = fork();
    if (child == 0)
        _exit(condition() ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    return status == 0;
}

Filter on(long number, uint32_t answer, uint32_t others) {
    return {step(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1), step(BPF_RET | BPF_K, answer),
            step(BPF_RET | BPF_K, others)};
}

TEST(OwnCalls, WhatFiltersLeave) {
    EXPECT_TRUE(own_call_allowed(SYS_mprotect) && own_threads_allowed());
    for (uint32_t bad : {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_TRACE})
        EXPECT_TRUE(holds_in_child([bad] {
            Filter filter = on(SYS_mprotect, bad, SECCOMP_RET_ALLOW);
            note_seccomp_filter(describe(filter));
            return !own_call_allowed(SYS_mprotect) && own_call_allowed(SYS_prctl) && !own_threads_allowed();
        })) << bad;
    for (uint32_t good : {SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_ERRNO | EPERM})
        EXPECT_TRUE(holds_in_child([good] {
            Filter filter = on(SYS_mprotect, good, SECCOMP_RET_ALLOW);
            note_seccomp_filter(describe(filter));
            return own_call_allowed(SYS_mprotect) && own_threads_allowed();
        })) << good;
    // What one filter has forbidden the next does not allow.
    EXPECT_TRUE(holds_in_child([] {
        Filter first = on(SYS_prctl, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
        Filter second = on(SYS_mprotect, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW);
        note_seccomp_filter(describe(first));
        note_seccomp_filter(describe(second));
        return !own_call_allowed(SYS_mprotect) && own_call_allowed(SYS_prctl);
    }));
    EXPECT_TRUE(holds_in_child([] {
        note_seccomp_strict();
        return !own_call_allowed(SYS_mprotect) && own_call_allowed(SYS_exit) && !own_threads_allowed();
    }));
}

} // namespace
} // namespace intercept
