// One call through the shim: its row's handler, or the generic treatment that
// follows from the types of its arguments.
//
//   f  a token?            yes ─► the row's errno, never the kernel's look at the token
//   p  leads into a pool?  yes ─► the row's errno
//   else ─► the kernel; if it finds nothing, post looks again behind host symlinks
#include "posix-shim/table/dispatch.h"

#include "posix-shim/calls/opening_fifo.h"
#include "posix-shim/calls/passed_descriptors.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/peer_address.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/socket_family.h"
#include "posix-shim/paths/empty_path.h"
#include "posix-shim/paths/host_path.h"
#include "posix-shim/table/ledger.h"
#include "posix-shim/table/row.h"

#include <cerrno>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;

namespace {

const char *why(const Row &row) {
    return row.note[0] != 0 ? row.note : "not served on a file of a pool";
}

long refuse_descriptor(Request &request, const Row &row, int index) {
    Result<DescriptorWord> word = descriptor_lookup(request.context, request.args[index]);
    if (!word.ok())
        return kernel_result(Status(word.error()));
    if (*word == descriptor_own)
        return -EBADF;
    return is_ours(*word) ? refused(request, row.refusal, why(row)) : pass_to_kernel;
}

long refuse_path(Request &request, const Row &row, const PathArgument &argument) {
    // "" with AT_EMPTY_PATH acts on the descriptor itself.
    if (argument.dirfd_index >= 0 && static_cast<int>(request.args[argument.dirfd_index]) != AT_FDCWD &&
        is_empty_string(request.args[argument.path_index]))
        return refuse_descriptor(request, row, argument.dirfd_index);
    if (request.args[argument.path_index] == 0)
        return pass_to_kernel; // the kernel knows whether null is allowed here
    return serve_path(request, argument, [&](pmemfile::Thread &thread, const Route &route) -> Result<long> {
        BASE_TRY(inode_of_route(thread, route, argument.follow_last));
        return refused(request, row.refusal, why(row));
    });
}

long generic(Request &request, const Row &row) {
    if (row.number == SYS_mmap && (request.args[3] & MAP_ANONYMOUS) != 0)
        return pass_to_kernel;
    long answer = pass_to_kernel;
    int dirfd_index = -1;
    unsigned paths = 0;
    for (int i = 0; row.arguments[i] != 0; i++) {
        char kind = row.arguments[i];
        long result = pass_to_kernel;
        if (kind == 'd') {
            dirfd_index = i;
            continue;
        }
        if (kind == 'f')
            result = refuse_descriptor(request, row, i);
        else if (kind == 'p' && paths++ < 2)
            result = refuse_path(request, row, {dirfd_index, i, row.name[0] != 'l'});
        dirfd_index = -1;
        if (result == pass_with_post)
            answer = pass_with_post;
        else if (result != pass_to_kernel)
            return result;
    }
    return answer;
}

long serve(Request &request, const Row &row) {
    return row.handler != nullptr ? row.handler(request) : generic(request, row);
}

// Would a call without an escape meet a pool that is lost? (Of those that make processes fork.cpp says so.)
bool meets_lost_pool(const Request &request) {
    const auto descriptor = static_cast<int>(request.args[4]);
    for (unsigned mount = 0; mount < mount_count; mount++) {
        if (!mounts[mount].is_lost.load(std::memory_order_relaxed))
            continue;
        if (request.number == SYS_execve || request.number == SYS_execveat)
            return true; // it has no place to hand on
        if (request.number == SYS_mmap && descriptor >= 0 && descriptor < descriptor_table_size) {
            const DescriptorWord word = descriptor_words[descriptor].load();
            return is_ours(word) && word_mount(word) == mount;
        }
    }
    return false;
}

// Another process in our memory, at whose side we go on?
bool is_sharer(const ThreadContext *context) {
    const long owner = memory_owner.load(std::memory_order_relaxed);
    return owner != 0 && (context == nullptr || !context->is_vfork_child) && base::raw_syscall(SYS_getpid) != owner;
}

bool is_mount_point(uint64_t device, uint64_t inode) {
    for (unsigned i = 0; i < mount_count; i++)
        if (mounts[i].host_device == device && mounts[i].host_inode == inode)
            return true;
    return false;
}

// Does a structure that the kernel has filled name a mount point's directory? Only what tells is read of it.
bool stat_names_mount_point(long user) {
    struct {
        dev_t device;
        ino_t inode;
    } begin;
    static_assert(offsetof(struct stat, st_dev) == 0 && offsetof(struct stat, st_ino) == sizeof(dev_t));
    return copy_in(&begin, reinterpret_cast<void *>(user), sizeof begin).ok() &&
           is_mount_point(begin.device, begin.inode);
}

bool statx_names_mount_point(long user) {
    uint32_t device[2] = {};
    uint64_t inode = 0;
    static_assert(offsetof(struct statx, stx_dev_minor) == offsetof(struct statx, stx_dev_major) + sizeof device[0]);
    const auto *place = reinterpret_cast<const char *>(user);
    return copy_in(device, place + offsetof(struct statx, stx_dev_major), sizeof device).ok() &&
           copy_in(&inode, place + offsetof(struct statx, stx_ino), sizeof inode).ok() &&
           is_mount_point(makedev(device[0], device[1]), inode);
}

long open_flags(const intercept_call *call) {
    return call->args[call->nr == SYS_open ? 1 : 2];
}

// Then it is closed again.
__attribute__((noinline)) bool opened_mount_point(const intercept_call *call) {
    struct stat status;
    if (base::is_error(base::raw_syscall(SYS_fstat, call->result, base::as_long(&status))) ||
        !is_mount_point(status.st_dev, status.st_ino))
        return false;
    base::raw_syscall(SYS_close, call->result);
    return true;
}

// The kernel was successful, but with the host's directory below a mount point?
bool found_mount_point(const intercept_call *call) {
    switch (call->nr) {
    case SYS_stat:
    case SYS_lstat:
        return stat_names_mount_point(call->args[1]);
    case SYS_newfstatat:
        return stat_names_mount_point(call->args[2]);
    case SYS_statx:
        return statx_names_mount_point(call->args[4]);
    case SYS_open:
    case SYS_openat:
        return (open_flags(call) & (O_DIRECTORY | O_PATH)) != 0 && opened_mount_point(call);
    default:
        return false;
    }
}

// The kernel has opened a file of the host's: its number is known from now on. Not where it may be more than that, by
// a symlink to /proc/self/fd: a fifo of a pool that this process has met, or with access mode 3 a token.
void note_opened(const intercept_call *call) {
    if ((call->nr == SYS_open || call->nr == SYS_openat) && !base::is_error(call->result) &&
        (open_flags(call) & O_ACCMODE) != O_ACCMODE && !context_is_vfork_child())
        descriptor_opened_host(static_cast<int>(call->result));
}

// What is asked about a call first. Of those whose handler leaves a path of the host to the kernel and looks at the
// answer, and does nothing else: the place of their path, and (above it) of the flags of an open, plus one each. Of
// those on sockets: one of the kinds below. 0: nothing.
constexpr uint8_t flags_shift = 4;
constexpr uint8_t look_socket = 0xf0;
constexpr uint8_t look_receiver = 0xf1; // and its handler, which reads the program's memory and nothing of a pool

struct FirstLooks {
    uint8_t looks[call_number_limit] = {};
};

constexpr FirstLooks make_first_looks() {
    FirstLooks first;
    using namespace intercept;
    for (const CallNumber number : {call_stat, call_lstat, call_access, call_readlink})
        first.looks[number] = 1;
    for (const CallNumber number : {call_newfstatat, call_statx, call_faccessat, call_faccessat2, call_readlinkat})
        first.looks[number] = 2;
    first.looks[call_open] = 1 | 2 << flags_shift;
    first.looks[call_openat] = 2 | 3 << flags_shift;
    for (const CallNumber number : {call_connect, call_bind, call_getsockname, call_getpeername, call_sendto,
                                    call_sendmsg, call_sendmmsg, call_recvmmsg})
        first.looks[number] = look_socket;
    for (const CallNumber number : {call_accept, call_accept4, call_recvfrom, call_recvmsg})
        first.looks[number] = look_receiver;
    return first;
}
constexpr FirstLooks first_looks = make_first_looks();

// libc's fstat, of a descriptor of the host's.
bool is_plain_fstat(const intercept_call *call, const ThreadContext &context) {
    const auto descriptor = static_cast<int>(call->args[0]);
    return descriptor >= 0 && descriptor < descriptor_table_size && !context.is_vfork_child &&
           descriptor_words[descriptor].load(std::memory_order_acquire) == descriptor_host && call->args[1] != 0 &&
           is_empty_string(call->args[1]);
}

// Does the call name a file of the host's, as most do? Then there is nothing to do before it. Some such calls are not
// found out here, and go the long way.
bool is_plain_call(const intercept_call *call, const ThreadContext &context, unsigned places) {
    const unsigned flags = places >> flags_shift;
    if (flags != 0 && ((call->args[flags - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0 || // its look is exact
                       context.opening_fifo.id != 0))
        return false;
    const unsigned path = (places & 15) - 1;
    return is_plainly_of_host(context, path == 0 ? AT_FDCWD : call->args[0],
                              reinterpret_cast<const char *>(call->args[path]));
}

// With the row's handler. Its own function: what it saves and keeps on the stack costs those calls nothing that a first
// look answers.
__attribute__((noinline)) int serve_call(struct intercept_call *call, const Row &row, ThreadContext &context) {
    Request request{call->nr, call->args, context};
    long result = 0;
    bool restart = false;
    do {
        call_enter(context);
        request.refusal = nullptr;
        if (row.has_escape) [[likely]] {
            void *place[5];
            context.escape = place;
            result = -EIO; // when it goes on behind the setjmp a second time
            if (__builtin_setjmp(place) == 0)
                result = serve(request, row);
            context.escape = nullptr;
        } else {
            result = meets_lost_pool(request) ? -EIO : serve(request, row);
        }
        restart = call_leave(context);
    } while (result == restart_call || (result == -EINTR && restart));
    if (request.refusal != nullptr || ledger.is_kept()) [[unlikely]]
        ledger_note(request, &row, result);
    if (result > last_answer) [[likely]] {
        call->result = result;
        return INTERCEPT_HANDLED;
    }
    return result == pass_to_kernel ? INTERCEPT_PASS : INTERCEPT_PASS_POST;
}

__attribute__((noinline)) int serve_receiver(struct intercept_call *call, const Row &row, ThreadContext &context) {
    Request request{call->nr, call->args, context};
    return row.handler(request) == pass_with_post ? INTERCEPT_PASS_POST : INTERCEPT_PASS;
}

// Also functions of their own, for the same reason: behind the kernel's call most posts have nothing to do.
__attribute__((noinline)) void message_post(struct intercept_call *call) {
    const bool gives_address = gives_peer_address(*call);
    if (!gives_address && !passes_descriptors(call->nr))
        return;
    ThreadContext *context = context_get();
    if (context == nullptr)
        return;
    call_enter(*context);
    if (passes_descriptors(call->nr))
        passed_descriptors_post(*context, *call);
    if (gives_address)
        peer_address_post(*context, *call);
    call_leave(*context);
}

// The kernel found nothing, or (`missed` false) a mount point's directory.
__attribute__((noinline)) void serve_again(struct intercept_call *call, const Row &row, bool missed) {
    ThreadContext *context = context_get();
    if (context == nullptr)
        return;
    Request request{call->nr, call->args, *context};
    request.again = missed ? Request::Again::after_miss : Request::Again::at_mount;
    call_enter(*context);
    long result = serve(request, row);
    const bool opens_fifo = context->opening_fifo.id != 0 && result == pass_with_post;
    if (result == pass_to_kernel ||
        opens_fifo) // the path went into a pool, and out again or to a fifo: it is rewritten
        result = base::raw_syscall(call->nr, call->args[0], call->args[1], call->args[2], call->args[3], call->args[4],
                                   call->args[5]);
    if (opens_fifo) {
        call->result = result;
        opening_fifo_post(*context, *call);
    }
    call_leave(*context);
    if (request.refusal != nullptr)
        ledger_note(request, &row, result);
    if (result != pass_with_post)
        call->result = result;
}

} // namespace

constinit std::atomic<long> memory_owner = 0;

unsigned dispatch_calls(long numbers[512]) {
    unsigned count = 0;
    if (ledger.is_kept())
        return 0; // every number, also those that Linux does not have
    for (unsigned i = 0; i < row_count; i++)
        if (rows[i].treatment != Treatment::passed)
            numbers[count++] = rows[i].number;
    return count;
}

int dispatch_hook(struct intercept_call *call) {
    const Row *row = row_of(call->nr);
    ThreadContext *context = context_current();
    if (is_sharer(context)) [[unlikely]]
        return INTERCEPT_PASS;
    if (context == nullptr && (context = context_make()) == nullptr) [[unlikely]] {
        call->result = -ENOMEM;
        return INTERCEPT_HANDLED;
    }
    if (row == nullptr || row->treatment == Treatment::passed) [[unlikely]] {
        // Here only because the ledger wants to see it.
        ledger_note({call->nr, call->args, *context}, row, pass_to_kernel);
        return INTERCEPT_PASS;
    }
    if (const unsigned look = first_looks.looks[call->nr]; look != 0 && !ledger.is_kept()) {
        if (look >= look_socket) {
            socket_family_meet(*context, call->args[0]);
            if (look == look_receiver)
                return serve_receiver(call, *row, *context);
        } else if (call->nr == SYS_newfstatat && (call->args[3] & AT_EMPTY_PATH) != 0) {
            if (is_plain_fstat(call, *context)) {
                empty_path_meet(call->args[1]);
                return INTERCEPT_PASS;
            }
        } else if (is_plain_call(call, *context, look)) {
            return INTERCEPT_PASS_POST;
        }
    }
    return serve_call(call, *row, *context);
}

void dispatch_post(struct intercept_call *call) {
    const Row *row = row_of(call->nr);
    if (row == nullptr)
        return;
    if (row->after == After::process) {
        if (process_post != nullptr)
            process_post(call);
        return;
    }
    if (row->after == After::message)
        return message_post(call);
    if (ThreadContext *context = context_current(); context != nullptr && context->opening_fifo.id != 0) [[unlikely]] {
        call_enter(*context);
        const bool was_that = opening_fifo_post(*context, *call);
        call_leave(*context);
        if (was_that)
            return;
    }
    bool missed =
        call->result == -ENOENT || call->result == -ENOTDIR || call->result == -ELOOP || call->result == -EXDEV;
    bool at_mount = !missed && !base::is_error(call->result) && found_mount_point(call);
    if (missed || at_mount)
        serve_again(call, *row, missed);
    else
        note_opened(call);
}

} // namespace shim
