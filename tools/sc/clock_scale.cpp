#include "tools/sc/clock_scale.h"

#include <cpuid.h>
#include <ctime>
#include <x86intrin.h>

namespace sc {
namespace {

__extension__ using Wide = unsigned __int128;

int64_t clock_ns(clockid_t clock) {
    timespec now;
    clock_gettime(clock, &now);
    return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

// "Invariant TSC": the same rate in all states of the processor, and on all of them.
bool counter_is_even() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
}

} // namespace

ClockScale::ClockScale(Settings &settings) {
    use_clock_ = !counter_is_even();
    scale_ = uint64_t{1} << 32;
    if (!use_clock_) {
        const int64_t begin_ns = clock_ns(CLOCK_MONOTONIC);
        const uint64_t begin_ticks = __rdtsc();
        int64_t passed_ns = 0;
        while (passed_ns < 3000000)
            passed_ns = clock_ns(CLOCK_MONOTONIC) - begin_ns;
        scale_ = static_cast<uint64_t>((static_cast<Wide>(passed_ns) << 32) / (__rdtsc() - begin_ticks));
    }
    base_ticks_ = now_ticks();
    base_real_ns_ = clock_ns(CLOCK_REALTIME);
    settings.use_clock = use_clock_ ? 1 : 0;
    settings.base_ticks = base_ticks_;
    settings.ticks_scale = scale_;
}

uint64_t ClockScale::now_ticks() const {
    return use_clock_ ? static_cast<uint64_t>(clock_ns(CLOCK_MONOTONIC)) : __rdtsc();
}

uint64_t ClockScale::nanoseconds(uint64_t ticks) const {
    return static_cast<uint64_t>(static_cast<Wide>(ticks) * scale_ >> 32);
}

int64_t ClockScale::real_time_ns(uint64_t ticks) {
    // The longer the run, the better the scale is known.
    const uint64_t now = now_ticks();
    const int64_t passed_ns = clock_ns(CLOCK_REALTIME) - base_real_ns_;
    if (passed_ns > 100000000 && !use_clock_)
        scale_ = static_cast<uint64_t>((static_cast<Wide>(passed_ns) << 32) / (now - base_ticks_));
    return ticks >= base_ticks_ ? base_real_ns_ + static_cast<int64_t>(nanoseconds(ticks - base_ticks_))
                                : base_real_ns_;
}

} // namespace sc
