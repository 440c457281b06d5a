// capture: what of the program's memory goes into a record.
//
// First it is measured and listed, then there is room for it, then it is copied. A pointer is
// followed without asking only where the result proves that the kernel has been there; the
// others are read by process_vm_readv (user_memory.h), which happens for failed calls.
#pragma once

#include "intercept/calls/call_description.h"
#include "intercept/include/pmemfile-intercept.h"
#include "tools/sc/agent/agent.h"

namespace sc {

constexpr unsigned captures_max = 28;

struct Capture {
    uint64_t address;
    uint32_t size_bytes;
    uint8_t argument, index;
    bool is_cut;
    bool is_proven; // the kernel has read or written it
};

struct CaptureList {
    Capture items[captures_max];
    unsigned count = 0;
    size_t parts_bytes = 0; // of what follows the record
    bool is_unreadable = false;

    void add(unsigned argument, unsigned index, uint64_t address, uint64_t size_bytes, bool is_cut, bool is_proven);
};

// After the call: its strings, buffers and structures. Before it (`is_before`): what execve gets.
void list_captures(const intercept_call &call, bool is_before, CaptureList &list);
// Into the room behind `record`.
void copy_captures(const CaptureList &list, Record &record);

} // namespace sc
