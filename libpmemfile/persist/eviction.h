// eviction: lines that are on the media go out of the cache.
//
// For lines that were written past the cache, then read, and will be written past it again: found in the cache, each
// such store waits until it is out of there (65 ns of an overwrite of 64 bytes were that, docs/design.md).
#pragma once

#include <cstddef>

namespace pmemfile {

// The lines of [begin, begin + size_bytes), which nobody has dirtied. A hint: where the processor has no way to do it
// in the background, nothing happens.
void evict_lines(const void *begin, size_t size_bytes);

} // namespace pmemfile
