// start: what of the start others need.
#pragma once

namespace intercept {

// Level 2 for this process, if it is not on yet. 0 or -errno (trap/trap.h).
int start_traps();

} // namespace intercept
