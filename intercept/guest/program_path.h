// program_path: /proc/self/exe names the launcher; the guest is told its own path.
#pragma once

#include "intercept/include/pmemfile-intercept.h"

namespace intercept {

// The absolute path of `path` is what /proc/self/exe is said to lead to. Copied.
void program_path_set(const char *path);

// For readlink, readlinkat, open, openat and execve: INTERCEPT_HANDLED, or INTERCEPT_PASS with the path
// replaced where it was /proc/self/exe.
int program_path_serve(intercept_call *call);

} // namespace intercept
