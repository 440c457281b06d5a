// cover: plan ─► stubs ─► seal ─► patch ─► remember.
#include "intercept/cover.h"

#include "intercept/arch/architecture.h"
#include "intercept/hooks/registry.h"
#include "intercept/objects/covered_objects.h"
#include "intercept/patch/patcher.h"
#include "intercept/plan/planner.h"
#include "intercept/plan/traced_plan.h"

#include <elf.h>
#include <sys/mman.h>

namespace intercept {
namespace {

constinit Arenas arenas;

int (*object_wanted)(const intercept_object_info *, void *);
void *object_wanted_argument;

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

bool is_wanted(const Object &object, const char *path) {
    if (object_wanted == nullptr)
        return true;
    uint64_t strings = dynamic_address(object, DT_STRTAB);
    uint64_t soname = dynamic_value(object, DT_SONAME);
    intercept_object_info info = {
        path, strings != 0 && soname != 0 ? reinterpret_cast<const char *>(strings + soname) : "",
        reinterpret_cast<const void *>(object.base), reinterpret_cast<const void *>(object.span.end)};
    return object_wanted(&info, object_wanted_argument) != 0;
}

bool has_text(const Object &object) {
    for (unsigned i = 0; i < object.segment_count; i++)
        if ((object.segments[i].protection & PROT_EXEC) != 0)
            return true;
    return false;
}

} // namespace

Arenas &cover_arenas() {
    return arenas;
}

bool cover_object(const Object &object, const CoverOptions &options) {
    if (!has_text(object) || is_covered(object) || is_ours(object) || !is_wanted(object, options.path) ||
        !is_whole(object))
        return true;
    Plan plan;
    bool from_cache = options.cache != nullptr && options.cache->load(object, plan);
    if (!from_cache) {
        bool of_file = true;
        const bool traced = options.tracer != nullptr && options.tracer->is_there();
        if (traced ? !plan_traced_object(object, native_architecture, plan, of_file)
                   : !plan_object(object, native_architecture, plan))
            return false;
        if (options.cache != nullptr && of_file)
            options.cache->store(object, plan);
        if (traced)
            leave_changed_sites(object, plan);
    }
    Arena *arena = nullptr;
    if (size_t patchable = patchable_sites(plan); patchable != 0)
        arena = arenas.create(object.span, patchable * native_architecture.stub_bytes_max);
    base::PageArray<uint64_t> stubs;
    write_stubs(object, plan, arena, stubs);
    if (arena != nullptr && !arenas.seal(*arena)) {
        arenas.release(*arena);
        arena = nullptr;
        fail_sites(plan, SiteReason::no_memory_near);
    }
    patch_sites(object, plan, stubs, options.other_threads);
    CoveredObject *entry = remember_object(object, options.path, plan);
    if (entry == nullptr)
        return false;
    entry->arena = arena;
    entry->from_cache = from_cache;
    entry->later = options.later;
    return true;
}

void uncover_objects(const AddressRange &range) {
    for (size_t i = 0; CoveredObject *object = covered_object(i); i++) {
        if (object->span.size() == 0 || object->span.begin < range.begin || object->span.begin >= range.end)
            continue;
        object->span = {};
        object->memory.release();
        if (object->arena != nullptr)
            arenas.release(*object->arena);
        object->arena = nullptr;
    }
}

} // namespace intercept

extern "C" int intercept_set_object_filter(int (*wanted)(const intercept_object_info *, void *), void *argument) {
    intercept::object_wanted_argument = argument;
    intercept::object_wanted = wanted;
    return 0;
}
