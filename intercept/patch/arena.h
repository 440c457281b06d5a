// arena: executable memory within reach of a jump from an object.
#pragma once

#include "intercept/objects/object.h"

#include <cstddef>
#include <cstdint>

namespace intercept {

// The memory for the stubs of one object. Written while it is planned, then only read
// and run.
struct Arena {
    uint64_t address; // 0: the entry is free
    size_t size_bytes;
    size_t used_bytes;
    bool reserved; // of level 2's exempt range, to which nothing is given back
};

// The arenas of the process. One thread at a time changes them.
class Arenas {
public:
    // A new arena of which every byte is within reach of every byte of `span`; nullptr
    // if there is no such gap. Readable and writable.
    Arena *create(const AddressRange &span, size_t size_bytes);
    // Makes it readable and executable, no longer writable. (What is not used stays: addresses without memory.)
    // False: refused.
    bool seal(Arena &arena);
    // Unmaps it. Nobody runs in it or jumps to it any more.
    void release(Arena &arena);

    unsigned count() const {
        return count_;
    }
    AddressRange range(unsigned index) const { // empty: the entry is free
        return {arenas_[index].address, arenas_[index].address + arenas_[index].size_bytes};
    }

    // Any thread, in a signal handler too.
    bool contains(uint64_t address) const;

private:
    static constexpr unsigned arenas_max = 1024;
    Arena arenas_[arenas_max] = {};
    unsigned count_ = 0; // entries that were in use at any time
};

} // namespace intercept
