// exit: what a process does with a pool at its end.
#pragma once

namespace shim {

// The process leaves the pool of that mount, if it is in it; the last one takes what stands beside the pool away.
void mount_leave(unsigned mount);

} // namespace shim
