// loader_list: the loader's list of loaded objects, asked of libc itself.
//
// A preloaded library may stand in front of dl_iterate_phdr (fakechroot does, to show other names), and what it does
// there need not work before its constructor has run, which is after ours, perhaps.
#pragma once

#include <cstddef>
#include <link.h>

namespace intercept {

using LoaderListVisit = int (*)(dl_phdr_info *info, size_t size_bytes, void *argument);

// As dl_iterate_phdr(3): takes the loader's lock, and ends where `visit` returns another number than 0.
int visit_loader_list(LoaderListVisit visit, void *argument);

} // namespace intercept
