// fault: a touch of a page that was beyond the file's end when it was mapped.
#pragma once

#include "posix-shim/process/context.h"

#include <cstdint>

namespace shim {

// For the handler of SIGBUS, outside of any call of the shim: when `address` lies in a
// mapping of ours and the file has grown over it since, maps what is there now and says true:
// the instruction is to be tried again. False: the fault is the application's. Any thread.
bool mapping_fault(ThreadContext &context, uint64_t address);

} // namespace shim
