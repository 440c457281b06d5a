// forced_memory: writes to text that may not be made writable, through /proc/self/mem.
//
// For processes that may not have memory that is, or was, writable and executable (PR_SET_MDWE, systemd's
// MemoryDenyWriteExecute). The kernel writes there as it does for a debugger: to a private copy of the page, whatever
// its protection. Not in one store, so only while no other thread can be in the bytes. A kernel may refuse
// (proc_mem.force_override).
#pragma once

#include <cstddef>
#include <cstdint>

namespace intercept {

class ForcedMemory {
public:
    ForcedMemory() = default;
    ForcedMemory(const ForcedMemory &) = delete;
    ForcedMemory &operator=(const ForcedMemory &) = delete;
    ~ForcedMemory();

    bool open();
    bool is_open() const {
        return descriptor_ >= 0;
    }
    // All, or false; then what was there is there again.
    bool write(uint64_t address, const void *bytes, size_t size_bytes, const void *former);

    // After open: fresh executable memory in place of that at `address`, with its content.
    bool make_executable(uint64_t address, size_t size_bytes);

private:
    long descriptor_ = -1;
};

} // namespace intercept
