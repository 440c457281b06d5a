// levels: which of the ways to catch calls are on.
#pragma once

namespace intercept {

// Of INTERCEPT_LEVELS, if it is set and makes sense (and the program is not
// set-user-id), else of intercept_set_levels, else 0 and 1. Bits INTERCEPT_LEVEL_*.
unsigned chosen_levels();

} // namespace intercept
