// size_limit: RLIMIT_FSIZE, for the calls that make files longer.
#pragma once

#include <cstdint>

namespace shim {

// The limit in bytes, at most INT64_MAX. Asked once, and again after this process has changed it.
uint64_t file_size_limit();
void file_size_limit_changed();
// The result of a call that wrote under `limit`: where that is EFBIG by the limit, SIGXFSZ is sent too.
long limited_write(long result, uint64_t limit);

} // namespace shim
