// dispatch: from the interceptor to the table and back. What the constructor
// (process/) registers with intercept_add.
#pragma once

#include "intercept/include/pmemfile-intercept.h"

#include <atomic>
#include <span>

namespace shim {

// intercept_hook::filter: host descriptors go to the kernel at once. General registers only.
INTERCEPT_FILTER_FUNCTION int dispatch_filter(const struct intercept_call *call);
// The numbers for intercept_set_words: the words are descriptor_words.
std::span<const long> dispatch_word_calls();
// intercept_hook::hook and ::post. Any thread.
int dispatch_hook(struct intercept_call *call);
void dispatch_post(struct intercept_call *call);

// The numbers to register: every row that is not `passed`. Returns how many were written (at most 512); 0: every
// number there is (table/ledger.h).
unsigned dispatch_calls(long numbers[512]);

// After the kernel's fork, vfork, clone, clone3, in both processes (process/). Weak.
__attribute__((weak)) void process_post(struct intercept_call *call);

// The process whose memory other processes share (clone with CLONE_VM and neither CLONE_VFORK nor
// CLONE_THREAD), 0 while there never was one. Such a child runs on our state but is not us: its
// calls are the kernel's.
extern constinit std::atomic<long> memory_owner;

} // namespace shim
