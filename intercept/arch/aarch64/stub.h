// stub: the code that a patched site jumps to.
#pragma once

#include "intercept/arch/aarch64/site_record.h"
#include "intercept/plan/plan.h"

#include <cstddef>
#include <cstdint>

namespace intercept::aarch64 {

constexpr size_t stub_bytes_max = 192;
constexpr unsigned jump_bytes = 4; // b, 128 MiB either way

// See Architecture (arch/architecture.h). The stub's SiteRecord lies behind its code.
size_t write_stub(const SitePlan &plan, uint64_t window, uint64_t stub_address, uint8_t *out);
bool write_jump(uint64_t from, uint64_t to, uint8_t *out);

} // namespace intercept::aarch64
