// text_scan: system calls and branches, a word at a time.
#pragma once

#include "intercept/plan/branch_candidate.h"

namespace intercept::aarch64 {

// See Architecture (arch/architecture.h). There are no short branches that only some of
// the text could hold: every one is found.
bool find_sites(const AddressRange &text, base::PageArray<uint64_t> &out);
bool find_branches(const AddressRange &text, const Neighbourhood &near, base::PageArray<BranchCandidate> &out);

} // namespace intercept::aarch64
