// stub: the code that a patched site jumps to.
#pragma once

#include "intercept/arch/x86_64/site_record.h"
#include "intercept/plan/plan.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

constexpr size_t stub_bytes_max = 448;

// Writes the stub of a site, to run at `stub_address`, into `out` (at least
// stub_bytes_max bytes; it may be another mapping of the same place), its
// SiteRecord included. `window` is the address of the patched window. Returns the
// bytes used, a multiple of 8, or 0 if something is out of reach of 32 bits.
size_t write_stub(const SitePlan &plan, uint64_t window, uint64_t stub_address, uint8_t *out);

// jmp rel32 from `from` to `to`. False: out of reach.
bool write_jump(uint64_t from, uint64_t to, uint8_t *out);

} // namespace intercept
