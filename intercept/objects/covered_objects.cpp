// covered_objects: entries in memory that grows by pages and never moves. An entry of
// an object that is gone is used again.
#include "intercept/objects/covered_objects.h"

#include "base/raw_syscall.h"

#include <cerrno>
#include <cstring>

namespace intercept {
namespace {

constexpr size_t entries_max = 16384;
constexpr size_t block_entries = 128;
constexpr size_t blocks_max = entries_max / block_entries;

// Zeroed memory is a free entry.
// Empty arrays are zeroes. Bare memory, so that nothing has to run for it at the start or at the end.
using Block = base::PageArray<uint8_t>;
alignas(Block) constinit uint8_t block_memory[blocks_max * sizeof(Block)] = {};
size_t entry_count;
int owner; // thread that holds the lock; 0: free

Block &block_of(size_t index) {
    return reinterpret_cast<Block *>(block_memory)[index / block_entries];
}

CoveredObject *entry(size_t index) {
    return reinterpret_cast<CoveredObject *>(block_of(index).data()) + index % block_entries;
}

CoveredObject *free_entry() {
    for (size_t i = 0; i < entry_count; i++)
        if (entry(i)->span.size() == 0)
            return entry(i);
    if (entry_count == entries_max || !block_of(entry_count).reserve(block_entries * sizeof(CoveredObject)))
        return nullptr;
    return entry(entry_count++);
}

bool thread_is_gone(int thread) {
    return base::raw_syscall(SYS_tgkill, base::raw_syscall(SYS_getpid), thread, 0) == -ESRCH;
}

} // namespace

CoverLock::CoverLock() {
    auto self = static_cast<int>(base::raw_syscall(SYS_gettid));
    for (;;) {
        int holder = 0;
        if (__atomic_compare_exchange_n(&owner, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            break;
        if (holder == self)
            return;
        if (thread_is_gone(holder)) {
            if (__atomic_compare_exchange_n(&owner, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                break;
            continue;
        }
        base::raw_syscall(SYS_sched_yield);
    }
    held_ = true;
}

CoverLock::~CoverLock() {
    if (held_)
        __atomic_store_n(&owner, 0, __ATOMIC_RELEASE);
}

CoveredObject *remember_object(const Object &object, const char *path, const Plan &plan) {
    CoveredObject *out = free_entry();
    size_t path_bytes = strlen(path) + 1;
    size_t sites_bytes = plan.size() * sizeof(SiteSummary);
    if (out == nullptr || (plan.size() != 0 && !out->memory.reserve(sites_bytes + path_bytes)))
        return nullptr;
    out->base = object.base;
    out->site_count = plan.size();
    for (size_t i = 0; i < plan.size(); i++) {
        const SitePlan &site = plan[i];
        out->sites()[i] = {site.site_offset, site.number, site.state, site.flags, site.reason, site.window_bytes};
    }
    out->path = "";
    if (plan.size() != 0) {
        memcpy(out->memory.data() + sites_bytes, path, path_bytes);
        out->path = reinterpret_cast<const char *>(out->memory.data() + sites_bytes);
    }
    out->span = object.span; // last: from here on it is there
    return out;
}

bool is_covered(const Object &object) {
    for (size_t i = 0; i < entry_count; i++)
        if (entry(i)->span.size() != 0 && entry(i)->span.begin == object.span.begin)
            return true;
    return false;
}

CoveredObject *covered_object(size_t index) {
    return index < entry_count ? entry(index) : nullptr;
}

} // namespace intercept
