// agent: what the files of the preloaded library share. All of it runs in the
// traced program, most of it inside hooks: no malloc, no stdio, no errno, no locks.
#pragma once

#include "base/raw_syscall.h"
#include "tools/sc/agent/segment.h"

#include <ctime>
#include <x86intrin.h>

namespace sc {

// Null until the constructor has found one; then never changed.
extern Segment *segment;

struct ThreadState {
    int32_t process, thread; // as sc sees them; 0: not asked yet
    uint8_t number_flags;    // RecordFlag, of all its records
    bool is_shared;
    uint32_t ring_plus_one;
    uint64_t fork_kept;   // of a fork, vfork, clone, what others have in `opaque`
    char *exec_scratch;   // memory of the last exec that was changed, and
    size_t scratch_bytes; // how much
};
// A child of vfork shares it with its parent, which is why the parent asks again. A task that shares it and
// runs beside the other (clone(CLONE_VM) without storage of its own) marks it: from then on nobody keeps numbers in it.
extern __attribute__((tls_model("initial-exec"))) constinit thread_local ThreadState thread_state;

inline uint64_t ticks_now(const Settings &settings) {
    if (settings.use_clock == 0)
        return __rdtsc();
    timespec now = {};
    base::raw_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, base::as_long(&now));
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

// Asks the kernel who we are and takes a ring; at a thread's first call, and in a forked child.
void thread_begin(ThreadState &state);

} // namespace sc
