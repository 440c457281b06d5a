// native: of the processor that this is compiled for, what the hooks must know: the frame
// that the entry builds, and the record of a site.
//
// Each arch/<processor>/ gives the macros of frame.h, SiteRecord with site_address and
// process_target, process_kind_numbers, and prepare_processor.
#pragma once

#if defined(__x86_64__)
#include "intercept/arch/x86_64/frame.h"
#include "intercept/arch/x86_64/site_record.h"
#include "intercept/arch/x86_64/vector_level.h"
#elif defined(__aarch64__)
#include "intercept/arch/aarch64/frame.h"
#include "intercept/arch/aarch64/site_record.h"
namespace intercept {
using aarch64::process_kind_count;
using aarch64::process_kind_numbers;
using aarch64::process_target;
using aarch64::site_address;
using aarch64::SiteRecord;
// Nothing to find out: every processor has the same vector registers to save.
inline void prepare_processor() {}
} // namespace intercept
#else
#error "no arch/<processor>/ for this one: docs/interception.md, Porting"
#endif
