// static_program: programs that LD_PRELOAD cannot reach.
#pragma once

#include <string>

namespace tools {

// Would `command`, a path or a name to be found in PATH, start a program that is linked statically or is Go's, or a
// script, whose interpreter may be one?
bool may_be_static_program(const std::string &command);

// intercept-run, beside us: in the build tree, or installed. Empty: nowhere.
std::string find_launcher();

} // namespace tools
