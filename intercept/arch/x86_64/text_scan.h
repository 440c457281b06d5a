// text_scan: what looks like a system call or a branch, at any byte of the text.
#pragma once

#include "intercept/plan/branch_candidate.h"

namespace intercept::x86_64 {

// See Architecture (arch/architecture.h).
bool find_sites(const AddressRange &text, base::PageArray<uint64_t> &out);
bool find_far_branches(const AddressRange &text, const Neighbourhood &near, base::PageArray<BranchCandidate> &out);
bool find_short_branches(const AddressRange &text, uint64_t first, uint64_t last,
                         base::PageArray<BranchCandidate> &out);
bool find_addresses(const AddressRange &text, const AddressRange &span, base::PageArray<BranchCandidate> &out);
bool find_immediates(const AddressRange &text, const Neighbourhood &near, base::PageArray<BranchCandidate> &out);

} // namespace intercept::x86_64
