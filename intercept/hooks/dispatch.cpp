// dispatch: from the entry to the hooks that want the call, and what the entry
// is to do then. Runs with the vector state saved.
#include "intercept/arch/native.h"
#include "intercept/hooks/registry.h"
#include "intercept/objects/loader_watch.h"

using namespace intercept;

namespace {

// Which of the process-making calls `number` is, or process_kind_count.
unsigned process_kind(long number) {
    unsigned kind = 0;
    while (kind < process_kind_count && process_kind_numbers[kind] != number)
        kind++;
    return kind;
}

bool changed(const intercept_call *call, long number, const long *saved) {
    bool differs = call->nr != number;
    for (int i = 0; i < 6; i++)
        differs |= call->args[i] != saved[i];
    return differs;
}

// Posts to be called: a bit per slot in the low byte, above it a byte of each slot's
// generation, so that the post of a later hook in the slot is not taken for that of a
// hook that was removed while the kernel had the call.
constexpr unsigned generation_shift(unsigned slot) {
    return 8 * (slot + 1);
}
static_assert(generation_shift(hook_slots - 1) == 56);

// In the low byte, where no slot is: the loader watch wants the result.
constexpr uint64_t loader_mark = words_bit;

uint64_t post_mark(unsigned slot, const HookFunctions &hook) {
    return uint64_t{1} << slot | uint64_t{hook.generation / 2 & 0xff} << generation_shift(slot);
}

uint64_t *frame_mask(intercept_call *call) {
    return reinterpret_cast<uint64_t *>(reinterpret_cast<char *>(call) + FRAME_MASK);
}

// The entry has kept neither the number nor the arguments as they came.
bool is_bare(const intercept_call *call) {
    return (static_cast<const SiteRecord *>(call->site)->flags & SITE_ARGUMENTS_DEAD) != 0;
}

// No hook answered: who is to execute the call, and with what afterwards?
uint32_t after_hooks(intercept_call *call, long number, uint64_t post) {
    auto *saved = reinterpret_cast<const long *>(reinterpret_cast<const char *>(call) + FRAME_SAVED);
    // Where nobody looks at the registers afterwards, changed ones need not be put back.
    if (post == 0 && (is_bare(call) || !changed(call, number, saved)))
        return ACTION_PASS;
    unsigned kind = process_kind(number);
    if (kind < process_kind_count) {
        auto *record = static_cast<const SiteRecord *>(call->site);
        call->nr = number;
        return process_target(*record, kind) != 0 ? ACTION_PROCESS + kind : static_cast<uint32_t>(ACTION_PASS);
    }
    *frame_mask(call) = post;
    return post != 0 ? ACTION_EXECUTE_POST : ACTION_EXECUTE;
}

// A counted hook that has come into the slot since the filters were asked.
bool is_uncounted(const HookFunctions &hook, unsigned slot, uint32_t entered) {
    return hook.counted && (entered >> slot & 1) == 0;
}

void leave_all(uint32_t slots) {
    for (; slots != 0; slots &= slots - 1)
        leave_counted(static_cast<unsigned>(__builtin_ctz(slots)));
}

// Asks those of `mask` in their order. `post`: the marks of those that want to see the end.
uint32_t ask_hooks(intercept_call *call, uint32_t mask, uint32_t entered, uint64_t &post) {
    long number = call->nr;
    HookFunctions hook;
    if ((mask & (mask - 1)) == 0) {
        // One hook, the usual case.
        unsigned slot = static_cast<unsigned>(__builtin_ctz(mask));
        if (!read_slot_for(slot, number, hook) || is_uncounted(hook, slot, entered))
            return ACTION_PASS;
        int answer = hook.hook(call);
        if (answer == INTERCEPT_HANDLED)
            return ACTION_HANDLED;
        if (answer == INTERCEPT_PASS_POST && hook.post != nullptr)
            post = post_mark(slot, hook);
        return after_hooks(call, number, post);
    }
    HookOrder order = read_order();
    for (unsigned i = 0; i < order.count; i++) {
        unsigned slot = order.slots[i];
        if ((mask >> slot & 1) == 0 || !read_slot_for(slot, number, hook) || is_uncounted(hook, slot, entered))
            continue;
        int answer = hook.hook(call);
        if (answer == INTERCEPT_HANDLED)
            return ACTION_HANDLED;
        if (answer == INTERCEPT_PASS_POST && hook.post != nullptr)
            post |= post_mark(slot, hook);
    }
    return after_hooks(call, number, post);
}

} // namespace

