// One working directory for the process, and one more in the context of a vfork
// child, which may chdir before it execs without its parent noticing.
#include "posix-shim/process/working_directory.h"

#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/process/process.h"

namespace shim {
namespace {

// Written under a sequence counter: readers are other threads' path calls.
constinit std::atomic<uint32_t> sequence = 0;
constinit WorkingDirectory process_directory;

void close_holder(ThreadContext &context, const WorkingDirectory &directory) {
    if (directory.mount < 0 || directory.holder == 0 || mounts[directory.mount].is_lost.load())
        return;
    const base::Result<pmemfile::Thread *> thread = context_thread(context, static_cast<unsigned>(directory.mount));
    if (thread.ok())
        pmemfile::fs_close(**thread, directory.holder, false);
}

} // namespace

WorkingDirectory working_directory() {
    if (const ThreadContext *context = context_current();
        context != nullptr && context->is_vfork_child && context->has_vfork_directory)
        return context->vfork_directory;
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
    if (context != nullptr && context->is_vfork_child) {
        if (context->has_vfork_directory)
            close_holder(*context, context->vfork_directory);
        context->vfork_directory = next;
        context->has_vfork_directory = true;
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
    if (!context.has_vfork_directory)
        return;
    close_holder(context, context.vfork_directory);
    context.has_vfork_directory = false;
}

void working_directory_after_fork() {
    sequence.store(0); // a reader would wait for ever for a writer that this process does not have
}

void working_directory_adopt(const WorkingDirectory &directory) {
    process_directory = directory;
}

} // namespace shim
