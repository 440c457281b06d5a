// no_trap: levels 2 and 3 are not there on this processor: its Linux has had no Syscall
// User Dispatch so far, and guests with a libc of their own are not written.
#include "intercept/guest/launch.h"
#include "intercept/include/pmemfile-intercept.h"
#include "intercept/levels.h"
#include "intercept/trap/exempt_range.h"
#include "intercept/trap/trap.h"
#include "intercept/trap/trap_sites.h"

#include <cerrno>

namespace intercept {

int launch_start() {
    return (chosen_levels() & INTERCEPT_LEVEL_LAUNCHER) != 0 ? -ENOSYS : 0;
}

bool trap_is_possible() {
    return false;
}

bool trap_is_on() {
    return false;
}

int trap_start(const Arenas &) {
    return -ENOSYS;
}

TrapCounts trap_counts() {
    return {};
}

int exempt_range_start(const Arenas &) {
    return -ENOSYS;
}

AddressRange exempt_range() {
    return {};
}

uint64_t exempt_pages(size_t) {
    return 0;
}

} // namespace intercept