extern "C" {

__attribute__((visibility("hidden"))) INTERCEPT_FILTER_FUNCTION uint64_t
intercept_dispatch_filter(const intercept_call *call, uint32_t mask);

__attribute__((visibility("hidden"))) uint32_t intercept_dispatch_hook(intercept_call *call, uint32_t mask) {
    auto entered = static_cast<uint32_t>(*frame_mask(call) >> counted_shift) & SLOTS_MASK;
    uint64_t post = 0;
    uint32_t action = ask_hooks(call, mask, entered, post);
    // Those whose post comes yet stay inside; fork and its kin forget who asked.
    uint32_t staying = action == ACTION_EXECUTE_POST ? static_cast<uint32_t>(post) : 0;
    leave_all(entered & ~staying);
    return action;
}

// The rest of the short way: the only hook gave `answer`, which is not HANDLED.
__attribute__((visibility("hidden"))) uint32_t intercept_after_lone_hook(intercept_call *call, int answer,
                                                                         uint32_t mask) {
    long number = is_bare(call) ? call->nr : *reinterpret_cast<long *>(reinterpret_cast<char *>(call) + FRAME_ACTION);
    HookFunctions hook;
    unsigned slot = static_cast<unsigned>(__builtin_ctz(mask));
    // The short way is the first registration's alone: another one may be in its slot by now.
    bool post = answer == INTERCEPT_PASS_POST && read_slot(slot, hook) && hook.generation == first_generation &&
                hook.post != nullptr;
    return after_hooks(call, number, post ? post_mark(slot, hook) : 0);
}

// The same for intercept_words_hook, which a bare site called.
__attribute__((visibility("hidden"))) uint32_t intercept_after_words_hook(intercept_call *call, int answer) {
    HookFunctions hook;
    bool post = answer == INTERCEPT_PASS_POST && read_words_slot(hook) && hook.post != nullptr;
    return after_hooks(call, call->nr, post ? post_mark(words_owner_slot(), hook) : 0);
}

// A call of the dynamic loader that maps or unmaps. It is looked at whoever answers it,
// and the hooks' filters have not been asked yet.
__attribute__((visibility("hidden"))) uint32_t intercept_dispatch_loader(intercept_call *call, uint32_t mask) {
    loader_calls(*call);
    bool wants_result = loader_wants_result(call->nr);
    uint64_t serve = 0;
    if (intercept_bypass_depth <= 0)
        serve = intercept_dispatch_filter(call, mask & SLOTS_MASK);
    *frame_mask(call) = serve;
    uint32_t action = serve != 0 ? intercept_dispatch_hook(call, serve & SLOTS_MASK) : ACTION_PASS;
    if (!wants_result || action >= ACTION_PROCESS)
        return action;
    if (action == ACTION_HANDLED) {
        loader_called(*call);
        return action;
    }
    uint64_t *marks = frame_mask(call);
    *marks = (action == ACTION_EXECUTE_POST ? *marks : 0) | loader_mark;
    return ACTION_EXECUTE_POST;
}

// The hooks that asked, in reverse order: the last to see the call before the
// kernel is the first to see it after.
__attribute__((visibility("hidden"))) void intercept_dispatch_post(intercept_call *call) {
    uint64_t marks = *frame_mask(call);
    uint32_t left = marks & SLOTS_MASK;
    auto run = [&](unsigned slot) {
        HookFunctions hook;
        left &= ~(1u << slot);
        if (!read_slot(slot, hook))
            return;
        bool same = (hook.generation / 2 & 0xff) == (marks >> generation_shift(slot) & 0xff);
        if (same && hook.post != nullptr)
            hook.post(call);
        if (hook.counted)
            leave_counted(slot);
    };
    if (const HookOrder order = read_order(); (left & (left - 1)) != 0)
        for (unsigned i = order.count; i-- > 0;)
            if ((left >> order.slots[i] & 1) != 0)
                run(order.slots[i]);
    // The only one; or those that were removed while the kernel had the call: they saw its begin.
    while (left != 0)
        run(static_cast<unsigned>(__builtin_ctz(left)));
    if ((marks & loader_mark) != 0)
        loader_called(*call);
}

// After fork and its kin nobody remembers who asked: every hook of that number.
__attribute__((visibility("hidden"))) void intercept_dispatch_process_post(intercept_call *call) {
    HookOrder order = read_order();
    HookFunctions hook;
    for (unsigned i = order.count; i-- > 0;) {
        unsigned slot = order.slots[i];
        if (!read_slot_for(slot, call->nr, hook) || hook.post == nullptr)
            continue;
        if (!hook.counted) {
            hook.post(call);
        } else if (enter_counted(slot, call->nr)) {
            // Read again: now it stays.
            if (read_slot(slot, hook) && hook.post != nullptr)
                hook.post(call);
            leave_counted(slot);
        }
    }
}

} // extern "C"
