// What we remember of the kernel's limit.
#include "posix-shim/calls/size_limit.h"

#include "base/raw_syscall.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <sys/resource.h>

namespace shim {

namespace {
std::atomic<uint64_t> known_limit; // + 1; 0: not known
} // namespace

uint64_t file_size_limit() {
    if (const uint64_t known = known_limit.load(std::memory_order_relaxed))
        return known - 1;
    struct rlimit limit;
    const long result = base::raw_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, base::as_long(&limit));
    if (base::is_error(result))
        return UINT64_MAX;
    const uint64_t bytes = std::min<uint64_t>(limit.rlim_cur, INT64_MAX);
    known_limit.store(bytes + 1, std::memory_order_relaxed);
    return bytes;
}

long limited_write(long result, uint64_t limit) {
    if (result == -EFBIG && limit != INT64_MAX) {
        const long pid = base::raw_syscall(SYS_getpid);
        base::raw_syscall(SYS_tgkill, pid, base::raw_syscall(SYS_gettid), SIGXFSZ);
    }
    return result;
}

void file_size_limit_changed() {
    known_limit.store(0);
}

} // namespace shim
