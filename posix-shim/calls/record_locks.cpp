// The application's struct flock in and out; the engine knows what it means.
#include "posix-shim/calls/record_locks.h"

#include "libpmemfile/fs/lock_calls.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"

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

// Is one of the numbers that an exec closes the file's?
bool is_closed_by_exec(Thread &thread, unsigned mount, InodeNumber inode) {
    for (int descriptor = 0, end = descriptor_high_water(); descriptor < end; descriptor++) {
        const DescriptorWord word = descriptor_words[descriptor].load();
        if (!is_ours(word) || word_mount(word) != mount)
            continue;
        const Result<OpenFile *> file = open_file_get(thread, word_id(word));
        if (!file.ok() || (*file)->inode.load() != inode)
            continue;
        const long flags = base::raw_syscall(SYS_fcntl, descriptor, F_GETFD);
        if (!base::is_error(flags) && (flags & FD_CLOEXEC) != 0)
            return true;
    }
    return false;
}

} // namespace

unsigned record_locks_lost_by_exec(ThreadContext &context, std::span<LostLocks> lost) {
    unsigned count = 0;
    for (unsigned mount = 0; mount < mount_count; mount++) {
        const Result<Thread *> thread = context_thread(context, mount);
        InodeNumber locked[4 * max_lost_locks];
        const size_t locked_count = thread.ok() ? advisory_lock_posix_files(**thread, locked) : 0;
        for (const InodeNumber inode : std::span(locked, locked_count))
            if (count < lost.size() && is_closed_by_exec(**thread, mount, inode))
                lost[count++] = {mount, inode};
    }
    return count;
}

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
