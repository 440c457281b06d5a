#include "intercept/patch/forced_memory.h"

#include "base/raw_syscall.h"

#include <fcntl.h>
#include <sys/mman.h>

namespace intercept {
namespace {

size_t write_some(long descriptor, uint64_t address, const void *bytes, size_t size_bytes) {
    size_t done = 0;
    while (done < size_bytes) {
        const long put =
            base::raw_syscall(SYS_pwrite64, descriptor, base::as_long(static_cast<const char *>(bytes) + done),
                              static_cast<long>(size_bytes - done), static_cast<long>(address + done));
        if (put <= 0)
            break;
        done += static_cast<size_t>(put);
    }
    return done;
}

} // namespace

ForcedMemory::~ForcedMemory() {
    if (is_open())
        base::raw_syscall(SYS_close, descriptor_);
}

bool ForcedMemory::open() {
    descriptor_ = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/self/mem"), O_RDWR | O_CLOEXEC);
    return is_open();
}

bool ForcedMemory::write(uint64_t address, const void *bytes, size_t size_bytes, const void *former) {
    const size_t done = write_some(descriptor_, address, bytes, size_bytes);
    if (done != size_bytes)
        write_some(descriptor_, address, former, done);
    return done == size_bytes;
}

bool ForcedMemory::make_executable(uint64_t address, size_t size_bytes) {
    const auto place = static_cast<long>(address);
    const auto size = static_cast<long>(size_bytes);
    const long content =
        base::raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base::is_error(content))
        return false;
    // What was written moves away, and nothing that was ever writable is in its place.
    bool good =
        !base::is_error(base::raw_syscall(SYS_mremap, place, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, content));
    // Nobody else is told of this hole: whoever maps without a place of its own might get it.
    good = good && base::raw_syscall(SYS_mmap, place, size, PROT_READ | PROT_EXEC,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == place;
    good = good && write_some(descriptor_, address, reinterpret_cast<const void *>(content), size_bytes) == size_bytes;
    base::raw_syscall(SYS_munmap, content, size);
    return good;
}

} // namespace intercept
