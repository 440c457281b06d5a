// start: the way from "nothing is patched" to "everything is".
//
//   list objects ─► plan (cache, else decode) ─► stubs ─► seal ─► patch
//
// All plans are made before the first byte is changed.
#include "intercept/start.h"
#include "base/log.h"
#include "base/raw_syscall.h"
#include "intercept/arch/architecture.h"
#include "intercept/arch/native.h"
#include "intercept/guest/guest.h"
#include "intercept/guest/launch.h"
#include "intercept/hooks/registry.h"
#include "intercept/levels.h"
#include "intercept/objects/object.h"
#include "intercept/patch/patcher.h"
#include "intercept/plan/plan_cache.h"
#include "intercept/plan/planner.h"
#include "intercept/trap/exempt_range.h"
#include "intercept/trap/trap.h"
#include "intercept/trap/trap_sites.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

namespace intercept {
namespace {

struct PatchedObject {
    const char *path;
    uint64_t base;
    SitePlan *sites; // of the memory in a plan that is never released
    size_t site_count;
    bool from_cache;
};

constinit base::Immortal<base::PageArray<PatchedObject>> done_store;
constinit base::Immortal<base::PageArray<char>> plan_store;
base::PageArray<PatchedObject> &done = done_store.value; // grows only
Arenas arenas;

struct Work {
    Object object;
    base::PageArray<SitePlan> *plan;
    bool from_cache;
};

bool is_ours(const Object &object) {
    auto covers = [&](uint64_t address) { return object.span.contains(address); };
    if (covers(reinterpret_cast<uint64_t>(&intercept_table)))
        return true;
    for (const HookSlot &slot : hooks)
        if (slot.used &&
            (covers(reinterpret_cast<uint64_t>(slot.hook)) || covers(reinterpret_cast<uint64_t>(slot.filter)) ||
             covers(reinterpret_cast<uint64_t>(slot.post))))
            return true;
    return false;
}

bool is_done(const Object &object) {
    for (const PatchedObject &entry : done)
        if (entry.base == object.base && entry.path == object.path)
            return true;
    return false;
}

int (*object_wanted)(const intercept_object_info *, void *);
void *object_wanted_argument;

bool is_wanted(const Object &object) {
    if (object_wanted == nullptr)
        return true;
    uint64_t strings = dynamic_address(object, DT_STRTAB);
    uint64_t soname = dynamic_value(object, DT_SONAME);
    intercept_object_info info = {
        object.path, strings != 0 && soname != 0 ? reinterpret_cast<const char *>(strings + soname) : "",
        reinterpret_cast<const void *>(object.base), reinterpret_cast<const void *>(object.span.end)};
    return object_wanted(&info, object_wanted_argument) != 0;
}

// More than one entry in /proc/self/task. When in doubt, yes.
bool has_other_threads() {
    long directory =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/self/task"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base::is_error(directory))
        return false; // no /proc: a constructor runs alone unless somebody was rude
    char status[256];
    long got = base::raw_syscall(SYS_getdents64, directory, base::as_long(status), sizeof status);
    base::raw_syscall(SYS_close, directory);
    unsigned entries = 0;
    for (long at = 0; at < got;) {
        unsigned short length;
        memcpy(&length, status + at + 16, sizeof length);
        entries++;
        at += length;
    }
    return entries != 3; // ".", "..", ourselves
}

// A plan lives as long as the process: statistics and lists read it.
base::PageArray<SitePlan> *new_plan() {
    base::PageArray<char> &store = plan_store.value;
    static size_t used = 0;
    constexpr size_t store_bytes = sizeof(base::PageArray<SitePlan>) * 4096;
    if (!store.reserve(store_bytes) || used + sizeof(base::PageArray<SitePlan>) > store_bytes)
        return nullptr;
    // Zeroed memory is an empty PageArray.
    auto *plan = reinterpret_cast<base::PageArray<SitePlan> *>(store.data() + used);
    used += sizeof(base::PageArray<SitePlan>);
    return plan;
}

bool needs_plan(const Object &object) {
    for (unsigned i = 0; i < object.segment_count; i++)
        if ((object.segments[i].protection & 4) != 0)
            return true;
    return false;
}

// Reads or makes the plans of all objects that are not done yet.
int plan_all(base::PageArray<Work> &work) {
    base::PageArray<Object> objects;
    if (!list_objects(objects))
        return -ENOMEM;
    PlanCache cache;
    cache.open();
    bool decode = false;
    for (const Object &object : objects) {
        if (is_ours(object) || is_done(object) || !needs_plan(object) || !is_wanted(object))
            continue;
        base::PageArray<SitePlan> *plan = new_plan();
        if (plan == nullptr)
            return -ENOMEM;
        bool from_cache = cache.load(object, *plan);
        decode |= !from_cache;
        if (!work.push({object, plan, from_cache}))
            return -ENOMEM;
    }
    if (!decode)
        return 0;
    for (Work &item : work) {
        if (item.from_cache)
            continue;
        if (!plan_object(item.object, native_architecture, *item.plan))
            return -ENOMEM;
        cache.store(item.object, *item.plan);
    }
    return 0;
}

// Before the stubs are written, which must know where they may execute system calls.
bool prepare_traps() {
    if (trap_is_on() || (trap_is_possible() && exempt_range_start() == 0))
        return true;
    base::LogLine("intercept")
        .text("level 2: this kernel has no Syscall User Dispatch (Linux 5.11), or there is no memory: "
              "what is not patched slips past")
        .write();
    return false;
}

} // namespace

int start_traps() {
    int result = exempt_range_start();
    if (result == 0)
        result = trap_start(arenas);
    if (result != 0)
        base::LogLine("intercept").text("level 2 is not possible here: error ").number(-result).write();
    return result;
}

} // namespace intercept

