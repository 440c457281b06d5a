// The application's struct flock in and out; the engine knows what it means.
#include "posix-shim/calls/record_locks.h"

#include "libpmemfile/fs/lock_calls.h"
#include "posix-shim/calls/served_calls.h"

namespace shim {

using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

Status lock_record(const OpenArgument &open, int command, struct flock *user) {
    struct flock lock;
    BASE_TRY(copy_in(&lock, user, sizeof(lock)));
    BASE_TRY(fs_lock_record(*open.thread, open.id, command, lock, signal_is_pending));
    bool asks = command == F_GETLK || command == F_OFD_GETLK;
    return asks ? copy_out(user, &lock, sizeof(lock)) : Status{};
}

} // namespace

long record_lock(Request &request, const OpenArgument &open, int command) {
    return kernel_result(lock_record(open, command, reinterpret_cast<struct flock *>(request.args[2])));
}

long serve_flock(Request &request) {
    Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    return kernel_result(fs_flock(*open->thread, open->id, static_cast<int>(request.args[1]), signal_is_pending));
}

} // namespace shim
