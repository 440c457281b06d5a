// close, dup, fcntl: the kernel does them on the token; the cache follows.
//
// A number's word is taken away before the kernel closes it, so that a number
// given out again by another thread never finds the old word.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"

#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/runtime/open_access.h"
#include "posix-shim/calls/record_locks.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/fork_gate.h"
#include "posix-shim/descriptors/shared_token.h"
#include "posix-shim/process/handover_lock.h"
#include "posix-shim/process/other_threads.h"

#include <algorithm>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <linux/sched.h>

namespace shim {

using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// How long what is written will live: advice that this medium has no use for, taken and forgotten.
long life_time_hint(int command, uint64_t *user) {
    uint64_t hint = RWH_WRITE_LIFE_NOT_SET;
    if (command == F_GET_RW_HINT)
        return kernel_result(copy_out(user, &hint, sizeof hint));
    if (const Status copied = copy_in(&hint, user, sizeof hint); !copied.ok())
        return kernel_result(copied);
    return hint <= RWH_WRITE_LIFE_EXTREME ? 0 : -EINVAL;
}

// F_DUPFD and the dups: one more number for what `old_word` stands for. `was_shared`: of the former number, asked
// before.
long copied(Request &request, DescriptorWord old_word, bool was_shared, long result) {
    if (base::is_error(result) || (!is_ours(old_word) && !is_fifo(old_word)))
        return result;
    if (was_shared && result < descriptor_table_size && !request.context.is_vfork_child)
        shared_token_note(static_cast<int>(result));
    descriptor_copied(request.context, static_cast<int>(result), old_word);
    return result;
}

bool is_shared(long register_value) {
    const int descriptor = static_cast<int>(register_value);
    return descriptor >= 0 && descriptor < descriptor_table_size && shared_token_is(descriptor);
}

// The kernel would compare the files behind two numbers, and ours may share one.
long compare_descriptors(Request &request, DescriptorWord word) {
    const Result<DescriptorWord> other = descriptor_lookup(request.context, request.args[2]);
    if (!other.ok())
        return kernel_result(Status(other.error()));
    return is_ours(*other) ? *other == word : pass_to_kernel;
}

long serve_dup_onto(Request &request) {
    Result<DescriptorWord> old_word = descriptor_lookup(request.context, request.args[0]);
    if (!old_word.ok())
        return kernel_result(Status(old_word.error()));
    if (*old_word == descriptor_own || descriptor_is_own(request.args[1]))
        return -EBADF;
    if (static_cast<int>(request.args[0]) == static_cast<int>(request.args[1]))
        return pass_to_kernel; // nothing is closed
    const HandoverGuard no_fork(request.context);
    const bool was_shared = is_shared(request.args[0]);
    DescriptorWord was = descriptor_closing_begin(request.context, request.args[1]);
    long result = base::raw_syscall(request.number, request.args[0], request.args[1], request.args[2]);
    if (base::is_error(result)) {
        descriptor_closing_undo(request.context, request.args[1], was);
        return result;
    }
    copied(request, *old_word, was_shared, result);
    descriptor_closed(request.context, request.args[1], was);
    return result;
}

// Would the caller get a table of descriptors of its own, beside its process's? Its words are the process's. The kernel
// says that there are other threads by refusing what a thread cannot do; one that was just joined does not count.
bool would_part_descriptors(const Request &request) {
    constexpr unsigned tries_running = 4;
    return !request.context.is_vfork_child && base::is_error(base::raw_syscall(SYS_unshare, CLONE_THREAD)) &&
           !is_only_thread(tries_running);
}

constexpr const char *why_descriptors_stay =
    "two tables of descriptors for one memory: each would take the other's for its own";

// Closes [first, last] which holds no number of the shim's own.
long close_piece(Request &request, unsigned first, unsigned last, unsigned flags) {
    if (first > last)
        return 0;
    unsigned end = std::min<unsigned>(last, static_cast<unsigned>(descriptor_high_water()) - 1);
    bool any = descriptor_high_water() > 0;
    // Words are taken one by one and their references dropped after the kernel's close; the
    // words in between are kept in the table itself as `closing`, the old ones in a small batch.
    constexpr unsigned batch = 64;
    unsigned at = first;
    while (any && at <= end && !request.context.is_vfork_child) {
        const ForksWait forks_wait(request.context);
        DescriptorWord was[batch];
        unsigned count = std::min(batch, end - at + 1);
        for (unsigned i = 0; i < count; i++)
            was[i] = descriptor_words[at + i].load() == descriptor_unknown
                         ? descriptor_unknown
                         : descriptor_closing_begin(request.context, at + i);
        long result = base::raw_syscall(SYS_close_range, at, at + count - 1, flags);
        for (unsigned i = 0; i < count; i++)
            if (was[i] != descriptor_unknown && !base::is_error(result))
                descriptor_closed(request.context, at + i, was[i]);
            else if (was[i] != descriptor_unknown)
                descriptor_closing_undo(request.context, at + i, was[i]);
        if (base::is_error(result))
            return result;
        at += count;
    }
    return at <= last ? base::raw_syscall(SYS_close_range, at, last, flags) : 0;
}

} // namespace

long serve_close(Request &request) {
    if (descriptor_is_own(request.args[0]))
        return -EBADF;
    const ForksWait forks_wait(request.context);
    DescriptorWord was = descriptor_closing_begin(request.context, request.args[0]);
    // EINTR and EIO close it nevertheless; only EBADF means that nothing was there.
    long result = base::raw_syscall(SYS_close, request.args[0]);
    descriptor_closed(request.context, request.args[0], was);
    return result;
}

