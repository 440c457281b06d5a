// Calls between two descriptors: sendfile and splice.
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/size_limit.h"

#include "libpmemfile/fs/open_calls.h"

#include <algorithm>
#include <poll.h>
#include <sys/stat.h>

namespace shim {

using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

// One side of a sendfile: a file of ours or a kernel descriptor.
struct Side {
    OpenArgument open;
    long descriptor = -1;
};

long read_some(const Side &side, void *buffer, size_t size_bytes, bool positional, int64_t offset_bytes) {
    if (side.open.thread == nullptr)
        return positional
                   ? base::raw_syscall(SYS_pread64, side.descriptor, base::as_long(buffer),
                                       static_cast<long>(size_bytes), offset_bytes)
                   : base::raw_syscall(SYS_read, side.descriptor, base::as_long(buffer), static_cast<long>(size_bytes));
    struct iovec vector = {buffer, size_bytes};
    return positional ? kernel_result(fs_pread(*side.open.thread, side.open.id, {&vector, 1}, offset_bytes))
                      : kernel_result(fs_read(*side.open.thread, side.open.id, {&vector, 1}));
}

long write_some(const Side &side, void *buffer, size_t size_bytes) {
    if (side.open.thread == nullptr)
        return base::raw_syscall(SYS_write, side.descriptor, base::as_long(buffer), static_cast<long>(size_bytes));
    struct iovec vector = {buffer, size_bytes};
    const uint64_t limit = file_size_limit();
    return limited_write(kernel_result(fs_write(*side.open.thread, side.open.id, {&vector, 1}, limit)), limit);
}

// What was read and could not be written goes back (files only; the input of sendfile is one).
void unread(const Side &side, int64_t size_bytes) {
    if (side.open.thread == nullptr)
        base::raw_syscall(SYS_lseek, side.descriptor, -size_bytes, SEEK_CUR);
    else
        (void)fs_seek(*side.open.thread, side.open.id, -size_bytes, SEEK_CUR).ok();
}

void tell_moved(ThreadContext &context, const OpenArgument &in, const OpenArgument &out, long moved) {
    if (in.thread != nullptr)
        told(context, in, Event::access, moved);
    if (out.thread != nullptr)
        told(context, out, Event::modify, moved);
}

// The offset of a file's side: the application's, or the shared one.
struct FileOffset {
    bool is_given = false;
    int64_t bytes = 0;

    Status take(const void *user) {
        is_given = user != nullptr;
        if (!is_given)
            return {};
        BASE_TRY(copy_in(&bytes, user, sizeof bytes));
        return bytes < 0 ? Status(base::error(EINVAL)) : Status();
    }
    Status give(void *user, long moved) const {
        const int64_t next = bytes + moved;
        return is_given ? copy_out(user, &next, sizeof next) : Status();
    }
};

// Would a call on the pipe wait? With SPLICE_F_NONBLOCK it must not, though the pipe itself may.
bool would_wait(long pipe, short events, unsigned flags) {
    struct pollfd poll = {static_cast<int>(pipe), events, 0};
    return (flags & SPLICE_F_NONBLOCK) != 0 && base::raw_syscall(SYS_poll, base::as_long(&poll), 1, 0) == 0;
}

long file_to_pipe(ThreadContext &context, const Side &file, const FileOffset &offset, long pipe, size_t wanted,
                  unsigned flags) {
    if (would_wait(pipe, POLLOUT, flags))
        return -EAGAIN;
    // At most what goes into the pipe at once when it must not wait: POLLOUT promises a page.
    const size_t piece = (flags & SPLICE_F_NONBLOCK) != 0 ? std::min<size_t>(wanted, 4096) : wanted;
    const long length = read_some(file, context.buffer, piece, offset.is_given, offset.bytes);
    if (length <= 0)
        return length;
    const long written = base::raw_syscall(SYS_write, pipe, base::as_long(context.buffer), length);
    if (!offset.is_given && written < length)
        unread(file, length - std::max(written, 0L));
    return written;
}

// A copy of the pipe's beginning first (tee), so that nothing is lost where the file takes less.
long pipe_to_file(ThreadContext &context, long pipe, const Side &file, const FileOffset &offset, size_t wanted,
                  unsigned flags) {
    int copy[2];
    if (const long made = base::raw_syscall(SYS_pipe2, base::as_long(copy), O_CLOEXEC); base::is_error(made))
        return made;
    long moved = base::raw_syscall(SYS_tee, pipe, copy[1], static_cast<long>(wanted), flags & SPLICE_F_NONBLOCK);
    base::raw_syscall(SYS_close, copy[1]);
    size_t length = 0;
    while (moved > 0 && length < wanted) {
        const long read = base::raw_syscall(SYS_read, copy[0], base::as_long(context.buffer + length),
                                            static_cast<long>(wanted - length));
        if (read <= 0)
            break;
        length += static_cast<size_t>(read);
    }
    base::raw_syscall(SYS_close, copy[0]);
    if (moved <= 0)
        return moved;
    const struct iovec vector = {context.buffer, length};
    const uint64_t limit = file_size_limit();
    moved = limited_write(
        kernel_result(offset.is_given ? fs_pwrite(*file.open.thread, file.open.id, {&vector, 1}, offset.bytes, limit)
                                      : fs_write(*file.open.thread, file.open.id, {&vector, 1}, limit)),
        limit);
    for (long taken = 0; taken < moved;) {
        const long read = base::raw_syscall(SYS_read, pipe, base::as_long(context.buffer), moved - taken);
        if (read <= 0)
            break;
        taken += read;
    }
    return moved;
}

// sendfile reads what can be read again, and appends to nothing.
bool may_send(const Side &out, const Side &in) {
    struct stat status = {};
    if (in.open.thread == nullptr &&
        (base::is_error(base::raw_syscall(SYS_fstat, in.descriptor, base::as_long(&status))) ||
         (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode) && !S_ISCHR(status.st_mode))))
        return false;
    if (out.open.thread == nullptr)
        return true;
    const Result<OpenFile *> file = open_file_get(*out.open.thread, out.open.id);
    return !file.ok() || ((*file)->flags.load() & O_APPEND) == 0;
}

} // namespace

