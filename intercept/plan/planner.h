// planner: decides for each site of an object whether and how to patch it.
#pragma once

#include "intercept/arch/architecture.h"
#include "intercept/objects/object.h"
#include "intercept/plan/plan.h"

namespace intercept {

// Fills `out` with one record per place with the bytes of a system call, in order of
// address. Must run before the object is patched. False: no memory. The rules of
// the proof are in docs/interception.md.
bool plan_object(const Object &object, const Architecture &architecture, Plan &out);

} // namespace intercept
