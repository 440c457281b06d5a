#include "libpmemfile/persist/eviction.h"

#include "base/cpu_feature.h"
#include "libpmemfile/format/format.h"

namespace pmemfile {

void evict_lines(const void *begin, size_t size_bytes) {
    // As the loader has found it.
    if (!CPU_FEATURE_PRESENT(CLFLUSHOPT))
        return;
    const auto *bytes = static_cast<const char *>(begin);
    for (size_t at = 0; at < size_bytes; at += cache_line_bytes)
        asm volatile("clflushopt %0" : : "m"(bytes[at]) : "memory");
}

} // namespace pmemfile
