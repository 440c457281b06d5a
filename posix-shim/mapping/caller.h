// caller: the calling thread as the engine's mapping calls want it. A pool's key is its mount.
#pragma once

#include "libpmemfile/mapping/mapping_table.h"
#include "posix-shim/process/context.h"

namespace shim {

inline pmemfile::MappingCaller mapping_caller(ThreadContext &context) {
    return {&context, [](void *place, uint64_t mount) {
                return context_thread(*static_cast<ThreadContext *>(place), static_cast<unsigned>(mount));
            }};
}

} // namespace shim
