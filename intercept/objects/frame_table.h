// frame_table: where functions begin and end, from .eh_frame_hdr and .eh_frame,
// or from .dynsym where an address has no frame.
//
// LSB Core, "Exception Frames": the header holds a sorted table of (function,
// FDE). Encodings other than the ones that GNU ld, gold and lld write are taken
// as "unknown", which leaves sites unproven.
#pragma once

#include "intercept/objects/object.h"

namespace intercept {

struct Function {
    AddressRange range;
    uint64_t landing_table; // LSDA address, 0 = none
    // Where the frame description ends. glibc ends that of clone3 right before
    // the syscall, since it is wrong in the child: then `range` goes on to the
    // next description, and what lies behind here is code only if control falls
    // through to it.
    uint64_t described_end;
};

// The function that `address` lies in. False: none known.
bool find_function(const Object &object, uint64_t address, Function &out);

// Appends each landing pad of the function's exceptions. False: the
// table could not be read.
bool read_landing_pads(const Object &object, const Function &function, base::PageArray<uint64_t> &out);

} // namespace intercept
