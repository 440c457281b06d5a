// The sites of one loaded object as the interceptor has patched them, for comparison with sc check.
#include "intercept/include/pmemfile-intercept.h"
#include "tools/sc/site_census.h"

#include <cstdio>
#include <cstring>
#include <link.h>

namespace {

struct Wanted {
    const char *name;
    uint64_t base;
};

int find(dl_phdr_info *info, size_t, void *argument) {
    auto *wanted = static_cast<Wanted *>(argument);
    const char *slash = strrchr(info->dlpi_name, '/');
    if (slash != nullptr && strcmp(slash + 1, wanted->name) == 0)
        wanted->base = info->dlpi_addr;
    return 0;
}

int print(const intercept_site_info *site, void *argument) {
    auto *wanted = static_cast<Wanted *>(argument);
    const char *slash = strrchr(site->object, '/');
    if (slash != nullptr && strcmp(slash + 1, wanted->name) == 0)
        printf("%lx %s %ld\n", reinterpret_cast<uint64_t>(site->address) - wanted->base,
               std::string(sc::state_name(site->state)).c_str(), site->nr);
    return 0;
}

int pass(intercept_call *) {
    return INTERCEPT_PASS;
}

} // namespace

int main(int argc, char **argv) {
    Wanted wanted = {argc > 1 ? argv[1] : "", 0};
    dl_iterate_phdr(find, &wanted);
    intercept_hook hook{nullptr, pass, nullptr, 0, nullptr, 0};
    if (wanted.base == 0 || intercept_add(&hook) < 0 || intercept_start() != 0)
        return 1;
    intercept_visit_sites(print, &wanted);
    return 0;
}
