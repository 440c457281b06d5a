// One of each for the process, and one more in the context of a vfork
// child, which may chdir before it execs without its parent noticing.
#include "posix-shim/process/working_directory.h"

#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/process/process.h"

namespace shim {

constinit std::atomic<bool> root_was_changed = false;

namespace {

constinit std::atomic<bool> host_root_changed = false;

// Written under a sequence counter: readers are other threads' path calls.
struct ProcessDirectory {
    std::atomic<uint32_t> sequence = 0;
    WorkingDirectory directory;
};
constinit ProcessDirectory process_directories[beginning_count];

ProcessDirectory &process_directory(Beginning which) {
    return process_directories[static_cast<unsigned>(which)];
}

void close_holder(ThreadContext &context, const WorkingDirectory &directory) {
    if (directory.mount < 0 || directory.holder == 0 || mounts[directory.mount].is_lost.load())
        return;
    const base::Result<pmemfile::Thread *> thread = context_thread(context, static_cast<unsigned>(directory.mount));
    if (thread.ok())
        pmemfile::fs_close(**thread, directory.holder, false);
}

void note_root(Beginning which, const WorkingDirectory &next) {
    if (which == Beginning::root && next.mount >= 0)
        root_was_changed.store(true, std::memory_order_relaxed);
}

} // namespace

WorkingDirectory beginning_directory(Beginning which) {
    if (const ThreadContext *context = context_current(); context != nullptr && context->is_vfork_child) {
        const VforkDirectory &own = context->vfork_directories[static_cast<unsigned>(which)];
        if (own.is_set)
            return own.directory;
    }
    ProcessDirectory &process = process_directory(which);
    for (;;) {
        const uint32_t before = process.sequence.load(std::memory_order_acquire);
        const WorkingDirectory copy = process.directory;
        std::atomic_thread_fence(std::memory_order_acquire);
        if ((before & 1) == 0 && process.sequence.load(std::memory_order_relaxed) == before)
            return copy;
    }
}

void beginning_directory_set(Beginning which, const WorkingDirectory &next) {
    note_root(which, next);
    ThreadContext *context = context_get();
    if (context != nullptr && context->is_vfork_child) {
        VforkDirectory &own = context->vfork_directories[static_cast<unsigned>(which)];
        if (own.is_set)
            close_holder(*context, own.directory);
        own = {true, next};
        return;
    }
    ProcessDirectory &process = process_directory(which);
    uint32_t even = process.sequence.load() & ~1u;
    while (!process.sequence.compare_exchange_weak(even, even + 1))
        even &= ~1u;
    const WorkingDirectory former = process.directory;
    process.directory = next;
    process.sequence.store(even + 2, std::memory_order_release);
    if (context != nullptr)
        close_holder(*context, former);
}

void host_root_note() {
    host_root_changed.store(true, std::memory_order_relaxed);
}

bool host_root_is_changed() {
    const ThreadContext *context = context_current();
    return host_root_changed.load(std::memory_order_relaxed) ||
           (context != nullptr && context->is_vfork_child && context->vfork_on_host_root);
}

void beginning_directories_end_vfork(ThreadContext &context) {
    context.vfork_on_host_root = false;
    for (VforkDirectory &own : context.vfork_directories) {
        if (own.is_set)
            close_holder(context, own.directory);
        own.is_set = false;
    }
}

void beginning_directories_after_fork() {
    for (ProcessDirectory &process : process_directories)
        process.sequence.store(0); // a reader would wait for ever for a writer that this process does not have
}

void beginning_directory_adopt(Beginning which, const WorkingDirectory &directory) {
    note_root(which, directory);
    process_directory(which).directory = directory;
}

} // namespace shim
