// pass_all: a preload library that hooks every call and changes nothing, or, as
// told by the environment, counts, takes the long way, or answers getppid.
//
//   PASS_ALL_WAY     filter | hook | post   how far each call goes (default hook)
//   PASS_ALL_GETPPID a number to answer getppid with
//   PASS_ALL_KEEPS   each call of getppid takes memory and keeps it
//   PASS_ALL_REPORT  print the statistics on descriptor 2 at start
//   PASS_ALL_STRICT  end the process if nothing could be patched
//   PASS_ALL_SITES   also print every site that is not patched
#include "base/log.h"
#include "base/raw_syscall.h"
#include "intercept/include/pmemfile-intercept.h"
#include "tests/intercept/vector_spoiler.h"

#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace {

int way = INTERCEPT_PASS;
long parent_answer = -1;
bool keeps_memory;

INTERCEPT_FILTER_FUNCTION int pass_filter(const intercept_call *call) {
    return call->nr == SYS_getppid ? INTERCEPT_FILTER_SERVE : INTERCEPT_FILTER_PASS;
}

// Ends the process if what was kept before has been changed by others.
void keep_memory() {
    constexpr size_t kept_bytes = 100'000; // below malloc's threshold for a mapping
    static constinit unsigned char *kept[64];
    static constinit unsigned count;
    if (count == sizeof kept / sizeof *kept)
        return;
    kept[count] = static_cast<unsigned char *>(malloc(kept_bytes));
    memset(kept[count++], 0x55, kept_bytes);
    for (unsigned i = 0; i < count; i++)
        for (size_t at = 0; at < kept_bytes; at++)
            if (kept[i][at] != 0x55)
                _exit(98);
}

int pass_hook(intercept_call *call) {
    spoil_vectors();
    if (keeps_memory && call->nr == SYS_getppid)
        keep_memory();
    if (call->nr == SYS_getppid && parent_answer >= 0) {
        call->result = parent_answer;
        return INTERCEPT_HANDLED;
    }
    return way;
}

void pass_post(intercept_call *) {
    spoil_vectors();
}

int print_site(const intercept_site_info *site, void *) {
    if (site->state != INTERCEPT_SITE_BEFORE && site->state != INTERCEPT_SITE_OVER)
        base::LogLine("site")
            .text(site->object)
            .text(" state ")
            .number(site->state)
            .text(" at ")
            .hex(reinterpret_cast<uint64_t>(site->address))
            .write();
    return 0;
}

void report(int started) {
    intercept_statistics s;
    intercept_get_statistics(&s);
    base::LogLine line("intercept");
    line.text("start ").number(started).text(" objects ").number(static_cast<int64_t>(s.objects));
    line.text(" cached ").number(static_cast<int64_t>(s.plans_cached));
    line.text(" sites ").number(static_cast<int64_t>(s.sites_found));
    line.text(" before ").number(static_cast<int64_t>(s.patched_before));
    line.text(" over ").number(static_cast<int64_t>(s.patched_over));
    line.text(" vector_dead ").number(static_cast<int64_t>(s.vector_dead));
    line.text(" unproven ").number(static_cast<int64_t>(s.unproven));
    line.text(" unsafe ").number(static_cast<int64_t>(s.window_unsafe));
    line.text(" excluded ").number(static_cast<int64_t>(s.excluded));
    line.text(" failed ").number(static_cast<int64_t>(s.failed)).write();
}

__attribute__((constructor)) void start() {
    intercept_hook hook{nullptr, pass_hook, pass_post, 0, nullptr, 0};
    const char *wanted = getenv("PASS_ALL_WAY");
    if (wanted != nullptr && strcmp(wanted, "filter") == 0)
        hook.filter = pass_filter;
    if (wanted != nullptr && strcmp(wanted, "post") == 0)
        way = INTERCEPT_PASS_POST;
    if (const char *number = getenv("PASS_ALL_GETPPID"))
        parent_answer = atol(number);
    keeps_memory = getenv("PASS_ALL_KEEPS") != nullptr;
    intercept_add(&hook);
    int started = intercept_start();
    if (getenv("PASS_ALL_REPORT") != nullptr)
        report(started);
    if (getenv("PASS_ALL_SITES") != nullptr)
        intercept_visit_sites(print_site, nullptr);
    if (started != 0 && getenv("PASS_ALL_STRICT") != nullptr)
        _exit(99);
}

} // namespace
