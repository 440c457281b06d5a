// cpu_feature: what the processor can do, as libc found out at its own start: CPU_FEATURE_PRESENT(name) and
// CPU_FEATURE_ACTIVE(name) of <sys/platform/x86.h>. In a virtual machine each cpuid is a trap of some
// microseconds.
#pragma once

// The header is C's; clang knows no _Bool in standard C++.
#if defined(__clang__) && !defined(_Bool)
#define _Bool bool
#include <sys/platform/x86.h>
#undef _Bool
#else
#include <sys/platform/x86.h>
#endif
