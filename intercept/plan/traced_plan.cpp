#include "intercept/plan/traced_plan.h"

#include "base/raw_syscall.h"
#include "intercept/objects/file_image.h"
#include "intercept/plan/planner.h"

#include <cstring>
#include <fcntl.h>

namespace intercept {
namespace {

bool is_traced() {
    const long descriptor =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/self/status"), O_RDONLY | O_CLOEXEC);
    if (base::is_error(descriptor))
        return false;
    char text[1024];
    const long got = base::raw_syscall(SYS_read, descriptor, base::as_long(text), sizeof text - 1);
    base::raw_syscall(SYS_close, descriptor);
    text[got > 0 ? got : 0] = 0;
    const char *line = strstr(text, "\nTracerPid:\t");
    return line != nullptr && line[12] != '0';
}

} // namespace

bool Tracer::is_there() {
    if (!asked_)
        is_there_ = is_traced();
    asked_ = true;
    return is_there_;
}

bool plan_traced_object(const Object &object, const Architecture &architecture, Plan &out, bool &of_file) {
    FileImage image;
    const bool there = image.open(object);
    of_file = true;
    if (there && image.has_text_of(object))
        return plan_object(object, architecture, out);
    // Absolute addresses in the data lead to the first mapping only.
    of_file = there && object.base != 0 && !has_text_relocations(object);
    if (of_file)
        return plan_object(image.object(), architecture, out);
    if (!plan_object(object, architecture, out))
        return false;
    for (SitePlan &site : out) {
        site.state = INTERCEPT_SITE_UNPROVEN;
        site.reason = SiteReason::changed;
    }
    return true;
}

void leave_changed_sites(const Object &object, Plan &plan) {
    for (SitePlan &site : plan) {
        const uint64_t window = object.base + site.site_offset - site.site_in_window;
        if ((site.state == INTERCEPT_SITE_BEFORE || site.state == INTERCEPT_SITE_OVER) &&
            memcmp(reinterpret_cast<const void *>(window), site.bytes,
                   known_bytes(site, native_architecture.system_call_bytes)) != 0) {
            site.state = INTERCEPT_SITE_WINDOW_UNSAFE;
            site.reason = SiteReason::changed;
        }
    }
}

} // namespace intercept
