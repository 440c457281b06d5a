#include "tools/sc/agent/user_memory.h"

#include "base/raw_syscall.h"

#include <algorithm>
#include <cstring>
#include <sys/uio.h>

namespace sc {
namespace {

bool forbidden;
constexpr size_t page_bytes = 4096;

} // namespace

size_t read_memory(void *to, uint64_t from, size_t size_bytes) {
    if (__atomic_load_n(&forbidden, __ATOMIC_RELAXED) || from == 0)
        return 0;
    long self = base::raw_syscall(SYS_getpid);
    size_t done = 0;
    while (done < size_bytes) {
        // One page at a time: a range that fails is not read in part.
        size_t part = std::min(size_bytes - done, page_bytes - (from + done) % page_bytes);
        iovec here = {static_cast<char *>(to) + done, part};
        iovec there = {reinterpret_cast<void *>(from + done), part};
        long got = base::raw_syscall(SYS_process_vm_readv, self, base::as_long(&here), 1, base::as_long(&there), 1, 0);
        if (got != static_cast<long>(part))
            break;
        done += part;
    }
    return done;
}

long read_string(char *to, uint64_t from, size_t limit) {
    char chunk[128];
    size_t length = 0;
    while (length < limit) {
        size_t part = std::min({sizeof chunk, limit - length, page_bytes - (from + length) % page_bytes});
        if (read_memory(chunk, from + length, part) != part)
            return length == 0 ? -1 : static_cast<long>(length);
        auto *end = static_cast<const char *>(memchr(chunk, 0, part));
        size_t text = end == nullptr ? part : static_cast<size_t>(end - chunk);
        if (to != nullptr)
            memcpy(to + length, chunk, text);
        length += text;
        if (end != nullptr)
            break;
    }
    return static_cast<long>(length);
}

void forbid_memory_reads() {
    __atomic_store_n(&forbidden, true, __ATOMIC_RELAXED);
}

} // namespace sc
