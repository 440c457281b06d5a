// architecture: AArch64 as the planner sees it; on other processors, too, for tests and
// for tools that look at files.
#pragma once

#include "intercept/arch/architecture.h"

namespace intercept::aarch64 {

extern const Architecture architecture;

} // namespace intercept::aarch64
