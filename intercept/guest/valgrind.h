// valgrind: its tools, which are linked statically and execute a program in pieces that they translate.
//
// Their own calls are left alone, for behind a signal they look at which instruction of theirs it came. What they
// execute loads the hook libraries of LD_PRELOAD as it does without them.
#pragma once

#include <string_view>

namespace intercept {

// By where they are installed: .../valgrind/memcheck-amd64-linux.
inline bool is_valgrind_tool(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash != std::string_view::npos && path.substr(0, slash).ends_with("/valgrind") && path.ends_with("-linux");
}

} // namespace intercept
