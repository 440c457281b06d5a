// vector_level: the entry saves whole registers of the widest kind in use; a
// register that the kernel has not switched on can not hold anything.
#include "intercept/arch/x86_64/vector_level.h"

#include "base/cpu_feature.h"
#include "intercept/arch/x86_64/frame.h"

#include <cstdint>

extern "C" {
int intercept_vector_level = VECTOR_SSE;
}

namespace intercept {

void detect_vector_level() {
    // Of cpuid what the loader has read already: in a virtual machine each one is a trap of some microseconds. Not what
    // it calls active: a user can switch that off for libc (GLIBC_TUNABLES), and programs go on using the registers.
    if (!CPU_FEATURE_PRESENT(OSXSAVE))
        return;
    uint32_t low = 0;
    uint32_t high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    constexpr uint32_t avx = 0x6;
    constexpr uint32_t avx512 = 0xe0;
    if ((low & avx) != avx)
        return;
    intercept_vector_level = VECTOR_AVX;
    if ((low & avx512) != avx512)
        return;
    intercept_vector_level = CPU_FEATURE_PRESENT(AVX512BW) ? VECTOR_AVX512BW : VECTOR_AVX512F;
}

} // namespace intercept
