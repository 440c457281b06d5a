// Who comes into a scope counts in one of some places that lie apart, and looks at the gate then; who forks closes the
// gate and looks at the places then. One of the two sees the other.
#include "posix-shim/descriptors/fork_gate.h"

#include "base/raw_syscall.h"

#include <atomic>

namespace shim {

namespace {

constexpr unsigned place_count = 16;

struct alignas(64) Place {
    std::atomic<uint32_t> changing = 0;
};

constinit Place places[place_count];
constinit std::atomic<bool> is_closed = false;

Place &place_of(const ThreadContext &context) {
    return places[reinterpret_cast<uintptr_t>(&context) / sizeof context % place_count];
}

} // namespace

ForksWait::ForksWait(ThreadContext &context)
    : context_(context), is_outermost_(!context.is_vfork_child && !context.has_forks_wait) {
    if (!is_outermost_)
        return;
    Place &place = place_of(context);
    place.changing.fetch_add(1);
    while (is_closed.load()) {
        place.changing.fetch_sub(1);
        base::raw_syscall(SYS_sched_yield);
        place.changing.fetch_add(1);
    }
    context.has_forks_wait = true;
}

ForksWait::~ForksWait() {
    if (is_outermost_)
        forks_wait_end(context_);
}

void forks_wait_end(ThreadContext &context) {
    if (!context.has_forks_wait)
        return;
    context.has_forks_wait = false;
    place_of(context).changing.fetch_sub(1, std::memory_order_release);
}

void fork_gate_close() {
    is_closed.store(true);
    for (const Place &place : places)
        while (place.changing.load() != 0)
            base::raw_syscall(SYS_sched_yield);
}

void fork_gate_open() {
    is_closed.store(false);
}

void fork_gate_after_fork() {
    for (Place &place : places)
        place.changing.store(0);
    is_closed.store(false);
}

} // namespace shim
