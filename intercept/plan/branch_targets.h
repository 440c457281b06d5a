// branch_targets: every place in an object from which control may come to the
// neighbourhood of a site.
//
// Instead of decoding megabytes, each byte is taken for a branch: a superset of
// the real ones, found in one pass. The few candidates that hit a window are then
// checked by decoding the function that they lie in.
#pragma once

#include "intercept/arch/x86_64/decoder.h"
#include "intercept/objects/object.h"

namespace intercept {

struct BranchCandidate {
    uint64_t target;
    uint64_t source_end; // end of the branch instruction; 0 = a pointer in data
};

class BranchTargets {
public:
    // `sites`: addresses of all 0f 05 of the object. False: no memory.
    bool collect(const Object &object, const base::PageArray<uint64_t> &sites);

    // True if control may come to an address a with first <= a <= last other than
    // by falling through. `own` is the decoded function of the window.
    bool reach(const Object &object, Decoder &decoder, const Sweep &own, uint64_t first, uint64_t last);

private:
    bool is_real(const Object &object, Decoder &decoder, const Sweep &own, const BranchCandidate &candidate);

    base::PageArray<BranchCandidate> candidates_;
    Sweep other_;
};

} // namespace intercept
