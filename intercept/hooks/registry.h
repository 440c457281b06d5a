// registry: the registered hooks and the table that says which number has any.
//
// Readers are the dispatchers, on any thread, without a lock; writers are one at a
// time. A slot is filled before its bit appears in the table, and may be filled
// anew while a reader still holds the bit of its former hook. So a reader takes the
// functions together, by a generation, and only if the table still says that
// the slot wants the number: no hook sees a call that it did not ask for.
#pragma once

#include "intercept/include/pmemfile-intercept.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

constexpr unsigned hook_slots = 7; // a bit each; the eighth says that words decide
constexpr unsigned call_numbers = 65536;
constexpr unsigned word_call_numbers = 1024; // only these can be decided by words
constexpr uint8_t words_bit = 0x80;
constexpr uint8_t no_slots = 0xff; // no byte of the table, without words_bit, is that

// What the stubs look at: (uint32_t)rdi < limit and words[edi] == INTERCEPT_WORD_PASS, and of
// newfstatat first of all rsi == path.
// A suspension takes 2^32 from the limit, so that it is negative whatever else happens.
struct Words {
    int64_t limit;
    const uint64_t *words;
    const char *path;
};

struct HookSlot {
    int (*filter)(const intercept_call *call) INTERCEPT_KEEPS_REGISTERS;
    int (*hook)(intercept_call *call);
    void (*post)(intercept_call *call);
    int priority;
    bool used;
    bool counted;        // INTERCEPT_COUNTED
    bool has_numbers;    // its bit may be set in intercept_table
    uint32_t inside;     // calls in it, if it is counted; while there are any, it is not filled anew
    uint32_t generation; // raised before and after each change: odd while one is going on
    uint64_t freed;      // when it was removed: the longest free is filled first
};

struct HookFunctions {
    int (*hook)(intercept_call *call);
    void (*post)(intercept_call *call);
    bool counted;
    uint32_t generation;
};

// Slots by priority, then by time of registration. One word, so that it is read whole.
struct alignas(8) HookOrder {
    uint8_t count;
    uint8_t slots[hook_slots];
};
static_assert(sizeof(HookOrder) == 8);

constexpr uint32_t first_generation = 2; // of a slot that was filled once

extern HookSlot hooks[hook_slots];

// What intercept_dispatch_filter answers: who serves, and above it who of them is counted.
constexpr unsigned counted_shift = 8;

HookOrder read_order();
// The functions of a slot as they belong together. False: they are being changed.
bool read_slot(unsigned slot, HookFunctions &out);
// The slot of the registration that intercept_words_hook belongs to, and its functions.
// False: another one is there.
unsigned words_owner_slot();
bool read_words_slot(HookFunctions &out);
// The same for a call that is about to begin. False also if the slot does not want `number` (any more).
bool read_slot_for(unsigned slot, long number, HookFunctions &out);

} // namespace intercept

extern "C" {
// Bit i of byte n: slot i wants number n; words_bit: only one does, and its words
// may let the call pass. Indexed with the low 16 bits of rax
// by every stub, so that any number is safe; the entry then looks at all of it.
extern __attribute__((visibility("hidden"))) uint8_t intercept_table[intercept::call_numbers];
extern __attribute__((visibility("hidden"))) intercept::Words intercept_words;

// The functions of the first hook, for the short way of the entry: of every number that intercept_lone_slots, its bit,
// wants and nobody else. (A stub that looks at the table twice may come with no slot at all.) no_slots if the first
// hook has no filter, and from the first removal on for ever, since whoever read a byte of the table earlier must not
// meet another hook here.
extern __attribute__((visibility("hidden"))) uint8_t intercept_lone_slots;
extern __attribute__((visibility("hidden"))) int (*intercept_lone_filter)(const intercept_call *call)
    INTERCEPT_KEEPS_REGISTERS;
extern __attribute__((visibility("hidden"))) int (*intercept_lone_hook)(intercept_call *call);
extern __attribute__((visibility("hidden"))) void (*intercept_lone_post)(intercept_call *call); // never null then
// The function of the first registration that had words: of every number with words_bit.
extern __attribute__((visibility("hidden"))) int (*intercept_words_hook)(intercept_call *call);

// The thread's bypass depth.
extern
    __attribute__((visibility("hidden"), tls_model("initial-exec"))) constinit thread_local int intercept_bypass_depth;
}

namespace intercept {

// A call leaves a counted hook, and enters it. False: the hook is gone, or does not want
// `number` any more. First the call is counted and then the table is looked at; a removal
// clears the table first and then looks at the count.
inline void leave_counted(unsigned slot) {
    __atomic_fetch_sub(&hooks[slot].inside, 1, __ATOMIC_RELEASE);
}
inline bool enter_counted(unsigned slot, long number) {
    __atomic_fetch_add(&hooks[slot].inside, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&hooks[slot].counted, __ATOMIC_ACQUIRE) &&
        (__atomic_load_n(&intercept_table[number], __ATOMIC_ACQUIRE) >> slot & 1) != 0)
        return true;
    leave_counted(slot);
    return false;
}

} // namespace intercept
