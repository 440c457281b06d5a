// argument_text: one argument of a call as text, in the notation of strace(1).
#pragma once

#include "intercept/calls/call_description.h"
#include "tools/sc/decode/event.h"

#include <string>

namespace sc {

// Appends argument `i`. False: this form of the call does not have it (the mode of an open that creates nothing).
bool append_argument(std::string &to, const intercept::CallDescription &call, const Event &event, unsigned i);

} // namespace sc
