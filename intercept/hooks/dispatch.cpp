// dispatch: from the entry to the hooks that want the call, and what the entry
// is to do then. Runs with the vector state saved.
#include "intercept/arch/x86_64/frame.h"
#include "intercept/arch/x86_64/site_record.h"
#include "intercept/hooks/registry.h"

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

// No hook answered: who is to execute the call, and with what afterwards?
uint32_t after_hooks(intercept_call *call, long number, uint32_t post) {
    auto *saved = reinterpret_cast<const long *>(reinterpret_cast<const char *>(call) + FRAME_SAVED);
    bool differs = changed(call, number, saved);
    if (post == 0 && !differs)
        return ACTION_PASS;
    unsigned kind = process_kind(number);
    if (kind < process_kind_count) {
        auto *record = static_cast<const SiteRecord *>(call->site);
        call->nr = number;
        // A site whose number is known at planning time has no such code.
        return record->kind_target[kind] != 0 ? ACTION_PROCESS + kind : static_cast<uint32_t>(ACTION_PASS);
    }
    *reinterpret_cast<uint64_t *>(reinterpret_cast<char *>(call) + FRAME_MASK) = post;
    return post != 0 ? ACTION_EXECUTE_POST : ACTION_EXECUTE;
}

} // namespace

extern "C" {

__attribute__((visibility("hidden"))) uint32_t intercept_dispatch_hook(intercept_call *call, uint32_t mask) {
    long number = call->nr;
    uint32_t post = 0;
    if ((mask & (mask - 1)) == 0) {
        // One hook, the usual case.
        const HookSlot &hook = hooks[__builtin_ctz(mask)];
        int answer = hook.hook(call);
        if (answer == INTERCEPT_HANDLED)
            return ACTION_HANDLED;
        if (answer == INTERCEPT_PASS_POST && hook.post != nullptr)
            post = mask;
        return after_hooks(call, number, post);
    }
    unsigned count = hook_order.count;
    for (unsigned i = 0; i < count; i++) {
        unsigned slot = hook_order.slots[i];
        if ((mask >> slot & 1) == 0)
            continue;
        int answer = hooks[slot].hook(call);
        if (answer == INTERCEPT_HANDLED)
            return ACTION_HANDLED;
        if (answer == INTERCEPT_PASS_POST && hooks[slot].post != nullptr)
            post |= 1u << slot;
    }
    return after_hooks(call, number, post);
}

// The rest of the short way: the only hook gave `answer`, which is not HANDLED.
__attribute__((visibility("hidden"))) uint32_t intercept_after_lone_hook(intercept_call *call, int answer,
                                                                         uint32_t mask) {
    long number = *reinterpret_cast<long *>(reinterpret_cast<char *>(call) + FRAME_ACTION);
    bool post = answer == INTERCEPT_PASS_POST && hooks[__builtin_ctz(mask)].post != nullptr;
    return after_hooks(call, number, post ? mask : 0);
}

// The hooks that asked, in reverse order: the last to see the call before the
// kernel is the first to see it after.
__attribute__((visibility("hidden"))) void intercept_dispatch_post(intercept_call *call) {
    uint64_t mask = *reinterpret_cast<uint64_t *>(reinterpret_cast<char *>(call) + FRAME_MASK);
    for (unsigned i = hook_order.count; i-- > 0;) {
        unsigned slot = hook_order.slots[i];
        if ((mask >> slot & 1) != 0)
            hooks[slot].post(call);
    }
}

// After fork and its kin nobody remembers who asked: every hook of that number.
__attribute__((visibility("hidden"))) void intercept_dispatch_process_post(intercept_call *call) {
    uint8_t mask = __atomic_load_n(&intercept_table[call->nr], __ATOMIC_ACQUIRE) & ~words_bit;
    for (unsigned i = hook_order.count; i-- > 0;) {
        unsigned slot = hook_order.slots[i];
        if ((mask >> slot & 1) != 0 && hooks[slot].post != nullptr)
            hooks[slot].post(call);
    }
}

} // extern "C"
