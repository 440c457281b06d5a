#include "intercept/guest/program_break.h"

#include "base/raw_syscall.h"
#include "base/spin_lock.h"
#include "intercept/trap/exempt_call.h"
#include "intercept/trap/own_calls.h"
#include "intercept/trap/trap.h"

#include <sys/mman.h>

namespace intercept {
namespace {

constexpr uint64_t page_bytes = 4096;

constinit base::SpinLock lock;
constinit uint64_t lowest;
constinit uint64_t current; // pages are there up to page_end(current)

uint64_t page_end(uint64_t address) {
    return (address + page_bytes - 1) & ~(page_bytes - 1);
}

bool change_pages(uint64_t from, uint64_t to) {
    if (to > from)
        return own_call_allowed(SYS_mmap) &&
               !base::is_error(exempt_call(SYS_mmap, static_cast<long>(from), static_cast<long>(to - from),
                                           PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                                           -1, 0));
    return to == from || (own_call_allowed(SYS_munmap) &&
                          exempt_call(SYS_munmap, static_cast<long>(to), static_cast<long>(from - to)) == 0);
}

long move(uint64_t wanted) {
    constexpr uint64_t address_limit = uint64_t{1} << 47;
    if (wanted >= lowest && wanted < address_limit && change_pages(page_end(current), page_end(wanted)))
        current = wanted;
    return static_cast<long>(current);
}

} // namespace

void program_break_start(uint64_t image_end) {
    uint64_t random = 0;
    base::raw_syscall(SYS_getrandom, base::as_long(&random), sizeof random, 0);
    constexpr uint64_t random_pages = 8192; // as Linux does it, up to 32 MiB behind
    lowest = current = page_end(image_end) + random % random_pages * page_bytes;
}

long program_break_move(uint64_t wanted) {
    // Where signals may not be held back, a handler that comes in between may do the same: without the lock then.
    if (!own_call_allowed(SYS_rt_sigprocmask))
        return move(wanted);
    const AllSignalsBlocked blocked;
    const base::SpinGuard held(lock);
    return move(wanted);
}

void program_break_after_fork() {
    lock.reset_after_fork();
}

} // namespace intercept
