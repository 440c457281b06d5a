// launch: static programs that an intercepted program executes start through intercept-run.
#pragma once

#include "base/raw_syscall.h"

#include <sys/resource.h>

namespace intercept {

// prctl's first argument and its answer, by which a copy of this library that a guest has loaded on its own
// side (from LD_PRELOAD) learns that its calls are hooked already.
constexpr long guest_question = 0x706d6671;
constexpr long guest_answer = 0x706d6661;

// The launcher's and the program's number are not below this: those are the program's. Both sides reckon it, from the
// limit that exec leaves alone.
inline long launch_first_descriptor() {
    constexpr rlim_t usual = 100;
    rlimit limit{};
    base::raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, base::as_long(&limit));
    return static_cast<long>(limit.rlim_cur < 2 * usual ? limit.rlim_cur / 2 : usual);
}

// Hooks execve and execveat for hook libraries that do not execute programs themselves. Once; when level 3
// is chosen. 0 or -errno.
int launch_start();

} // namespace intercept
