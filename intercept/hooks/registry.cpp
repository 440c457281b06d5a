// registry: add, change and remove hooks.
//
//   intercept_table[number] = bit per slot      (read by each stub: 0 = nobody)
//   hook_order              = slots by priority (read by the dispatchers)
#include "intercept/hooks/registry.h"

#include "base/raw_syscall.h"
#include "intercept/arch/native.h"

#include <cerrno>
#include <ctime>
#include <pthread.h>

alignas(uint64_t) uint8_t intercept_table[intercept::call_numbers];
intercept::Words intercept_words;
int (*intercept_lone_filter)(const intercept_call *call) INTERCEPT_KEEPS_REGISTERS;
int (*intercept_lone_hook)(intercept_call *call);
void (*intercept_lone_post)(intercept_call *call);
uint8_t intercept_lone_slots = intercept::no_slots;
int (*intercept_words_hook)(intercept_call *call);
constinit thread_local int intercept_bypass_depth = 0;

namespace intercept {

HookSlot hooks[hook_slots];

namespace {

static_assert(SLOTS_MASK == (1u << hook_slots) - 1 && words_bit == SLOTS_MASK + 1);

constexpr int no_slot = -1;
constexpr int64_t suspension = int64_t{1} << 32;

// The first registration that had words.
struct WordsOwner {
    int slot;
    uint32_t generation;
};

int words_slot = no_slot; // whose words they are
WordsOwner words_owner = {no_slot, 0};
bool word_calls[word_call_numbers]; // numbers they decide
HookOrder hook_order;
bool short_way_over; // a hook has been removed
uint64_t removals;

// One writer at a time. Makes no system call while nobody is in the way: programs that
// locked themselves up may change hooks. A forked child has only the forking thread.
class Writing {
public:
    Writing() {
        static bool handler_set;
        while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE) != 0)
            base::raw_syscall(SYS_sched_yield);
        if (!handler_set)
            handler_set = pthread_atfork(nullptr, nullptr, alone_again) == 0;
    }
    Writing(const Writing &) = delete;
    Writing &operator=(const Writing &) = delete;
    ~Writing() {
        __atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
    }

private:
    // In a forked child, where nobody else is.
    static void alone_again() {
        __atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
        for (HookSlot &slot : hooks)
            slot.inside = 0;
    }
    static inline int locked = 0;
};

// `slots` is who wants `number`: may the words decide, too?
uint8_t with_words(long number, uint8_t slots) {
    // Later registrations get words in name only: whoever read a byte of the table earlier
    // must not meet another function behind it.
    bool alone = words_slot != no_slot && slots == 1u << words_slot && words_slot == words_owner.slot &&
                 hooks[words_slot].generation == words_owner.generation;
    bool decided = number < static_cast<long>(word_call_numbers) && word_calls[number];
    return alone && decided ? slots | words_bit : slots;
}

void store_table(long number, uint8_t bit, bool on) {
    // rt_sigreturn finds its frame through rsp: it must never take the long way.
    if (number == SYS_rt_sigreturn)
        on = false;
    uint8_t old = __atomic_load_n(&intercept_table[number], __ATOMIC_RELAXED);
    uint8_t slots = static_cast<uint8_t>((on ? old | bit : old & ~bit) & ~words_bit);
    uint8_t wanted = with_words(number, slots);
    if (wanted != old)
        __atomic_store_n(&intercept_table[number], wanted, __ATOMIC_RELEASE);
}

bool valid_numbers(const long *calls, size_t call_count) {
    if (calls == nullptr)
        return call_count == 0;
    for (size_t i = 0; i < call_count; i++)
        if (calls[i] < 0 || calls[i] >= static_cast<long>(call_numbers))
            return false;
    return true;
}

// Those that words never decide, eight at a time: this is a tenth of a millisecond of each program's start.
void set_wordless_numbers(uint8_t bit) {
    using Eight __attribute__((may_alias)) = uint64_t;
    static_assert(SYS_rt_sigreturn < word_call_numbers && word_call_numbers % sizeof(Eight) == 0);
    for (size_t number = word_call_numbers; number < call_numbers; number += sizeof(Eight)) {
        auto *eight = reinterpret_cast<Eight *>(intercept_table + number);
        const uint64_t old = __atomic_load_n(eight, __ATOMIC_RELAXED);
        __atomic_store_n(eight, old | bit * uint64_t{0x0101010101010101}, __ATOMIC_RELEASE);
    }
}

