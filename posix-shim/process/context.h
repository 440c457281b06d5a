// context: what one thread needs while it is inside the shim.
//
// Memory comes from mmap at a thread's first call that is ours, so the
// application's stack stays small; it is given back when the thread ends.
// A vfork child runs on its parent's context, marked so.
#pragma once

#include "base/result.h"
#include "intercept/include/pmemfile-intercept.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/runtime/thread.h"
#include "posix-shim/process/mount.h"
#include "posix-shim/process/working_directory.h"
#include "posix-shim/signals/deferral.h"

#include <cstdint>
#include <sys/uio.h>

namespace shim {

constexpr unsigned max_vectors = 1024; // IOV_MAX
constexpr unsigned max_vfork_opened = 32;

// Where the kernel puts a socket's address for the application, whose memory all of it is (calls/peer_address.h).
struct AddressPlace {
    long address = 0;
    long length = 0;         // a socklen_t's
    unsigned room_bytes = 0; // before the call, which overwrites it
};

struct VforkDirectory {
    bool is_set = false;
    WorkingDirectory directory;
};

struct ThreadContext {
    pmemfile::Thread *threads[max_mounts]; // null until used
    DeferredSignals signals;
    void *escape; // how a call ends whose pool's memory is lost (table/escape.h, signals/lost_pool.h); null: it cannot
    // True in a vfork child: descriptor cache and cwd of the parent are not its own.
    bool is_vfork_child = false;
    // What a vfork child has changed for itself; dropped when its parent goes on.
    VforkDirectory vfork_directories[beginning_count];
    bool vfork_on_host_root = false; // host_root_is_changed(), of a vfork child alone
    pmemfile::Credentials vfork_credentials;
    bool has_own_credentials; // else the thread's are the process's (process/credentials.cpp)
    pmemfile::Credentials own_credentials;
    // Descriptions that a vfork child opened: its parent drops them when it goes on.
    unsigned vfork_opened_count = 0;
    struct {
        unsigned mount;
        uint64_t id;
    } vfork_opened[max_vfork_opened];

    // Scratch of one call; no call of a thread is inside another one.
    char path[2][pmemfile::path_max_bytes];      // path arguments, copied from the application once
    char host_path[2][pmemfile::path_max_bytes]; // a path for the kernel
    char symlink[pmemfile::path_max_bytes];
    struct iovec vectors[max_vectors];
    // A fork that is under way, from before the kernel's call to after it in the parent and in the child.
    bool is_forking;
    bool has_handover_lock;    // process/handover_lock.h
    bool has_forks_wait;       // descriptors/fork_gate.h
    bool fork_clears_handlers; // CLONE_CLEAR_SIGHAND
    pmemfile::PoolPlace child_places[max_mounts];
    AddressPlace expected_address; // of a call that the kernel executes
    long former_args[6];           // Request::rewrite_begin
    bool is_near_proc; // the path that the kernel was given last may be a directory that near_proc.h tells of
    alignas(64) std::byte buffer[32768];
};

// Initial-exec: one load, no allocation.
extern constinit thread_local ThreadContext *context_of_thread;

ThreadContext *context_make();
base::Result<pmemfile::Thread *> context_register(ThreadContext &context, unsigned mount);

// This thread's context, made at first use. Null when memory is out (the call gets ENOMEM).
inline ThreadContext *context_get() {
    return context_of_thread != nullptr ? context_of_thread : context_make();
}
// The same, but null where there is none yet. For signal handlers.
inline ThreadContext *context_current() {
    return context_of_thread;
}
// This thread's place in a pool, made at first use. EAGAIN, ENOMEM.
inline base::Result<pmemfile::Thread *> context_thread(ThreadContext &context, unsigned mount) {
    pmemfile::Thread *thread = context.threads[mount];
    if (thread == nullptr || root_was_changed.load(std::memory_order_relaxed)) [[unlikely]]
        return context_register(context, mount);
    return thread;
}
// True when a signal waits for this thread's call to end (signals/): a call that sleeps gives up
// with EINTR. Weak: absent, sleeping calls are not interrupted.
__attribute__((weak)) bool signal_is_pending();
// Lets the handlers run that waited. Weak: absent, there are none.
__attribute__((weak)) bool call_deliver(ThreadContext &context);

// The end of a call. True: handlers wait, and call_deliver is to be called.
inline bool call_end(ThreadContext &context) {
    std::atomic<int> &depth = context.signals.call_depth;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const int left = depth.load(std::memory_order_relaxed) - 1;
    depth.store(left, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return context.signals.count.load(std::memory_order_relaxed) != 0 && left <= 0;
}
// Around each call inside the shim: signal handlers wait in between (signals/); they run inside
// call_leave, which may not return then (siglongjmp). True: some ran, and all of
// them with SA_RESTART, so a call that gave up with EINTR starts again.
inline void call_enter(ThreadContext &context) {
    std::atomic<int> &depth = context.signals.call_depth;
    depth.store(depth.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
}
inline bool call_leave(ThreadContext &context) {
    return call_end(context) && call_deliver(context);
}
// Is the caller a vfork child?
inline bool context_is_vfork_child() {
    const ThreadContext *context = context_of_thread;
    return context != nullptr && context->is_vfork_child;
}

} // namespace shim
