// What the copies need to know of the processor. Before it is known, all goes by rep movsb.
#include "base/user_copy.h"

#include "base/cpu_feature.h"

bool base_user_copy_wide = false;

namespace {
__attribute__((constructor)) void look_at_processor() {
    // What the loader has found already: in a virtual machine each cpuid is a trap of some microseconds.
    base_user_copy_wide = CPU_FEATURE_ACTIVE(AVX2); // and the kernel saves the registers
}
} // namespace
