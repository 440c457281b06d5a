// start: the way from "nothing is patched" to "everything is".
//
//   list objects ─► each: plan (cache, else decode) ─► stubs ─► seal ─► patch
//   then the loader is watched for those that come later
#include "intercept/start.h"

#include "base/log.h"
#include "base/raw_syscall.h"
#include "intercept/arch/native.h"
#include "intercept/cover.h"
#include "intercept/guest/launch.h"
#include "intercept/levels.h"
#include "intercept/objects/covered_objects.h"
#include "intercept/objects/loader_watch.h"
#include "intercept/plan/site_flags.h"
#include "intercept/plan/traced_plan.h"
#include "intercept/trap/exempt_range.h"
#include "intercept/trap/trap.h"
#include "intercept/trap/trap_sites.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

namespace intercept {
namespace {

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

int cover_all(base::PageArray<Object> &objects) {
    PlanCache cache;
    cache.open();
    bool other_threads = has_other_threads();
    Tracer tracer;
    for (const Object &object : objects)
        if (!cover_object(object, {object.path, &cache, other_threads, false, &tracer}))
            return -ENOMEM;
    return 0;
}

bool is_patched(const SiteSummary &site) {
    return site.state == INTERCEPT_SITE_BEFORE || site.state == INTERCEPT_SITE_OVER;
}

// Before the stubs are written, which must know where they may execute system calls.
bool prepare_traps() {
    if (trap_is_on() || (trap_is_possible() && exempt_range_start(cover_arenas()) == 0))
        return true;
    base::LogLine("intercept")
        .text("level 2: this kernel has no Syscall User Dispatch (Linux 5.11), or there is no memory: "
              "what is not patched slips past")
        .write();
    return false;
}

} // namespace

int start_traps() {
    int result = exempt_range_start(cover_arenas());
    if (result == 0)
        result = trap_start(cover_arenas());
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
    unsigned levels = chosen_levels();
    bool traps = (levels & INTERCEPT_LEVEL_TRAP) != 0 && prepare_traps();
    // The loader's lock before ours, as in dlopen.
    base::PageArray<Object> objects;
    if (!list_objects(objects))
        return -ENOMEM;
    CoverLock lock;
    if (!lock.held())
        return -EDEADLK;
    int status = (levels & INTERCEPT_LEVEL_START) != 0 ? cover_all(objects) : 0;
    if (traps)
        start_traps();
    // With traps what comes later is caught by them; patched, it would be trapped nevertheless.
    watch_loader((levels & INTERCEPT_LEVEL_LOADED) != 0 && !trap_is_on());
    return status;
}

void intercept_get_statistics(intercept_statistics *out) {
    *out = {};
    out->traps_on = trap_is_on() ? 1 : 0;
    out->trap_sites = trap_counts().sites;
    CoverLock lock;
    for (size_t n = 0; CoveredObject *object = covered_object(n); n++) {
        if (object->span.size() == 0)
            continue;
        out->objects++;
        out->plans_cached += object->from_cache ? 1 : 0;
        out->objects_later += object->later ? 1 : 0;
        out->sites_found += object->site_count;
        for (size_t i = 0; i < object->site_count; i++) {
            const SiteSummary &site = object->sites()[i];
            out->patched_before += site.state == INTERCEPT_SITE_BEFORE ? 1 : 0;
            out->patched_over += site.state == INTERCEPT_SITE_OVER ? 1 : 0;
            out->vector_dead += is_patched(site) && (site.flags & SITE_VECTOR_DEAD) != 0 ? 1 : 0;
            out->unproven += site.state == INTERCEPT_SITE_UNPROVEN ? 1 : 0;
            out->window_unsafe += site.state == INTERCEPT_SITE_WINDOW_UNSAFE ? 1 : 0;
            out->excluded += site.state == INTERCEPT_SITE_EXCLUDED ? 1 : 0;
            out->failed += site.state == INTERCEPT_SITE_FAILED ? 1 : 0;
        }
    }
}

int intercept_visit_sites(int (*visit)(const intercept_site_info *, void *), void *argument) {
    CoverLock lock;
    if (!lock.held())
        return -EDEADLK;
    for (size_t n = 0; CoveredObject *object = covered_object(n); n++)
        for (size_t i = 0; object->span.size() != 0 && i < object->site_count; i++) {
            const SiteSummary &site = object->sites()[i];
            intercept_site_info info = {reinterpret_cast<const void *>(object->base + site.offset),
                                        object->path,
                                        site.state,
                                        site.number,
                                        (site.flags & SITE_VECTOR_DEAD) != 0 ? 1 : 0,
                                        reason_text(site.reason)};
            if (int answer = visit(&info, argument); answer != 0)
                return answer;
        }
    return 0;
}

} // extern "C"
