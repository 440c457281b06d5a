// empty_path: the "" that libc's fstat hands to the kernel with AT_EMPTY_PATH, told by its address.
//
// A stub must not read the program's memory. But libc's own string stands where nobody writes, and once it has been
// read its address says what it is: the interceptor compares that, and lets an fstat of the host's pass by its
// descriptor's word.
#pragma once

#include <atomic>

namespace shim {

extern constinit std::atomic<long> libc_empty_path; // -1, which is no string's: not met yet

// The hook whose words they are.
void empty_path_begin(int hook_id);
// `path` is empty now. Is it libc's, which will be so for ever? Any thread.
void empty_path_meet(long path);

} // namespace shim
