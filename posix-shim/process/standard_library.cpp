// What the C++ standard headers call when an index is out of range. The preload
// library is linked without libstdc++, and an exception could go nowhere: it is a bug of
// ours. Under its mangled name, because its declaration would export it to the program.
#include "base/log.h"

// std::__throw_out_of_range_fmt(char const *, ...)
extern "C" __attribute__((visibility("hidden"), used)) void out_of_range(const char *format,
                                                                         ...) asm("_ZSt24__throw_out_of_range_fmtPKcz");

extern "C" void out_of_range(const char *format, ...) {
    base::panic(format);
}
