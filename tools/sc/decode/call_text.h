// call_text: a whole call as a line of strace(1), and as an object of JSON.
#pragma once

#include "tools/sc/decode/event.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace sc {

// "read(3, \"abc\", 100)"
void append_call(std::string &to, const Event &event);
// "= 3", "= -1 ENOENT (No such file or directory)", "= ?"
void append_result(std::string &to, const Event &event);
// The name, or "syscall_0x1f4".
std::string call_name(long number);

// {"call":..., "arguments": {name: text}, "raw": [...], "result":..., "error":...}
nlohmann::ordered_json call_as_json(const Event &event);

} // namespace sc