// A token is a regular file to the kernel, and so it answers as for one; but it does not know of O_PATH.
long serve_epoll_ctl(Request &request) {
    const Result<OpenArgument> open = open_argument(request, 2);
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread != nullptr && !inode_of_open(*open, false).ok())
        request.args[2] = -1;
    return pass_to_kernel;
}

long serve_close_range(Request &request) {
    auto first = static_cast<unsigned>(request.args[0]);
    auto last = static_cast<unsigned>(request.args[1]);
    auto flags = static_cast<unsigned>(request.args[2]);
    if ((flags & CLOSE_RANGE_UNSHARE) != 0 && first <= last && would_part_descriptors(request))
        return refused(request, EINVAL, why_descriptors_stay);
    if ((flags & CLOSE_RANGE_CLOEXEC) != 0 || first > last)
        return pass_to_kernel; // ours are close-on-exec already
    for (;;) {
        const int next = descriptor_next_own(first, last);
        if (next == INT32_MAX)
            return close_piece(request, first, last, flags);
        if (static_cast<unsigned>(next) > first) {
            long result = close_piece(request, first, static_cast<unsigned>(next) - 1, flags);
            if (base::is_error(result))
                return result;
        }
        first = static_cast<unsigned>(next) + 1;
        if (first > last)
            return 0;
    }
}

long serve_unshare(Request &request) {
    if ((request.args[0] & CLONE_FILES) != 0 && would_part_descriptors(request))
        return refused(request, EINVAL, why_descriptors_stay);
    return pass_to_kernel;
}

long serve_dup(Request &request) {
    Result<DescriptorWord> word = descriptor_lookup(request.context, request.args[0]);
    if (!word.ok())
        return kernel_result(Status(word.error()));
    if (*word == descriptor_own)
        return -EBADF;
    if (!is_ours(*word) && !is_fifo(*word))
        return pass_to_kernel;
    const bool was_shared = is_shared(request.args[0]);
    const ForksWait forks_wait(request.context);
    return copied(request, *word, was_shared, base::raw_syscall(SYS_dup, request.args[0]));
}

long serve_dup2(Request &request) {
    return serve_dup_onto(request);
}

long serve_dup3(Request &request) {
    return serve_dup_onto(request);
}

// A fifo's new number keeps the inode too, which the former number's close may be about to give up.
long copy_fifo(Request &request) {
    const int command = static_cast<int>(request.args[1]);
    const Result<DescriptorWord> word = descriptor_lookup(request.context, request.args[0]);
    if ((command != F_DUPFD && command != F_DUPFD_CLOEXEC) || !word.ok() || !is_fifo(*word))
        return pass_to_kernel;
    const ForksWait forks_wait(request.context);
    return copied(request, *word, false, base::raw_syscall(SYS_fcntl, request.args[0], command, request.args[2]));
}

long serve_fcntl(Request &request) {
    Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread == nullptr)
        return copy_fifo(request);
    Result<OpenFile *> file = open_file_get(*open->thread, open->id);
    if (!file.ok())
        return kernel_result(Status(file.error()));
    const uint32_t flags = (*file)->flags.load();
    long command = static_cast<int>(request.args[1]);
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
        const ForksWait forks_wait(request.context);
        return copied(request, descriptor_word(open->mount, open->id), is_shared(request.args[0]),
                      base::raw_syscall(SYS_fcntl, request.args[0], command, request.args[2]));
    }
    case F_GETFD:
    case F_SETFD:
        return pass_to_kernel;
    case 1027: // F_DUPFD_QUERY
        return compare_descriptors(request, descriptor_word(open->mount, open->id));
    case F_GETFL:
        return told_flags(flags);
    case created_query: { // unless this Linux does not know it: it made no token's file
        const long known = base::raw_syscall(SYS_fcntl, request.args[0], command, 0);
        return known == 0 && (flags & open_made_file) != 0 ? 1 : known;
    }
    default:
        break;
    }
    if ((flags & O_PATH) != 0)
        return -EBADF;
    switch (command) {
    case F_SETFL:
        return kernel_result(fs_set_flags(*open->thread, open->id, static_cast<int>(request.args[2])));
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return record_lock(request, *open, static_cast<int>(command));
    case F_GETOWN:
    case F_SETOWN:
    case F_GETOWN_EX:
    case F_SETOWN_EX:
    case F_GETSIG:
    case F_SETSIG:
    case 17: // F_GETOWNER_UIDS; no signal ever comes from a regular file, but what is set can be read again
        if (const long own = shared_token_replace(static_cast<int>(request.args[0])); base::is_error(own))
            return own;
        return pass_to_kernel;
    case F_GETLEASE:
        return F_UNLCK;
    case F_SETLEASE:
        return static_cast<int>(request.args[2]) == F_UNLCK ? -EAGAIN : refused(request, EINVAL, "leases");
    case F_GET_RW_HINT:
    case F_SET_RW_HINT:
        return life_time_hint(static_cast<int>(command), reinterpret_cast<uint64_t *>(request.args[2]));
    case F_NOTIFY:
        return refused(request, EINVAL, "notifications of a directory");
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
        return -EBADF; // as for every file that is no pipe
    default:
        return -EINVAL;
    }
}

} // namespace shim
