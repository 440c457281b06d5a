// architecture: all that planning, patching and stubs ask of a processor.
//
// A table of functions, not the compiler's target: so one program can plan for
// another processor than its own (tests, and tools that look at files).
//
//   planner  ─► find_sites, decode, find_far_branches, find_short_branches, find_addresses,
//               find_immediates, plan_move
//   patcher  ─► write_stub, write_jump
//
// No function allocates but through the PageArray it is given, calls libc for more
// than memcpy and the like, or keeps anything: each may be called inside a hook.
#pragma once

#include "base/page_array.h"
#include "intercept/arch/instruction.h"
#include "intercept/objects/address_range.h"
#include "intercept/plan/branch_candidate.h"
#include "intercept/plan/plan.h"

#include <cstddef>

namespace intercept {

struct Architecture {
    const char *name;
    unsigned jump_bytes;        // of the jump that replaces a window
    unsigned system_call_bytes; // of the system call instruction
    unsigned before_bytes_max;  // a window starts at most so far before the site,
    unsigned behind_bytes_max;  // and ends at most so far behind the site's start
    bool may_go_over;           // windows that include the instruction are allowed
    uint64_t reach_bytes;       // of the jump, either way, less a margin
    size_t stub_bytes_max;

    // The instruction at `code`, which runs at `address`. False: undefined, not whole
    // within `left` bytes, or not known for certain; the planner then keeps off.
    bool (*decode)(const uint8_t *code, size_t left, uint64_t address, Instruction &out);

    // Appends every address in `text` that holds the bytes of a system call
    // instruction, in order. False: no memory.
    bool (*find_sites)(const AddressRange &text, base::PageArray<uint64_t> &out);

    // Appends all that may be a direct branch, call or jump in `text` with a target
    // in `near`: at least all real ones. Short ones may be left out if
    // find_short_branches finds them. False: no memory.
    bool (*find_far_branches)(const AddressRange &text, const Neighbourhood &near,
                              base::PageArray<BranchCandidate> &out);
    // The same for branches that reach first..last only from nearby. nullptr: there
    // are none that find_far_branches does not find.
    bool (*find_short_branches)(const AddressRange &text, uint64_t first, uint64_t last,
                                base::PageArray<BranchCandidate> &out);

    // Appends each place in `span` of which code in `text` may compute the address relative to
    // itself: labels, and where tables of distances begin. nullptr: not looked for.
    bool (*find_addresses)(const AddressRange &text, const AddressRange &span, base::PageArray<BranchCandidate> &out);
    // Appends all in `text` that may be an absolute address in `near`, as code has them that
    // is not position independent. nullptr: there are none.
    bool (*find_immediates)(const AddressRange &text, const Neighbourhood &near, base::PageArray<BranchCandidate> &out);

    // How the instruction gets a new place. False: it can not.
    bool (*plan_move)(const Instruction &instruction, const uint8_t *code, MovedInstruction &out);
    // The call number that the instruction fixes: number_unknown or number_kept.
    long (*number_from)(const Instruction &instruction, const uint8_t *code);
    // Reads no argument register but one in `written` (a bit each, of the processor's
    // own order), to which it adds what it writes. False also when that is not certain.
    // nullptr: sites are never taken for bare.
    bool (*keeps_off_arguments)(const Instruction &instruction, const uint8_t *code, unsigned &written);
    // The trampoline behind signal handlers, which must stay as it is.
    bool (*is_signal_return)(const AddressRange &text, uint64_t site);

    // Writes the stub of a site, to run at `stub_address`, into `out` (stub_bytes_max
    // bytes; it may be another mapping of the same place). The bytes used, a multiple
    // of 8, or 0 if something is out of reach.
    size_t (*write_stub)(const SitePlan &plan, uint64_t window, uint64_t stub_address, uint8_t *out);
    // A jump from `from` to `to`, jump_bytes long. False: out of reach.
    bool (*write_jump)(uint64_t from, uint64_t to, uint8_t *out);
};

constexpr long number_unknown = -1; // behind the instruction nobody knows the number
constexpr long number_kept = -2;    // the instruction leaves it as it was

// The processor this is compiled for: arch/<name>/.
extern const Architecture native_architecture;

} // namespace intercept
