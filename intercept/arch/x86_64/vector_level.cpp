// vector_level: the entry saves whole registers of the widest kind in use; a
// register that the kernel has not switched on can not hold anything.
#include "intercept/arch/x86_64/vector_level.h"

#include "intercept/arch/x86_64/frame.h"

#include <cpuid.h>
#include <cstdint>

extern "C" {
int intercept_vector_level = VECTOR_SSE;
}

namespace intercept {

void detect_vector_level() {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    constexpr unsigned osxsave = 1u << 27;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & osxsave) == 0)
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
    intercept_vector_level = VECTOR_AVX512F;
    constexpr unsigned avx512bw = 1u << 30;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & avx512bw) != 0)
        intercept_vector_level = VECTOR_AVX512BW;
}

} // namespace intercept
