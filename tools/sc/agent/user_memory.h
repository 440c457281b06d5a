// user_memory: reads of the program's memory that may fail.
//
// Each costs a system call (process_vm_readv on ourselves), so it is for pointers of
// which nobody knows whether they are good: what the kernel has read or written without
// an error is read directly.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sc {

// The bytes that could be read, from the front; 0 when none. Stops at the page that is not there.
size_t read_memory(void *to, uint64_t from, size_t size_bytes);

// A string with its NUL cut off: its length, at most `limit`; -1 when its first byte
// cannot be read. `to` may be null: then it is only measured.
long read_string(char *to, uint64_t from, size_t limit);

// After the program has installed a system call filter, a call that it does not expect may
// kill it: from then on nothing can be read this way.
void forbid_memory_reads();

} // namespace sc
