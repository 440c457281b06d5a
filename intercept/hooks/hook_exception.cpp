// hook_exception: no exception leaves a hook. The caller is in the middle of a system
// call: its C library has no handler and must not be unwound; the program's own handlers were
// not written for exceptions of a hook. Without this, one that happens to fit would catch it.
//
// The entries name this as their personality routine (Itanium C++ ABI, Level I). Cancellation and
// pthread_exit unwind by force, to the end of the thread: they pass.
#include "base/log.h"

#include <cstdint>

extern "C" __attribute__((visibility("hidden"))) int intercept_hook_personality(int, int actions, uint64_t, void *,
                                                                                void *) {
    constexpr int search_phase = 1;
    constexpr int forced = 8;
    constexpr int continue_unwind = 8;
    if ((actions & search_phase) != 0 && (actions & forced) == 0)
        base::panic("an exception leaves a hook, which must not be: the process ends");
    return continue_unwind;
}
