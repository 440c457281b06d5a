// faults: the rules of `sc inject`, decided in the program that they are for.
#pragma once

#include "intercept/include/pmemfile-intercept.h"
#include "tools/sc/agent/agent.h"

namespace sc {

struct FaultAnswer {
    bool is_handled = false;  // call->result is set: the kernel is not asked
    uint8_t record_flags = 0; // RecordFlag
    uint8_t rule = 0;         // which one acted
    uint64_t delay_exit_ns = 0;
};

// The first rule that the call matches acts: waits, sends its signal, changes the call.
FaultAnswer apply_faults(intercept_call &call);
// The wait behind a call.
void delay(uint64_t nanoseconds);

// After the call: descriptors of files that rules name are remembered by number.
void note_descriptors(const intercept_call &call);
// Finds the descriptors that were inherited over exec. In the constructor.
void find_descriptors();

} // namespace sc
