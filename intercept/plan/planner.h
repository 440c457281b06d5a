// planner: decides for each site of an object whether and how to patch it.
#pragma once

#include "intercept/arch/x86_64/decoder.h"
#include "intercept/objects/object.h"
#include "intercept/plan/plan.h"

namespace intercept {

// Fills `out` with one record per place with the bytes 0f 05, in order of
// address. Must run before the object is patched. False: no memory. The rules of
// the proof are in docs/interception.md.
bool plan_object(const Object &object, Decoder &decoder, Plan &out);

} // namespace intercept
