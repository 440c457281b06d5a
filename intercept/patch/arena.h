// arena: executable memory within reach of a jump from an object.
#pragma once

#include "intercept/objects/object.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

// A piece of memory for stubs. Written while planning, then only read and run.
struct Arena {
    uint64_t address;
    size_t size_bytes;
    size_t used_bytes;
    bool sealed;
};

// The arenas of the process. One thread.
class Arenas {
public:
    // An arena with `size_bytes` free, of which every byte is within +-2 GiB of
    // every byte of `span`; nullptr if there is no such gap. Readable and writable.
    Arena *find(const AddressRange &span, size_t size_bytes);
    // Makes all arenas readable and executable, no longer writable. False: refused.
    bool seal();

    // Any thread: arenas are only added.
    bool contains(uint64_t address) const;

private:
    static constexpr unsigned arenas_max = 64;
    Arena arenas_[arenas_max];
    unsigned count_ = 0;
};

} // namespace intercept
