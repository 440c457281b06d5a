// One call through the shim: its row's handler, or the generic treatment that
// follows from the types of its arguments.
//
//   f  a token?            yes ─► the row's errno, never the kernel's look at the token
//   p  leads into a pool?  yes ─► the row's errno
//   else ─► the kernel; if it finds nothing, post looks again behind host symlinks
#include "posix-shim/table/dispatch.h"

#include "libpmemfile/fs/shortage.h"
#include "posix-shim/calls/passed_descriptors.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/peer_address.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/near_proc.h"
#include "posix-shim/descriptors/socket_family.h"
#include "posix-shim/paths/empty_path.h"
#include "posix-shim/paths/host_path.h"
#include "posix-shim/table/escape.h"
#include "posix-shim/table/ledger.h"
#include "posix-shim/table/row.h"
#include "posix-shim/table/waiting_call.h"

#include <cerrno>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <utility>

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
    // "" with AT_EMPTY_PATH acts on the descriptor itself, or on the working directory.
    if (argument.dirfd_index >= 0 && is_no_path(request.args[argument.path_index])) {
        if (static_cast<int>(request.args[argument.dirfd_index]) != AT_FDCWD)
            return refuse_descriptor(request, row, argument.dirfd_index);
        return working_directory().mount >= 0 ? refused(request, row.refusal, why(row)) : pass_to_kernel;
    }
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

long serve_generic(Request &request) {
    return generic(request, *row_of(request.number));
}

Handler handler_of(const Row &row) {
    return row.handler != nullptr ? row.handler : serve_generic;
}

long serve(Request &request, const Row &row) {
    return handler_of(row)(request);
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

// Does a structure that the kernel has filled name a mount point's directory? Only what tells is read of it.
bool stat_names_mount_point(long user) {
    struct {
        dev_t device;
        ino_t inode;
    } begin;
    static_assert(offsetof(struct stat, st_dev) == 0 && offsetof(struct stat, st_ino) == sizeof(dev_t));
    return copy_in(&begin, reinterpret_cast<void *>(user), sizeof begin).ok() &&
           stands_for_mount(begin.device, begin.inode);
}

bool statx_names_mount_point(long user) {
    uint32_t device[2] = {};
    uint64_t inode = 0;
    static_assert(offsetof(struct statx, stx_dev_minor) == offsetof(struct statx, stx_dev_major) + sizeof device[0]);
    const auto *place = reinterpret_cast<const char *>(user);
    return copy_in(device, place + offsetof(struct statx, stx_dev_major), sizeof device).ok() &&
           copy_in(&inode, place + offsetof(struct statx, stx_ino), sizeof inode).ok() &&
           stands_for_mount(makedev(device[0], device[1]), inode);
}

long open_flags(const intercept_call *call) {
    return call->args[call->nr == SYS_open ? 1 : 2];
}

// Then it is closed again.
__attribute__((noinline)) bool opened_mount_point(intercept_call *call) {
    struct stat status;
    if (base::is_error(base::raw_syscall(SYS_fstat, call->result, base::as_long(&status))))
        return false;
    if (!stands_for_mount(status.st_dev, status.st_ino)) {
        if (S_ISDIR(status.st_mode) && !context_is_vfork_child())
            near_proc_note(static_cast<int>(call->result), status.st_dev, status.st_ino);
        return false;
    }
    base::raw_syscall(SYS_close, call->result);
    // Should the path lead to nothing of ours (to the host's directory by a mount of its own, or elsewhere by now):
    call->result = S_ISDIR(status.st_mode) ? pass_to_kernel : -ENXIO;
    return true;
}

// The kernel was successful, but with the host's directory below a mount point? Or with the token of a file of a pool
// that this process has (by a log's name, say, which is a symlink of the host to /dev/stdout)?
bool found_mount_point(intercept_call *call) {
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
        return ((open_flags(call) & (O_DIRECTORY | O_PATH)) != 0 || descriptor_any_ours()) && opened_mount_point(call);
    case SYS_openat2:
        return opened_mount_point(call);
    default:
        return false;
    }
}

