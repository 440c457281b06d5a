// vector_level: which vector registers this CPU and kernel have switched on.
#pragma once

extern "C" {
// VECTOR_SSE .. VECTOR_AVX512BW (frame.h). Set once, before the first patch.
extern __attribute__((visibility("hidden"))) int intercept_vector_level;
}

namespace intercept {
// Looks at cpuid and xgetbv (Intel SDM vol. 1, chapter 13) and sets the level.
void detect_vector_level();
inline void prepare_processor() {
    detect_vector_level();
}
} // namespace intercept
