// plan_cache: plans kept in files, so that a program start needs no decoding.
//
// One file per object, named by its build-id (or, without one, by device, inode,
// time and size of its file). A plan of another user is never trusted, a damaged
// or outdated one is ignored: then the object is planned afresh.
#pragma once

#include "intercept/objects/object.h"
#include "intercept/plan/plan.h"

namespace intercept {

class PlanCache {
public:
    PlanCache() = default;
    PlanCache(const PlanCache &) = delete;
    PlanCache &operator=(const PlanCache &) = delete;
    ~PlanCache();

    // Opens (makes) the directory: $PMEMFILE_CACHE_DIR, $XDG_CACHE_HOME/pmemfile,
    // ~/.cache/pmemfile or /tmp/pmemfile-cache-<uid>. When it belongs to somebody
    // else or others may write to it, there is no cache.
    void open();

    // The plan of `object`, if there is one that fits the bytes in memory.
    bool load(const Object &object, Plan &out) const;

    // Keeps the plan. Errors are not reported: the next start plans again.
    void store(const Object &object, const Plan &plan) const;

private:
    int directory_ = -1;
};

} // namespace intercept
