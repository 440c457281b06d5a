// launch: static programs that an intercepted program executes start through intercept-run.
#pragma once

namespace intercept {

// prctl's first argument and its answer, by which a copy of this library that a guest has loaded on its own
// side (from LD_PRELOAD) learns that its calls are hooked already.
constexpr long guest_question = 0x706d6671;
constexpr long guest_answer = 0x706d6661;

// Hooks execve and execveat for hook libraries that do not execute programs themselves. Once; when level 3
// is chosen. 0 or -errno.
int launch_start();

} // namespace intercept
