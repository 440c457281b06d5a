// What the copies need to know of the processor. Before it is known, all goes by rep movsb.
#include "base/user_copy.h"

bool base_user_copy_wide = false;

namespace {
__attribute__((constructor)) void look_at_processor() {
    __builtin_cpu_init();
    base_user_copy_wide = __builtin_cpu_supports("avx2") != 0; // and the kernel saves the registers
}
} // namespace
