// clean_path: what "//", ".", ".." and a slash at the end of a path stand for, by its text alone.
#pragma once

#include <cstddef>
#include <string_view>

namespace shim {

// Joins and cleans lexically: absolute `base` (canonical) + `path`. `exact` is false when a ".." went
// back over a name of `path` that could have been a symlink. Returns the length, 0 when too long.
size_t clean_path(char *buffer, size_t size_bytes, std::string_view base, std::string_view path, bool *exact);
// Is there nothing that clean_path would take out? (It says no also of names that begin with a dot.) `path` is not
// empty and stands in ThreadContext::path: up to 15 bytes behind its end are read.
bool is_clean(std::string_view path);

} // namespace shim