void set_numbers(unsigned slot, const long *calls, size_t call_count) {
    uint8_t bit = static_cast<uint8_t>(1u << slot);
    if (calls == nullptr) {
        hooks[slot].has_numbers = true;
        for (long number = 0; number < static_cast<long>(word_call_numbers); number++)
            store_table(number, bit, true);
        set_wordless_numbers(bit);
        return;
    }
    // A slot that has just been filled has no number: its former hook's are gone. The table's pages are not touched for
    // it.
    for (long number = 0; hooks[slot].has_numbers && number < static_cast<long>(call_numbers); number++)
        if ((intercept_table[number] & bit) != 0) {
            bool wanted = false;
            for (size_t i = 0; i < call_count; i++)
                wanted |= calls[i] == number;
            if (!wanted)
                store_table(number, bit, false);
        }
    hooks[slot].has_numbers = call_count != 0; // before the first is set: a fork may come in between
    for (size_t i = 0; i < call_count; i++)
        store_table(calls[i], bit, true);
}

void no_post(intercept_call * /*call*/) {}

// A new order is built beside the old one: a dispatcher that reads in between
// may miss a hook that is just being added, never call one that is not there.
void rebuild_order() {
    HookOrder order{};
    for (unsigned slot = 0; slot < hook_slots; slot++) {
        if (!hooks[slot].used)
            continue;
        unsigned at = order.count;
        while (at > 0 && hooks[order.slots[at - 1]].priority > hooks[slot].priority) {
            order.slots[at] = order.slots[at - 1];
            at--;
        }
        order.slots[at] = static_cast<uint8_t>(slot);
        order.count++;
    }
    if (short_way_over)
        __atomic_store_n(&intercept_lone_slots, no_slots, __ATOMIC_SEQ_CST);
    uint64_t word;
    __builtin_memcpy(&word, &order, sizeof word);
    __atomic_store_n(reinterpret_cast<uint64_t *>(&hook_order), word, __ATOMIC_RELEASE);
    if (!short_way_over && order.count == 1) {
        const HookSlot &first = hooks[order.slots[0]];
        if (first.filter == nullptr || first.counted)
            return;
        intercept_lone_hook = first.hook;
        intercept_lone_post = first.post != nullptr ? first.post : no_post;
        intercept_lone_filter = first.filter;
        __atomic_store_n(&intercept_lone_slots, static_cast<uint8_t>(1u << order.slots[0]), __ATOMIC_RELEASE);
    }
}

void fill_slot(HookSlot &slot, const intercept_hook &hook) {
    // Odd already if a fork caught another thread in the middle of this.
    const uint32_t changing = slot.generation | 1;
    __atomic_store_n(&slot.generation, changing, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot.filter, hook.filter, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot.hook, hook.hook, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot.post, hook.post, __ATOMIC_SEQ_CST);
    slot.priority = hook.priority;
    slot.counted = (hook.flags & INTERCEPT_COUNTED) != 0;
    slot.used = true;
    __atomic_store_n(&slot.generation, changing + 1, __ATOMIC_RELEASE);
}

// The free slot that has been free longest, or -1.
int free_slot() {
    int found = no_slot;
    for (unsigned slot = 0; slot < hook_slots; slot++)
        if (!hooks[slot].used && __atomic_load_n(&hooks[slot].inside, __ATOMIC_ACQUIRE) == 0 &&
            (found == no_slot || hooks[slot].freed < hooks[found].freed))
            found = static_cast<int>(slot);
    return found;
}

bool valid_id(int id) {
    return id >= 0 && id < static_cast<int>(hook_slots) && hooks[id].used;
}

int remove_hook(int id) {
    if (!valid_id(id))
        return -EINVAL;
    if (words_slot == id)
        words_slot = no_slot;
    long none = 0;
    set_numbers(static_cast<unsigned>(id), &none, 0);
    hooks[id].used = false;
    hooks[id].freed = ++removals;
    short_way_over = true;
    rebuild_order();
    return 0;
}

} // namespace

HookOrder read_order() {
    uint64_t word = __atomic_load_n(reinterpret_cast<uint64_t *>(&hook_order), __ATOMIC_ACQUIRE);
    HookOrder order;
    __builtin_memcpy(&order, &word, sizeof order);
    return order;
}

bool read_slot(unsigned slot, HookFunctions &out) {
    const HookSlot &from = hooks[slot];
    out.generation = __atomic_load_n(&from.generation, __ATOMIC_ACQUIRE);
    out.hook = __atomic_load_n(&from.hook, __ATOMIC_RELAXED);
    out.post = __atomic_load_n(&from.post, __ATOMIC_RELAXED);
    out.counted = __atomic_load_n(&from.counted, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return out.generation % 2 == 0 && __atomic_load_n(&from.generation, __ATOMIC_RELAXED) == out.generation;
}

bool read_words_slot(HookFunctions &out) {
    return words_owner.slot != no_slot && read_slot(static_cast<unsigned>(words_owner.slot), out) &&
           out.generation == words_owner.generation;
}

unsigned words_owner_slot() {
    return static_cast<unsigned>(words_owner.slot);
}

bool read_slot_for(unsigned slot, long number, HookFunctions &out) {
    // In this order: the bit of a former hook is gone before another fills the slot.
    return read_slot(slot, out) && (__atomic_load_n(&intercept_table[number], __ATOMIC_ACQUIRE) >> slot & 1) != 0;
}

} // namespace intercept

