// The end of a thread or of the process: what it holds in the pools is given back
// before the kernel ends it. A process that is killed, or ends while other threads are
// in the middle of something, leaves that to the next one who looks (journal/settle.h).
#include "posix-shim/process/exit.h"
#include "base/raw_syscall.h"
#include "intercept/include/pmemfile-intercept.h"
#include "libpmemfile/fs/attach.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/notify/mirror.h"
#include "posix-shim/paths/rendezvous.h"
#include "posix-shim/process/other_threads.h"
#include "posix-shim/process/process.h"
#include "posix-shim/process/shadow.h"
#include "posix-shim/table/ledger.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace shim {
namespace {

constexpr unsigned tries_running = 200;

} // namespace

void mount_leave(unsigned mount) {
    if (mounts[mount].pool.segment == nullptr)
        return;
    pmemfile::pool_detach(mounts[mount].pool);
    const bool was_last = base::raw_syscall(SYS_access, base::as_long(mounts[mount].pool.token_path), F_OK) == -ENOENT;
    if (!was_last)
        return;
    shadow_remove(mount);
    rendezvous_remove(mount);
    mirror_remove_all(mounts[mount].pool);
}

long serve_exit(Request &request) {
    if (request.context.is_vfork_child)
        return pass_to_kernel;
    if (!signals_before_exit(request.context))
        return restart_call;
    const long status = request.args[0];
    context_release(); // `request.context` is gone: there is no way back
    intercept_exit_thread(status);
}

long serve_exit_group(Request &request) {
    // A vfork child's memory is its parent's, who goes on.
    if (request.context.is_vfork_child)
        return pass_to_kernel;
    ledger_report("exit");
    // A thread that makes no calls may still store into a mapping, whose blocks must stay pinned. Asked before the
    // flag is set: one that makes its first call at its end would wait.
    const bool is_alone = is_only_thread(tries_running);
    process_is_ending.store(true);
    // Only our own context is left, and no thread can make one any more: nobody is in a call.
    if (is_alone && context_count.load() == 1) {
        context_leave_pools(request.context);
        for (unsigned mount = 0; mount < mount_count; mount++)
            if (!mounts[mount].is_lost.load())
                mount_leave(mount);
    }
    base::raw_syscall(SYS_exit_group, request.args[0]);
    __builtin_unreachable();
}

} // namespace shim
