// One working directory for the process, and one more for a vfork child, which
// may chdir before it execs without its parent noticing.
#include "posix-shim/process/working_directory.h"

#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/process/process.h"

namespace shim {
namespace {

// Written under a sequence counter: readers are other threads' path calls.
constinit std::atomic<uint32_t> sequence = 0;
constinit WorkingDirectory process_directory;
constinit WorkingDirectory vfork_directory;
constinit bool has_vfork_directory = false;

void close_holder(ThreadContext &context, const WorkingDirectory &directory) {
    if (directory.mount < 0 || directory.holder == 0)
        return;
    const base::Result<pmemfile::Thread *> thread = context_thread(context, static_cast<unsigned>(directory.mount));
    if (thread.ok())
        pmemfile::fs_close(**thread, directory.holder, false);
}

} // namespace

WorkingDirectory working_directory() {
    if (context_is_vfork_child() && has_vfork_directory)
        return vfork_directory;
    for (;;) {
        const uint32_t before = sequence.load(std::memory_order_acquire);
        const WorkingDirectory copy = process_directory;
        std::atomic_thread_fence(std::memory_order_acquire);
        if ((before & 1) == 0 && sequence.load(std::memory_order_relaxed) == before)
            return copy;
    }
}

void working_directory_set(const WorkingDirectory &next) {
    ThreadContext *context = context_get();
    if (context_is_vfork_child()) {
        if (has_vfork_directory)
            close_holder(*context, vfork_directory);
        vfork_directory = next;
        has_vfork_directory = true;
        return;
    }
    uint32_t even = sequence.load() & ~1u;
    while (!sequence.compare_exchange_weak(even, even + 1))
        even &= ~1u;
    const WorkingDirectory former = process_directory;
    process_directory = next;
    sequence.store(even + 2, std::memory_order_release);
    if (context != nullptr)
        close_holder(*context, former);
}

void working_directory_end_vfork(ThreadContext &context) {
    if (!has_vfork_directory)
        return;
    close_holder(context, vfork_directory);
    has_vfork_directory = false;
}

void working_directory_adopt(const WorkingDirectory &directory) {
    process_directory = directory;
}

} // namespace shim
