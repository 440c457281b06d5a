// dispatch_filter: asks the filters of several hooks; runs before any register is
// saved, so it keeps them all. This file is compiled with -mgeneral-regs-only.
#include "intercept/hooks/registry.h"

using namespace intercept;

// Returns the slots among `mask` that want to serve the call (0 = pass), and again, above
// counted_shift, those of them that are counted: they are entered.
extern "C" __attribute__((visibility("hidden"))) INTERCEPT_FILTER_FUNCTION uint64_t
intercept_dispatch_filter(const intercept_call *call, uint32_t mask) {
    uint64_t serve = 0;
    while (mask != 0) {
        uint32_t bit = mask & -mask;
        unsigned slot = static_cast<unsigned>(__builtin_ctz(mask));
        mask ^= bit;
        bool counted = __atomic_load_n(&hooks[slot].counted, __ATOMIC_RELAXED);
        if (counted && !enter_counted(slot, call->nr))
            continue;
        // Of a slot that is just being filled anew: then its hook is not called in the end.
        auto *filter = __atomic_load_n(&hooks[slot].filter, __ATOMIC_RELAXED);
        if (filter == nullptr || filter(call) != INTERCEPT_FILTER_PASS)
            serve |= counted ? bit | uint64_t{bit} << counted_shift : bit;
        else if (counted)
            leave_counted(slot);
    }
    return serve;
}