// The kernel has opened a file of the host's: its number is known from now on. Not where it may be more than that, by
// a symlink to /proc/self/fd: a fifo of a pool that this process has met, or with access mode 3 a token.
void note_opened(const intercept_call *call) {
    if ((call->nr != SYS_open && call->nr != SYS_openat) || base::is_error(call->result) ||
        (open_flags(call) & O_ACCMODE) == O_ACCMODE)
        return;
    ThreadContext *context = context_current();
    if (context != nullptr && std::exchange(context->is_near_proc, false))
        return; // perhaps a directory: it is looked at when it is met
    if (!context_is_vfork_child())
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

bool is_known_of_host(long register_value, const ThreadContext &context) {
    const auto descriptor = static_cast<int>(register_value);
    return descriptor >= 0 && descriptor < descriptor_table_size && !context.is_vfork_child &&
           descriptor_words[descriptor].load(std::memory_order_acquire) == descriptor_host;
}

// Does the call name a file of the host's, as most do? Then there is nothing to do before it. Some such calls are not
// found out here, and go the long way.
bool is_plain_call(const intercept_call *call, const ThreadContext &context, unsigned places) {
    const unsigned flags = places >> flags_shift;
    if (flags != 0 && (call->args[flags - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0) // its look is exact
        return false;
    const unsigned path = (places & 15) - 1;
    return is_plainly_of_host(context, path == 0 ? AT_FDCWD : call->args[0],
                              reinterpret_cast<const char *>(call->args[path]));
}

// Behind a handler that has changed the arguments.
[[gnu::noinline]] long finish_rewritten(Request &request, long answer) {
    if (answer == pass_to_kernel)
        answer = waiting_call(
            request, request.number,
            {request.args[0], request.args[1], request.args[2], request.args[3], request.args[4], request.args[5]});
    request.rewrite_undo();
    return answer;
}

// Once, inside call_enter and call_leave.
[[gnu::always_inline]] inline long serve_once(Request &request, const Row &row) {
    long answer = 0;
    if (row.has_escape) [[likely]]
        answer = shim_call_with_escape(request, handler_of(row), &request.context.escape);
    else
        answer = meets_lost_pool(request) ? -EIO : serve(request, row);
    return request.is_rewritten ? finish_rewritten(request, answer) : answer;
}

// Handlers have run; `restart`: all of them with SA_RESTART.
bool begins_again(const Request &request, long result, bool restart) {
    return result == restart_call || (result == -EINTR && restart && !request.is_kernels_result);
}

// The hook's parts are functions of their own that end in each other: what the usual call does not need saves no
// registers on its way, and what a handler's call keeps on the stack costs those nothing that a first look answers.

bool is_shortage_answer(long result) {
    return result < 0 && result > last_answer && pmemfile::is_shortage(static_cast<int>(-result));
}

// Nothing is left to do behind a handler that said so?
bool is_all(long result) {
    return result >= 0 || (result > last_answer && !is_shortage_answer(result));
}

// A handler that looks whether dead processes had some of what is used up.
long relieve_shortage(Request &request) {
    bool was_relieved = false;
    for (unsigned mount = 0; mount < mount_count; mount++) {
        pmemfile::Thread *thread = request.context.threads[mount];
        if (thread != nullptr && !mounts[mount].is_lost.load(std::memory_order_relaxed) &&
            pmemfile::shortage_relieve(*thread))
            was_relieved = true;
    }
    return was_relieved ? restart_call : 0;
}

// `result` is a shortage.
bool is_worth_again(Request &request, const Row &row) {
    if (request.refusal != nullptr || !row.has_escape)
        return false;
    call_enter(request.context);
    const long answer = shim_call_with_escape(request, relieve_shortage, &request.context.escape);
    call_leave(request.context);
    return answer == restart_call;
}

// Behind the handler, where its result is not all. `has_signals`: as call_end says.
[[gnu::noinline, gnu::cold]] int serve_unusual(struct intercept_call *call, Request &request, long result,
                                               bool has_signals) {
    const Row &row = *row_of(call->nr);
    bool restart = has_signals && call_deliver(request.context);
    if (is_shortage_answer(result) && is_worth_again(request, row))
        result = restart_call;
    while (begins_again(request, result, restart)) {
        call_enter(request.context);
        request.restarts++;
        request.refusal = nullptr;
        request.is_kernels_result = false;
        result = serve_once(request, row);
        restart = call_leave(request.context);
    }
    if (request.refusal != nullptr || ledger.is_kept())
        ledger_note(request, &row, result);
    if (result > last_answer) {
        call->result = result;
        return INTERCEPT_HANDLED;
    }
    return result == pass_to_kernel ? INTERCEPT_PASS : INTERCEPT_PASS_POST;
}

// With the row's handler.
[[gnu::noinline]] int serve_call(struct intercept_call *call, const Row &row, ThreadContext &context) {
    Request request{call->nr, call->args, context};
    call_enter(context);
    const long result = serve_once(request, row);
    const bool has_signals = call_end(context);
    if (has_signals || !is_all(result) || request.refusal != nullptr || ledger.is_kept()) [[unlikely]]
        return serve_unusual(call, request, result, has_signals);
    call->result = result;
    return INTERCEPT_HANDLED;
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
    long result = restart_call;
    for (bool restart = false; begins_again(request, result, restart);) {
        request.refusal = nullptr;
        request.is_kernels_result = false;
        call_enter(*context);
        result = serve(request, row);
        if (request.is_rewritten) // the path went into a pool, and out again
            result = finish_rewritten(request, result);
        restart = call_leave(*context);
    }
    if (request.refusal != nullptr)
        ledger_note(request, &row, result);
    if (result != pass_with_post)
        call->result = result;
    else if (call->result == pass_to_kernel) // once more
        call->result = base::raw_syscall(call->nr, call->args[0], call->args[1], call->args[2], call->args[3]);
}

[[gnu::noinline]] int serve_socket(struct intercept_call *call, const Row &row, ThreadContext &context, unsigned look) {
    socket_family_meet(context, call->args[0]);
    return look == look_receiver ? serve_receiver(call, row, context) : serve_call(call, row, context);
}

[[gnu::noinline]] int serve_path_call(struct intercept_call *call, const Row &row, ThreadContext &context,
                                      unsigned look) {
    return is_plain_call(call, context, look) ? INTERCEPT_PASS_POST : serve_call(call, row, context);
}

// Perhaps libc's fstat, of a descriptor of the host's.
[[gnu::noinline]] int serve_fstat_of_host(struct intercept_call *call, const Row &row, ThreadContext &context) {
    if (!is_empty_string(call->args[1]))
        return serve_call(call, row, context);
    empty_path_meet(call->args[1]);
    return INTERCEPT_PASS;
}

int hook_usual(struct intercept_call *call, const Row &row, ThreadContext &context) {
    const unsigned look = first_looks.looks[row.number];
    if (look == 0 || ledger.is_kept())
        return serve_call(call, row, context);
    if (look >= look_socket)
        return serve_socket(call, row, context, look);
    if (call->nr != SYS_newfstatat || (call->args[3] & AT_EMPTY_PATH) == 0)
        return serve_path_call(call, row, context, look);
    return is_known_of_host(call->args[0], context) ? serve_fstat_of_host(call, row, context)
                                                    : serve_call(call, row, context);
}

[[gnu::noinline, gnu::cold]] int hook_unusual(struct intercept_call *call, const Row *row, ThreadContext *context) {
    if (is_sharer(context))
        return INTERCEPT_PASS;
    if (context == nullptr && (context = context_make()) == nullptr) {
        call->result = -ENOMEM;
        return INTERCEPT_HANDLED;
    }
    if (row == nullptr || row->treatment == Treatment::passed) {
        // Here only because the ledger wants to see it.
        ledger_note({call->nr, call->args, *context}, row, pass_to_kernel);
        return INTERCEPT_PASS;
    }
    return hook_usual(call, *row, *context);
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
    if (row == nullptr || row->treatment == Treatment::passed || context == nullptr ||
        memory_owner.load(std::memory_order_relaxed) != 0) [[unlikely]]
        return hook_unusual(call, row, context);
    return hook_usual(call, *row, *context);
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
    // (Of openat2 the last two are about how the path was to be walked.)
    bool missed = call->result == -ENOENT || call->result == -ENOTDIR ||
                  (call->nr != SYS_openat2 && (call->result == -ELOOP || call->result == -EXDEV));
    bool at_mount = !missed && !base::is_error(call->result) && found_mount_point(call);
    if (missed || at_mount)
        serve_again(call, *row, missed);
    else
        note_opened(call);
}

} // namespace shim
