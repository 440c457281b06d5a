// branch_targets: every place in an object from which control may come to the
// neighbourhood of a site.
//
// Instead of decoding megabytes, each byte is taken for a branch: a superset of
// the real ones, found in one pass. The few candidates that hit a window are then
// checked by decoding the function that they lie in.
#pragma once

#include "intercept/arch/architecture.h"
#include "intercept/objects/object.h"
#include "intercept/plan/address_chains.h"
#include "intercept/plan/sweep.h"

namespace intercept {

class BranchTargets {
public:
    BranchTargets(const Object &object, const Architecture &architecture)
        : object_(object), architecture_(architecture) {}

    // `sites`: addresses of all of the object; `pages` outlive this. False: no memory.
    bool collect(base::SharedPages &pages, const base::PageArray<uint64_t> &sites);
    // Of the pages, for so many sites.
    size_t needed_bytes(size_t sites) const;

    // True if control may come to an address a with first <= a <= last other than
    // by falling through. `own` is the decoded function of the window.
    bool reach(const Sweep &own, uint64_t first, uint64_t last);

    // True if control may come to the middle of an instruction of `own` there, or a symbol or pointer leads to one
    // anywhere: then its decoding is out of step, as behind a table in the middle of code.
    bool contradict(const Sweep &own, uint64_t first, uint64_t last);

private:
    template <typename Wanted> bool any(const Sweep &own, uint64_t first, uint64_t last, Wanted wanted);
    bool is_real(const Sweep &own, const BranchCandidate &candidate);
    bool is_real(const Sweep &own, const TableEntry &entry);
    bool is_no_table(const Sweep &own, const BranchCandidate &computed);
    // The decoded function that `address` is in; nullptr: none that is to be believed.
    const Sweep *sweep_at(const Sweep &own, uint64_t address);

    bool has_entry_between(const Sweep &sweep) const;
    // Notes an address that is known from outside the code. False: no memory.
    bool push_entry(uint64_t address, const Neighbourhood &near);
    bool scan_pointers(const Segment &segment, const Neighbourhood &near);
    bool scan_relocations(int64_t table_tag, int64_t size_tag, const Neighbourhood &near);
    bool scan_symbols(const Neighbourhood &near);
    bool read_distances(const BranchCandidate &computed, const Neighbourhood &near);
    bool collect_addresses(const AddressRange &text, const Neighbourhood &near);
    AddressRange whole_text() const;

    const Object &object_;
    const Architecture &architecture_;
    AddressRange text_{UINT64_MAX, 0}; // all of it, and what may lie between
    base::PageArray<BranchCandidate> candidates_;
    base::PageArray<TableEntry> distances_;
    AddressChains entries_; // symbols and pointers into the text
    struct KnownEnd {       // of a table: at the latest
        BranchCandidate computed;
        uint64_t end;
    };
    base::PageArray<KnownEnd> ends_;
    base::PageArray<BranchCandidate> short_ones_; // all that reach
    AddressRange short_range_;
    base::PageArray<BranchCandidate> computed_; // addresses, of a piece of the text
    Sweep other_;
};

} // namespace intercept
