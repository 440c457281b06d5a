// call_log: a line of text for each call, appended to a file.
#pragma once

#include "intercept/include/pmemfile-intercept.h"

namespace intercept {

// Opens the file that `path` names; a trailing '-' gets the pid behind it.
// 0, or -errno: then nothing is logged.
long open_call_log(const char *path, bool truncate);
bool call_log_is_open();

// One raw write, whole lines only. `handled`: a hook gave the result.
void log_call(const intercept_call &call, bool handled);
// The same for a call that may never come back, or comes back elsewhere.
void log_call_begin(const intercept_call &call);

} // namespace intercept
