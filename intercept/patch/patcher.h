// patcher: carries out a plan on an object.
#pragma once

#include "intercept/objects/object.h"
#include "intercept/patch/arena.h"
#include "intercept/plan/plan.h"

namespace intercept {

// Sites of `plan` that are to be patched.
size_t patchable_sites(const Plan &plan);

// Step 1: writes the stubs of all sites of `plan` that can be patched into `arena`
// (nullptr: there is none) and puts their addresses (0 = none) into `stubs`, one per
// site. Sites that get none become INTERCEPT_SITE_FAILED.
void write_stubs(const Object &object, Plan &plan, Arena *arena, base::PageArray<uint64_t> &stubs);

// Nothing of `plan` can be patched, for this reason.
void fail_sites(Plan &plan, SiteReason reason);

// Step 2, after the arena is sealed: writes the jumps and restores the
// protection of the text. `other_threads`: patch only what is one store over one
// instruction. Sites that could not be patched become INTERCEPT_SITE_FAILED.
void patch_sites(const Object &object, Plan &plan, const base::PageArray<uint64_t> &stubs, bool other_threads);

} // namespace intercept
