// A thread's context hangs on one thread-local pointer. A vfork child shares it with its parent, which sleeps until
// the child has gone; `is_vfork_child` tells the two apart.
#include "posix-shim/process/context.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/changed_root.h"
#include "posix-shim/process/process.h"
#include "posix-shim/signals/actions.h"

#include <new>
#include <sys/mman.h>

namespace shim {

constinit thread_local ThreadContext *context_of_thread = nullptr;
constinit std::atomic<int> context_count = 0;
constinit std::atomic<bool> process_is_ending = false;

namespace {

// What walks in that pool do not leave.
void note_root(const pmemfile::Thread &thread, unsigned mount) {
    const WorkingDirectory root = root_directory();
    if (root.mount == static_cast<int>(mount))
        pmemfile::changed_root = {&thread, root.inode};
    else if (pmemfile::changed_root.thread == &thread)
        pmemfile::changed_root = {};
}

void *map_memory(size_t size_bytes) {
    const long memory = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return base::is_error(memory) ? nullptr : reinterpret_cast<void *>(memory);
}

} // namespace

// No handler runs meanwhile: it would make a context, too, or jump away from one that is counted and nobody's.
ThreadContext *context_make() {
    void *memory = map_memory(sizeof(ThreadContext)); // zeroed: no constructor is run over 70 KiB
    if (memory == nullptr)
        return nullptr;
    uint64_t mask = 0;
    set_signal_mask(~uint64_t{0}, &mask);
    if (context_of_thread != nullptr) { // a handler was faster
        base::raw_syscall(SYS_munmap, base::as_long(memory), sizeof(ThreadContext));
        set_signal_mask(mask, nullptr);
        return context_of_thread;
    }
    context_count.fetch_add(1);
    // Counted first and asked then, as serve_exit_group sets it first and counts then.
    while (process_is_ending.load())
        base::raw_syscall(SYS_pause);
    context_of_thread = static_cast<ThreadContext *>(memory);
    credentials_begin_thread(*context_of_thread);
    set_signal_mask(mask, nullptr);
    return context_of_thread;
}

base::Result<pmemfile::Thread *> context_register(ThreadContext &context, unsigned mount) {
    if (context.threads[mount] != nullptr) {
        note_root(*context.threads[mount], mount);
        return context.threads[mount];
    }
    void *memory = map_memory(sizeof(pmemfile::Thread));
    if (memory == nullptr)
        return base::error(ENOMEM);
    auto *thread = static_cast<pmemfile::Thread *>(memory);
    thread->credentials = &credentials_of(context);
    const base::Status registered = pmemfile::thread_register(*thread, mounts[mount].pool);
    if (!registered.ok()) {
        base::raw_syscall(SYS_munmap, base::as_long(memory), sizeof(pmemfile::Thread));
        return registered.error();
    }
    context.threads[mount] = thread;
    note_root(*thread, mount);
    return thread;
}

void context_leave_pools(ThreadContext &context) {
    for (unsigned mount = 0; mount < mount_count; mount++) {
        pmemfile::Thread *thread = context.threads[mount];
        if (thread == nullptr)
            continue;
        if (!mounts[mount].is_lost.load())
            pmemfile::thread_release(*thread);
        base::raw_syscall(SYS_munmap, base::as_long(thread), sizeof(pmemfile::Thread));
        context.threads[mount] = nullptr;
    }
}

void context_release() {
    ThreadContext *context = context_of_thread;
    if (context == nullptr)
        return;
    context_of_thread = nullptr;
    context_leave_pools(*context);
    base::raw_syscall(SYS_munmap, base::as_long(context), sizeof(ThreadContext));
    context_count.fetch_sub(1);
}

void context_after_fork(ThreadContext &context) {
    context_count.store(1); // the other threads stayed with the parent
    for (unsigned mount = 0; mount < mount_count; mount++) {
        pmemfile::Thread *thread = context.threads[mount];
        if (thread == nullptr)
            continue;
        // The slot in our copy of the Thread is the parent's: take one of our own.
        if (!pmemfile::thread_register(*thread, mounts[mount].pool).ok())
            context.threads[mount] = nullptr; // tried again at the next call
    }
}

} // namespace shim
