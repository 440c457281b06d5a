// preload_path: where the preload library lies.
#pragma once

#include <string>

namespace tools {

constexpr char preload_name[] = "libpmemfile-preload.so";

// Beside us: in the build tree, or installed (bin/ and lib/ under one prefix). Empty: nowhere.
std::string find_preload();

} // namespace tools
