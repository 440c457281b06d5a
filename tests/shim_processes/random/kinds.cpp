#include "tests/shim_processes/random/kinds.h"

#include "tests/shim_processes/random/drawn.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace random_calls {

void make_call(const std::string &front, std::span<const Kind> kinds) {
    unsigned total = 0;
    for (const Kind &kind : kinds)
        total += kind.weight;
    uint64_t drawn = draw(total);
    const Kind *kind = kinds.data();
    while (drawn >= kind->weight)
        drawn -= kind++->weight;
    line.clear();
    errno = 0;
    const long result = kind->make();
    std::printf("%s %s%s: %ld %s\n", front.c_str(), kind->name, line.c_str(), result,
                result == -1 ? strerrorname_np(errno) : "");
}

} // namespace random_calls
