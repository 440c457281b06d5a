// call_fixture: the hooks of a test program of the interceptor. The program holds
// them and is itself not patched; the calls come from libc and libintercept-sites.
#pragma once

#include "intercept/include/pmemfile-intercept.h"

#include <gtest/gtest.h>
#include <vector>

extern "C" { // sites.S
long site_getppid();
long site_call(long nr, long a0, long a1, long a2, long a3, long a4);
long site_over();
long site_rip_relative();
long site_flags(long a, long b);
long site_direction();
long site_alignment();
long site_red_zone();
void site_float(uint8_t *image);
void site_registers(long *registers);
void site_vectors(uint8_t *state, long level);
long site_clone(long flags, void *stack_top, void (*run)(void *), void *argument);
}

// What the hook does is chosen per test. Whatever it is, the hook and the post
// leave no vector register and no flag as they were.
extern int (*on_filter)(const intercept_call *);
extern int (*on_hook)(intercept_call *);
extern void (*on_post)(intercept_call *);

int answer_42(intercept_call *call); // HANDLED, with the arguments destroyed
int pass(intercept_call *call);
int pass_post(intercept_call *call);

// On each test: no behaviour, no numbers; `catch_calls` sets them.
class Call : public testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;
    static void catch_calls(const std::vector<long> &numbers);
    static void catch_every_call();
};

// The code behind a site's name (in intercept_trap_test a jump to it stands there).
const void *code_of(long (*site)());
// intercept_trap_test: what site_getppid gives in a thread that was there before level 2.
long early_thread_call();

// Exit status of a child, or -1 if it did not exit by itself.
int wait_for(pid_t child);
