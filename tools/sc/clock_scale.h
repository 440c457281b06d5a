// clock_scale: what the agents' ticks are in time.
#pragma once

#include "tools/sc/agent/segment.h"

#include <cstdint>

namespace sc {

class ClockScale {
public:
    // Chooses between the time-stamp counter (if it runs evenly) and the kernel's clock, measures
    // it for some milliseconds, and writes it into `settings`.
    explicit ClockScale(Settings &settings);

    uint64_t now_ticks() const;
    uint64_t nanoseconds(uint64_t ticks) const;
    // Nanoseconds since 1970 of an instant.
    int64_t real_time_ns(uint64_t ticks);

private:
    uint64_t base_ticks_ = 0, scale_ = 0;
    int64_t base_real_ns_ = 0;
    bool use_clock_ = false;
};

} // namespace sc
