// bounds: the lowest and the highest address that a file of ours is mapped at.
//
// Every munmap and mprotect of the application asks here first, so the answer
// "none of ours" must cost a few loads. Both words are written under the lock of
// the table (mapping_table.h); a reader that races with a change is an
// application that unmaps what it is mapping at the same time.
#pragma once

#include <atomic>
#include <cstdint>

namespace pmemfile {

inline constinit std::atomic<uint64_t> mapping_low{UINT64_MAX};
inline constinit std::atomic<uint64_t> mapping_high{0}; // one past the last byte

// May [address, address + length_bytes) touch a mapping of ours? A length of 0 asks for one byte.
// Any thread, no lock; general registers only.
inline bool mapping_may_overlap(uint64_t address, uint64_t length_bytes) {
    uint64_t last = address + (length_bytes == 0 ? 0 : length_bytes - 1);
    if (last < address) // wraps: the kernel will refuse it, or it is everything
        last = UINT64_MAX;
    return address < mapping_high.load(std::memory_order_relaxed) &&
           last >= mapping_low.load(std::memory_order_relaxed);
}

} // namespace pmemfile
