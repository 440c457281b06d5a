// dispatch_filter: the part of the way that runs before any vector register is
// saved. This file is compiled with -mgeneral-regs-only.
#include "intercept/hooks/registry.h"

using namespace intercept;

// Returns the slots among `mask` that want to serve the call: 0 = pass.
extern "C" __attribute__((visibility("hidden"))) uint32_t intercept_dispatch_filter(const intercept_call *call,
                                                                                    uint32_t mask) {
    if (__builtin_expect(bypass_depth > 0, 0))
        return 0;
    uint32_t serve = 0;
    unsigned count = hook_order.count;
    for (unsigned i = 0; i < count; i++) {
        unsigned slot = hook_order.slots[i];
        if ((mask >> slot & 1) == 0)
            continue;
        const HookSlot &hook = hooks[slot];
        if (hook.filter == nullptr || hook.filter(call) != INTERCEPT_FILTER_PASS)
            serve |= 1u << slot;
    }
    return serve;
}
