// launch: static programs that an intercepted program executes start through intercept-run.
#pragma once

namespace intercept {

// Hooks execve and execveat for hook libraries that do not execute programs themselves. Once; when level 3
// is chosen. 0 or -errno.
int launch_start();

} // namespace intercept