long serve_sendfile(Request &request) {
    Side out;
    Side in;
    Result<OpenArgument> opened = open_argument(request, 0);
    if (!opened.ok())
        return kernel_result(Status(opened.error()));
    out = {*opened, request.args[0]};
    opened = open_argument(request, 1);
    if (!opened.ok())
        return kernel_result(Status(opened.error()));
    in = {*opened, request.args[1]};
    if (out.open.thread == nullptr && in.open.thread == nullptr)
        return pass_to_kernel;
    if (!may_send(out, in))
        return -EINVAL;
    int64_t offset_bytes = 0;
    auto *user_offset = reinterpret_cast<void *>(request.args[2]);
    bool positional = user_offset != nullptr;
    if (positional)
        if (Status copied = copy_in(&offset_bytes, user_offset, sizeof(offset_bytes)); !copied.ok())
            return kernel_result(copied);
    if (offset_bytes < 0)
        return -EINVAL;
    size_t left = std::min(static_cast<size_t>(request.args[3]), size_t{0x7ffff000});
    long moved = 0;
    long failure = 0;
    while (left > 0 && failure == 0) {
        size_t piece = std::min(left, sizeof(request.context.buffer));
        long length = read_some(in, request.context.buffer, piece, positional, offset_bytes);
        if (length <= 0) {
            failure = length;
            break;
        }
        long written = 0;
        while (written < length) {
            long result = write_some(out, request.context.buffer + written, static_cast<size_t>(length - written));
            if (result <= 0) {
                failure = result == 0 ? -EIO : result;
                break;
            }
            written += result;
        }
        if (written < length && !positional)
            unread(in, length - written);
        offset_bytes += written;
        moved += written;
        left -= static_cast<size_t>(written);
        if (written < length)
            break;
    }
    tell_moved(request.context, in.open, out.open, moved);
    if (positional)
        if (Status copied = copy_out(user_offset, &offset_bytes, sizeof(offset_bytes)); !copied.ok())
            return kernel_result(copied);
    return moved > 0 ? moved : failure;
}

// Between a file of ours and a pipe, by copying. From a pipe only what has reached the file is taken out of it.
long serve_splice(Request &request) {
    Result<OpenArgument> in = open_argument(request, 0);
    if (!in.ok())
        return kernel_result(Status(in.error()));
    Result<OpenArgument> out = open_argument(request, 2);
    if (!out.ok())
        return kernel_result(Status(out.error()));
    if (in->thread == nullptr && out->thread == nullptr)
        return pass_to_kernel;
    const auto flags = static_cast<unsigned>(request.args[5]);
    if ((flags & ~(SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)) != 0)
        return -EINVAL;
    // The order of errors is Linux's: offsets are read before the two are looked at.
    for (const int index : {0, 2}) {
        int64_t offset = 0;
        const auto *user = reinterpret_cast<void *>(request.args[index + 1]);
        if ((index == 0 ? in : out)->thread != nullptr && user != nullptr &&
            !copy_in(&offset, user, sizeof offset).ok())
            return -EFAULT;
    }
    const bool reads_file = in->thread != nullptr;
    const long pipe = request.args[reads_file ? 2 : 0];
    struct stat status = {};
    if (const long known = base::raw_syscall(SYS_fstat, pipe, base::as_long(&status)); base::is_error(known))
        return known;
    if ((reads_file && out->thread != nullptr) || !S_ISFIFO(status.st_mode))
        return -EINVAL;
    if (request.args[reads_file ? 3 : 1] != 0)
        return -ESPIPE; // an offset in a pipe
    const Side file{reads_file ? *in : *out, -1};
    auto *user_offset = reinterpret_cast<void *>(request.args[reads_file ? 1 : 3]);
    FileOffset offset;
    if (Status taken = offset.take(user_offset); !taken.ok())
        return kernel_result(taken);
    const size_t wanted = std::min(static_cast<size_t>(request.args[4]), sizeof(request.context.buffer));
    if (wanted == 0)
        return 0;
    const long moved = reads_file ? file_to_pipe(request.context, file, offset, pipe, wanted, flags)
                                  : pipe_to_file(request.context, pipe, file, offset, wanted, flags);
    tell_moved(request.context, *in, *out, moved);
    if (moved > 0)
        if (Status given = offset.give(user_offset, moved); !given.ok())
            return kernel_result(given);
    return moved;
}

} // namespace shim
