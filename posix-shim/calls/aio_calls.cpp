// io_submit (libaio) on files of a pool.
//
// Our part of a request is done at once, as Linux does it for a file whose pages are there. Its completion must
// come out of the kernel's ring, where programs wait for it (some read the ring without a call). So the kernel
// gets the request as a write to /dev/null of as many bytes as we moved: that completes with our result, and
// with the request's own address, data and eventfd. The request's words are put back before we return. One that fails
// is a read to nowhere, and its completion gets our error (calls/aio_ring.h). Before anything is written the kernel is
// asked whether it will take that: what io_submit refuses has not been done, for programs submit it again.
#include "posix-shim/calls/aio_ring.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/user_vectors.h"

#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/shortage.h"
#include "libpmemfile/runtime/open_access.h"
#include "posix-shim/calls/size_limit.h"
#include "posix-shim/descriptors/descriptor_table.h"

#include <algorithm>
#include <atomic>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sys/mman.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr size_t max_transfer_bytes = 0x7ffff000;

// Devices that complete a request as it is wanted; descriptors of ours, -1: not open yet.
struct Device {
    const char *path;
    std::atomic<int> descriptor = -1;
};
constinit Device null_device{"/dev/null"}; // a write of n bytes moves n
constinit Device zero_device{"/dev/zero"}; // a read to nowhere is EFAULT
// Made, not opened: a file in memory. A write behind RLIMIT_FSIZE is EFBIG, and SIGXFSZ.
constinit Device limited_device{nullptr};

Result<int> open_device(Device &device) {
    int known = device.descriptor.load();
    if (known >= 0)
        return known;
    const long opened = device.path != nullptr
                            ? base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(device.path), O_RDWR | O_CLOEXEC)
                            : base::raw_syscall(SYS_memfd_create, base::as_long("pmemfile-aio"), MFD_CLOEXEC);
    if (base::is_error(opened))
        return error(EAGAIN);
    const long own = descriptor_adopt_own(static_cast<int>(opened));
    if (base::is_error(own))
        return error(EAGAIN);
    if (!device.descriptor.compare_exchange_strong(known, static_cast<int>(own)))
        return known; // another thread was first; this one stays open, and protected
    return static_cast<int>(own);
}

// The vectors of the request into the context. EINVAL, EFAULT.
Result<UserBuffers> vectors_of(ThreadContext &context, const struct iocb &request) {
    const bool is_vector = request.aio_lio_opcode == IOCB_CMD_PREADV || request.aio_lio_opcode == IOCB_CMD_PWRITEV;
    if (!is_vector) {
        if (!may_be_memory(request.aio_buf, request.aio_nbytes))
            return error(EFAULT);
        context.vectors[0] = {reinterpret_cast<void *>(request.aio_buf),
                              std::min<size_t>(request.aio_nbytes, max_transfer_bytes)};
        return UserBuffers{context.vectors, 1};
    }
    return take_vectors(context, static_cast<long>(request.aio_buf), static_cast<long>(request.aio_nbytes));
}

// Who watches the file is told.
const Result<size_t> &told_moved(ThreadContext &context, const OpenArgument &open, Event event,
                                 const Result<size_t> &moved) {
    if (moved.ok())
        told(context, open, event, static_cast<long>(*moved));
    return moved;
}

// What became of a request.
struct Outcome {
    Device *device = &null_device; // that completes it
    size_t moved_bytes = 0;
    int64_t offset_bytes = 0;
    int error_number = 0; // what `zero_device`'s EFAULT stands for
};

// What Linux lets the completion say, and not io_submit: what the file system answers. `limit_bytes`: of a file's size.
Result<Outcome> outcome_of(const Result<size_t> &moved, uint64_t limit_bytes = INT64_MAX) {
    if (moved.ok())
        return Outcome{&null_device, *moved};
    switch (moved.error().number()) {
    case EFBIG:
        if (limit_bytes != INT64_MAX)
            return Outcome{&limited_device, 1, static_cast<int64_t>(limit_bytes)};
        [[fallthrough]];
    case EAGAIN:
    case EFAULT:
    case EIO:
    case ENOSPC:
        return Outcome{&zero_device, 1, 0, moved.error().number()};
    case EISDIR:
        return error(EINVAL); // a directory has no such reading
    default:
        return moved.error();
    }
}

bool is_write(const struct iocb &request) {
    return request.aio_lio_opcode == IOCB_CMD_PWRITE || request.aio_lio_opcode == IOCB_CMD_PWRITEV;
}

