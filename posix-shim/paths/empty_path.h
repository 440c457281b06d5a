// empty_path: the "" that libc's fstat hands to the kernel with AT_EMPTY_PATH, told by its address.
//
// The filter must not read the program's memory. But libc's own string stands where nobody writes, and once it has been
// read its address says what it is.
#pragma once

#include <atomic>

namespace shim {

extern constinit std::atomic<long> libc_empty_path; // 0: not met yet

// `path` is empty now. Is it libc's, which will be so for ever? Any thread.
void empty_path_meet(long path);

} // namespace shim