using namespace intercept;

extern "C" {

int intercept_add(const intercept_hook *hook) {
    if (hook == nullptr || hook->hook == nullptr || (hook->flags & ~INTERCEPT_COUNTED) != 0 ||
        !valid_numbers(hook->calls, hook->call_count))
        return -EINVAL;
    Writing writing;
    int slot = free_slot();
    if (slot == no_slot)
        return -ENOSPC;
    fill_slot(hooks[slot], *hook);
    rebuild_order();
    __atomic_thread_fence(__ATOMIC_RELEASE);
    set_numbers(static_cast<unsigned>(slot), hook->calls, hook->call_count);
    return slot;
}

int intercept_set_calls(int id, const long *calls, size_t call_count) {
    Writing writing;
    if (!valid_id(id) || !valid_numbers(calls, call_count))
        return -EINVAL;
    set_numbers(static_cast<unsigned>(id), calls, call_count);
    return 0;
}

int intercept_remove(int id) {
    Writing writing;
    return remove_hook(id);
}

int intercept_remove_and_wait(int id, unsigned timeout_ms) {
    {
        Writing writing;
        if (!valid_id(id) || !hooks[id].counted)
            return -EINVAL;
        remove_hook(id);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned waited_ms = 0; __atomic_load_n(&hooks[id].inside, __ATOMIC_SEQ_CST) != 0; waited_ms++) {
        if (waited_ms >= timeout_ms)
            return -ETIMEDOUT;
        timespec millisecond = {0, 1000000};
        base::raw_syscall(SYS_nanosleep, base::as_long(&millisecond));
    }
    return 0;
}

int intercept_set_words(int id, const uint64_t *words, size_t count, const long *calls, size_t call_count) {
    Writing writing;
    if (!valid_id(id) || count > INT32_MAX || (words == nullptr && count != 0) || !valid_numbers(calls, call_count))
        return -EINVAL;
    for (size_t i = 0; i < call_count; i++)
        if (calls[i] >= static_cast<long>(word_call_numbers))
            return -EINVAL;
    if (hooks[id].counted)
        return -EINVAL;
    if (words_slot != no_slot && words_slot != id)
        return -EBUSY;
    // No stub may meet a new limit with old words.
    intercept_suspend_words();
    __atomic_store_n(&intercept_words.words, words, __ATOMIC_RELEASE);
    int64_t former = __atomic_load_n(&intercept_words.limit, __ATOMIC_RELAXED) & (suspension - 1);
    __atomic_fetch_add(&intercept_words.limit, static_cast<int64_t>(count) - former, __ATOMIC_RELEASE);
    intercept_resume_words();
    if (intercept_words_hook == nullptr) {
        words_owner = {id, hooks[id].generation};
        intercept_words_hook = hooks[id].hook;
    }
    __atomic_store_n(&words_slot, id, __ATOMIC_RELEASE);
    for (bool &decided : word_calls)
        decided = false;
    for (size_t i = 0; i < call_count; i++)
        word_calls[calls[i]] = true;
    uint8_t bit = static_cast<uint8_t>(1u << id);
    for (long number = 0; number < static_cast<long>(word_call_numbers); number++)
        store_table(number, bit, (intercept_table[number] & bit) != 0);
    return 0;
}

int intercept_set_word_path(int id, const char *path) {
    if (id < 0 || __atomic_load_n(&words_slot, __ATOMIC_ACQUIRE) != id)
        return -EINVAL;
    __atomic_store_n(&intercept_words.path, path, __ATOMIC_RELEASE);
    return 0;
}

void intercept_suspend_words(void) {
    __atomic_fetch_sub(&intercept_words.limit, suspension, __ATOMIC_SEQ_CST);
}

void intercept_resume_words(void) {
    __atomic_fetch_add(&intercept_words.limit, suspension, __ATOMIC_SEQ_CST);
}

void intercept_end_suspensions(void) {
    if (int64_t limit = __atomic_load_n(&intercept_words.limit, __ATOMIC_RELAXED); limit < 0)
        __atomic_store_n(&intercept_words.limit, limit & (suspension - 1), __ATOMIC_RELEASE);
}

const void *intercept_call_address(const intercept_call *call) {
    auto *record = static_cast<const SiteRecord *>(call->site);
    return reinterpret_cast<const void *>(site_address(*record));
}

int intercept_bypass_enter(void) {
    return ++intercept_bypass_depth;
}

int intercept_bypass_leave(void) {
    return --intercept_bypass_depth;
}

void intercept_bypass_set(int depth) {
    intercept_bypass_depth = depth;
}

long intercept_raw_syscall(long nr, long a0, long a1, long a2, long a3, long a4, long a5) {
    return base::raw_syscall(nr, a0, a1, a2, a3, a4, a5);
}

} // extern "C"
