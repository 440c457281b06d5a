// covered_objects: the objects that were looked at, and what became of each of their
// sites. For lists and statistics, and so that none is patched twice.
#pragma once

#include "intercept/objects/object.h"
#include "intercept/patch/arena.h"
#include "intercept/plan/plan.h"

namespace intercept {

// What is kept of a site: sixteen bytes.
struct SiteSummary {
    uint64_t offset; // from the load address
    int32_t number;
    uint8_t state; // enum intercept_site_state
    uint8_t flags; // SITE_*
    SiteReason reason;
    uint8_t window_bytes;
};
static_assert(sizeof(SiteSummary) == 16);

struct CoveredObject {
    AddressRange span; // empty: the entry is free
    uint64_t base;
    Arena *arena; // of its stubs; nullptr: none
    bool from_cache;
    bool later; // loaded after intercept_start
    size_t site_count;
    const char *path;                // behind the sites in `memory`
    base::PageArray<uint8_t> memory; // sites, then the path
    SiteSummary *sites() {
        return reinterpret_cast<SiteSummary *>(memory.data());
    }
};

// Held while the list or the text of an object changes, and while the list is read. A
// thread that comes again, from a visitor or a signal handler, is turned away; in a
// forked child the lock of a thread that stayed with the parent is taken over.
class CoverLock {
public:
    CoverLock();
    CoverLock(const CoverLock &) = delete;
    CoverLock &operator=(const CoverLock &) = delete;
    ~CoverLock();
    bool held() const {
        return held_;
    }

private:
    bool held_ = false;
};

// All of these under the lock.

// Keeps what `plan` says of `object`. nullptr: no memory; then nothing is known of it.
CoveredObject *remember_object(const Object &object, const char *path, const Plan &plan);
bool is_covered(const Object &object);
// The n-th entry, free ones included; nullptr behind the last.
CoveredObject *covered_object(size_t index);

} // namespace intercept