// What the request asks for, done. An error is io_submit's.
Result<Outcome> act(ThreadContext &context, const OpenArgument &open, const struct iocb &request) {
    if (request.aio_reserved2 != 0 || request.aio_nbytes > static_cast<uint64_t>(INT64_MAX))
        return error(EINVAL);
    switch (request.aio_lio_opcode) {
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC: {
        BASE_TRY(inode_of_open(open, false));
        if (request.aio_buf != 0 || request.aio_offset != 0 || request.aio_nbytes != 0 || request.aio_rw_flags != 0)
            return error(EINVAL);
        return Outcome{}; // durable already
    }
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PREADV:
    case IOCB_CMD_PWRITE:
    case IOCB_CMD_PWRITEV:
        break;
    default:
        return error(EINVAL);
    }
    const bool writes = is_write(request);
    BASE_TRY_ASSIGN(const unsigned options, io_options_of(static_cast<int>(request.aio_rw_flags), writes));
    BASE_TRY_ASSIGN(const OpenFile *file, open_file_get(*open.thread, open.id));
    const uint32_t flags = file->flags.load();
    if (!(writes ? may_write_by(flags) : may_read_by(flags)))
        return error(EBADF);
    if (request.aio_offset < 0)
        return error(EINVAL);
    BASE_TRY_ASSIGN(const UserBuffers buffers, vectors_of(context, request));
    if (!writes)
        return outcome_of(told_moved(context, open, Event::access,
                                     fs_pread(*open.thread, open.id, buffers, request.aio_offset, options)));
    const uint64_t limit = file_size_limit();
    const auto write = [&] { return fs_pwrite(*open.thread, open.id, buffers, request.aio_offset, limit, options); };
    Result<size_t> moved = write();
    // Dispatch does this for other calls, which say themselves what went wrong.
    if (!moved.ok() && is_shortage(moved.error().number()) && shortage_relieve(*open.thread))
        moved = write();
    return outcome_of(told_moved(context, open, Event::modify, moved), limit);
}

// Would the kernel take a request of this kind for the queue: is there room in it, and are eventfd and priority good?
// Asked by one that it refuses for its last word, the flags, when all of that is in order. 0, or -errno.
long check_room(long queue, struct iocb request, int device) {
    constexpr int no_such_flag = 1 << 30;
    request.aio_fildes = static_cast<uint32_t>(device);
    request.aio_lio_opcode = IOCB_CMD_PWRITE;
    request.aio_rw_flags = no_such_flag;
    request.aio_nbytes = 0;
    struct iocb *one = &request;
    const long result = base::raw_syscall(SYS_io_submit, queue, 1, base::as_long(&one));
    return result == -EOPNOTSUPP ? 0 : result;
}

// Submits the one request at `user`. 1, or -errno.
long submit(Request &call, struct iocb *user) {
    const long list = base::as_long(&user);
    struct iocb request;
    if (!copy_in(&request, user, sizeof request).ok())
        return -EFAULT;
    const Result<OpenArgument> open = open_argument(call.context, static_cast<int>(request.aio_fildes));
    if (!open.ok())
        return kernel_result(Status(open.error()));
    if (open->thread == nullptr || request.aio_lio_opcode == IOCB_CMD_POLL)
        return base::raw_syscall(SYS_io_submit, call.args[0], 1, list);
    const Result<int> null = open_device(null_device);
    if (!null.ok())
        return kernel_result(null);
    if (is_write(request)) {
        if (const long room = check_room(call.args[0], request, *null); room < 0)
            return room;
        if (!copy_out(user, &request, sizeof request).ok()) // Linux writes there too
            return -EFAULT;
    }
    const Result<Outcome> done = act(call.context, *open, request);
    if (!done.ok())
        return kernel_result(Status(done.error()));
    const Result<int> device = open_device(*done->device);
    if (!device.ok())
        return kernel_result(device);
    const bool is_bad_memory = done->device == &zero_device;
    struct iocb changed = request;
    changed.aio_fildes = static_cast<uint32_t>(*device);
    changed.aio_lio_opcode = is_bad_memory ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
    changed.aio_rw_flags = 0;
    changed.aio_reqprio = 0;
    changed.aio_flags &= ~static_cast<uint32_t>(IOCB_FLAG_IOPRIO);
    changed.aio_offset = done->offset_bytes;
    changed.aio_buf = is_bad_memory ? 0 : reinterpret_cast<uint64_t>(call.context.buffer); // not looked at
    changed.aio_nbytes = done->moved_bytes;
    if (!copy_out(user, &changed, sizeof changed).ok())
        return -EFAULT;
    const long result = base::raw_syscall(SYS_io_submit, call.args[0], 1, list);
    if (result == 1 && is_bad_memory && done->error_number != EFAULT)
        aio_ring_fail(call.args[0], user, done->error_number);
    request.aio_key = changed.aio_key = 0; // as Linux leaves it
    // The completion may have been taken already, and the memory be in use for the next request: only what still is as
    // we left it is put back.
    struct iocb now;
    if (copy_in(&now, user, sizeof now).ok() &&
        __builtin_memcmp(&now.aio_fildes, &changed.aio_fildes, sizeof(now.aio_fildes)) == 0 &&
        now.aio_buf == changed.aio_buf)
        (void)copy_out(user, &request, sizeof request).ok();
    return result;
}

} // namespace

long serve_io_submit(Request &request) {
    const long count = request.args[1];
    auto *user = reinterpret_cast<struct iocb **>(request.args[2]);
    if (count <= 0)
        return pass_to_kernel;
    bool any = false;
    for (long i = 0; i < count && !any; i++) {
        struct iocb *one = nullptr;
        uint32_t descriptor = 0;
        if (!copy_in(&one, user + i, sizeof one).ok() ||
            !copy_in(&descriptor, &one->aio_fildes, sizeof descriptor).ok())
            return pass_to_kernel; // it says so, after those before
        const Result<DescriptorWord> word = descriptor_lookup(request.context, static_cast<int>(descriptor));
        any = word.ok() && is_ours(*word);
    }
    if (!any)
        return pass_to_kernel;
    for (long i = 0; i < count; i++) {
        struct iocb *one = nullptr;
        long result = -EFAULT;
        if (copy_in(&one, user + i, sizeof one).ok())
            result = submit(request, one);
        if (result != 1)
            return i > 0 ? i : result;
    }
    return count;
}

} // namespace shim
