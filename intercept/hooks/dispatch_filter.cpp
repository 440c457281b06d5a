// dispatch_filter: the part of the way that runs before any vector register is
// saved, and all of it at sites where none needs saving. This file is compiled
// with -mgeneral-regs-only.
#include "intercept/arch/x86_64/frame.h"
#include "intercept/hooks/registry.h"

using namespace intercept;

extern "C" {

__attribute__((visibility("hidden"))) uint32_t intercept_dispatch_hook(intercept_call *call, uint32_t mask);

// Returns the slots among `mask` that want to serve the call: 0 = pass.
__attribute__((visibility("hidden"))) uint32_t intercept_dispatch_filter(const intercept_call *call, uint32_t mask) {
    if (__builtin_expect(intercept_bypass_depth > 0, 0))
        return 0;
    if ((mask & (mask - 1)) == 0) {
        // One hook, the usual case.
        const HookSlot &hook = hooks[__builtin_ctz(mask)];
        return hook.filter == nullptr || hook.filter(call) != INTERCEPT_FILTER_PASS ? mask : 0;
    }
    uint32_t serve = 0;
    while (mask != 0) {
        uint32_t bit = mask & -mask;
        const HookSlot &hook = hooks[__builtin_ctz(mask)];
        if (hook.filter == nullptr || hook.filter(call) != INTERCEPT_FILTER_PASS)
            serve |= bit;
        mask ^= bit;
    }
    return serve;
}

// Filter and hook in one go, for sites whose vector state is dead. Returns what
// the entry is to do.
__attribute__((visibility("hidden"))) uint32_t intercept_dispatch_both(intercept_call *call, uint32_t mask) {
    uint32_t serve = intercept_dispatch_filter(call, mask);
    if (serve == 0)
        return ACTION_PASS;
    // Eight bytes at a time, as they were stored: a wider load would have to wait
    // until the store buffer is empty.
    auto *saved = reinterpret_cast<volatile long *>(reinterpret_cast<char *>(call) + FRAME_SAVED);
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++)
        saved[i] = call->args[i];
    return intercept_dispatch_hook(call, serve);
}

} // extern "C"
