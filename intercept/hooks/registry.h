// registry: the registered hooks and the table that says which number has any.
//
// Readers are the dispatchers, on any thread, without a lock: a slot is filled
// before its bit appears in the table, and is never filled again while it may be
// in use (a removed slot is reused last).
#pragma once

#include "intercept/include/pmemfile-intercept.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

constexpr unsigned hook_slots = 7; // a bit each; the eighth says that words decide
constexpr unsigned call_numbers = 65536;
constexpr unsigned word_call_numbers = 1024; // only these can be decided by words
constexpr uint8_t words_bit = 0x80;

// What the stubs look at: (uint32_t)rdi < limit and words[edi] == INTERCEPT_WORD_PASS.
// A suspension takes 2^32 from the limit, so that it is negative whatever else happens.
struct Words {
    int64_t limit;
    const uint64_t *words;
};

struct HookSlot {
    int (*filter)(const intercept_call *call) INTERCEPT_KEEPS_REGISTERS;
    int (*hook)(intercept_call *call);
    void (*post)(intercept_call *call);
    int priority;
    bool used;
};

struct HookOrder {
    unsigned count;
    uint8_t slots[hook_slots]; // by priority, then by time of registration
};

extern HookSlot hooks[hook_slots];
extern HookOrder hook_order;

} // namespace intercept

extern "C" {
// Bit i of byte n: slot i wants number n; words_bit: only one does, and its words
// may let the call pass. Indexed with the low 16 bits of rax
// by every stub, so that any number is safe; the entry then looks at all of it.
extern __attribute__((visibility("hidden"))) uint8_t intercept_table[intercept::call_numbers];
extern __attribute__((visibility("hidden"))) intercept::Words intercept_words;

// The functions of the only hook, for the short way of the entry; the filter is
// null when there are several hooks, none, or one without a filter.
extern __attribute__((visibility("hidden"))) int (*intercept_lone_filter)(const intercept_call *call)
    INTERCEPT_KEEPS_REGISTERS;
extern __attribute__((visibility("hidden"))) int (*intercept_lone_hook)(intercept_call *call);

// The thread's bypass depth.
extern
    __attribute__((visibility("hidden"), tls_model("initial-exec"))) constinit thread_local int intercept_bypass_depth;
}
