// fault_text: the language of fault rules, and what came of them.
//
//   SET:error=EIO:when=3+            as strace's inject=
//   SET:retval=0  SET:short=1  SET:delay_enter=10ms  SET:delay_exit=1s  SET:signal=TERM
//   ...:when=N | N+ | N+STEP | N..M | N..M+STEP    ...:prob=0.01:seed=7
//   ...:path=FILE | path=DIRECTORY/    ...:fd=N
#pragma once

#include "tools/sc/agent/segment.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace sc {

// Adds one rule to `settings`. `is_fault`: without an action it is error=ENOSYS. Throws
// BadExpression (selection.h).
void add_fault(Settings &settings, std::string_view text, bool is_fault);

// A line for each rule: calls that matched, and how many it acted on.
std::string faults_as_text(const Segment &segment);
nlohmann::ordered_json faults_as_json(const Segment &segment);

} // namespace sc
