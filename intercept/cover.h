// cover: an object's way from mapped to patched, and back.
#pragma once

#include "intercept/objects/object.h"
#include "intercept/patch/arena.h"
#include "intercept/plan/plan_cache.h"
#include "intercept/plan/traced_plan.h"

namespace intercept {

struct CoverOptions {
    const char *path;       // as it is to be listed
    const PlanCache *cache; // nullptr: none
    bool other_threads;     // may run in the object now
    bool later;             // it is loaded after intercept_start
    Tracer *tracer;         // may have breakpoints in it; nullptr: nobody may
};

// Plans, writes the stubs and patches. Leaves the object alone when in doubt, and when
// the object filter does not want it. False: no memory. Under the CoverLock.
bool cover_object(const Object &object, const CoverOptions &options);

// Forgets the objects that lie in `range`, which is about to be unmapped: nobody runs
// in them any more. Under the CoverLock.
void uncover_objects(const AddressRange &range);

// The arenas of all objects.
Arenas &cover_arenas();

} // namespace intercept