using namespace intercept;

extern "C" {

int intercept_start(void) {
    // In a guest whose loader has loaded us once more: its calls have their hooks.
    if (base::raw_syscall(SYS_prctl, guest_question) == guest_answer)
        return 0;
    prepare_processor();
    if (int launch = launch_start(); launch < 0)
        base::LogLine("intercept").text("level 3: no launcher (INTERCEPT_LAUNCHER): error ").number(-launch).write();
    bool traps = (chosen_levels() & INTERCEPT_LEVEL_TRAP) != 0 && prepare_traps();
    base::PageArray<Work> work;
    int planned = plan_all(work);
    // Whatever has a plan is patched, even if others got none.
    base::PageArray<base::PageArray<uint64_t>> stubs;
    if (work.size() == 0) {
        if (traps)
            start_traps();
        return planned;
    }
    if (!stubs.reserve(work.size()))
        return -ENOMEM;
    for (size_t i = 0; i < work.size(); i++)
        write_stubs(work[i].object, *work[i].plan, arenas, stubs.data()[i]);
    if (!arenas.seal())
        return -EACCES;
    bool other_threads = has_other_threads();
    for (size_t i = 0; i < work.size(); i++) {
        Work &item = work[i];
        patch_sites(item.object, *item.plan, stubs.data()[i], other_threads);
        done.push({item.object.path, item.object.base, item.plan->data(), item.plan->size(), item.from_cache});
        stubs.data()[i].release();
    }
    if (traps)
        start_traps();
    return planned;
}

int intercept_set_object_filter(int (*wanted)(const intercept_object_info *, void *), void *argument) {
    object_wanted = wanted;
    object_wanted_argument = argument;
    return 0;
}

void intercept_get_statistics(intercept_statistics *out) {
    *out = {};
    out->traps_on = trap_is_on() ? 1 : 0;
    out->trap_sites = trap_counts().sites;
    for (const PatchedObject &object : done) {
        out->objects++;
        out->plans_cached += object.from_cache ? 1 : 0;
        out->sites_found += object.site_count;
        for (size_t i = 0; i < object.site_count; i++) {
            const SitePlan &site = object.sites[i];
            bool before = site.state == INTERCEPT_SITE_BEFORE;
            bool over = site.state == INTERCEPT_SITE_OVER;
            out->patched_before += before ? 1 : 0;
            out->patched_over += over ? 1 : 0;
            out->vector_dead += (before || over) && (site.flags & SITE_VECTOR_DEAD) != 0 ? 1 : 0;
            out->unproven += site.state == INTERCEPT_SITE_UNPROVEN ? 1 : 0;
            out->window_unsafe += site.state == INTERCEPT_SITE_WINDOW_UNSAFE ? 1 : 0;
            out->excluded += site.state == INTERCEPT_SITE_EXCLUDED ? 1 : 0;
            out->failed += site.state == INTERCEPT_SITE_FAILED ? 1 : 0;
        }
    }
}

int intercept_visit_sites(int (*visit)(const intercept_site_info *, void *), void *argument) {
    for (const PatchedObject &object : done)
        for (size_t i = 0; i < object.site_count; i++) {
            const SitePlan &site = object.sites[i];
            intercept_site_info info = {reinterpret_cast<const void *>(object.base + site.site_offset), object.path,
                                        site.state, site.number, (site.flags & SITE_VECTOR_DEAD) != 0 ? 1 : 0};
            if (int answer = visit(&info, argument); answer != 0)
                return answer;
        }
    return 0;
}

} // extern "C"
