// Calls between two descriptors that copy through a buffer of ours: sendfile and splice. The order of errors is
// Linux's.
#include "posix-shim/calls/file_side.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/size_limit.h"
#include "posix-shim/calls/user_vectors.h"
#include "posix-shim/descriptors/descriptor_room.h"
#include "posix-shim/table/waiting_call.h"

#include "libpmemfile/fs/open_calls.h"

#include <algorithm>
#include <linux/fs.h>
#include <optional>
#include <poll.h>
#include <sys/stat.h>

namespace shim {

using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

long read_some(const FileSide &side, void *buffer, size_t size_bytes, bool positional, int64_t offset_bytes) {
    struct iovec vector = {buffer, size_bytes};
    return positional ? kernel_result(fs_pread(*side.open.thread, side.open.id, {&vector, 1}, offset_bytes))
                      : kernel_result(fs_read(*side.open.thread, side.open.id, {&vector, 1}));
}

long write_some(Request &request, const FileSide &side, void *buffer, size_t size_bytes) {
    if (side.open.thread == nullptr && S_ISREG(side.mode)) // no signal makes such a write short
        return base::raw_syscall(SYS_write, side.descriptor, base::as_long(buffer), static_cast<long>(size_bytes));
    if (side.open.thread == nullptr)
        return waiting_call(request, SYS_write,
                            {side.descriptor, base::as_long(buffer), static_cast<long>(size_bytes)});
    struct iovec vector = {buffer, size_bytes};
    const uint64_t limit = file_size_limit();
    return limited_write(kernel_result(fs_write(*side.open.thread, side.open.id, {&vector, 1}, limit)), limit);
}

long make_pipe(int ends[2]) {
    const long made = base::raw_syscall(SYS_pipe2, base::as_long(ends), O_CLOEXEC);
    if (made != -EMFILE)
        return made;
    const DescriptorRoom room;
    return base::raw_syscall(SYS_pipe2, base::as_long(ends), O_CLOEXEC);
}

// A pipe for the length of a call.
class OwnPipe {
public:
    OwnPipe() : failure_(make_pipe(ends_)) {}
    ~OwnPipe() {
        if (failure_ == 0)
            for (const int end : ends_)
                base::raw_syscall(SYS_close, end);
    }
    OwnPipe(const OwnPipe &) = delete;
    OwnPipe &operator=(const OwnPipe &) = delete;

    long failure() const {
        return failure_;
    }
    long end(int which) const {
        return ends_[which];
    }
    // The `size_bytes` that are in it; the number that came.
    long take(std::byte *buffer, long size_bytes) const {
        long taken = 0;
        while (taken < size_bytes) {
            const long piece = base::raw_syscall(SYS_read, ends_[0], base::as_long(buffer + taken), size_bytes - taken);
            if (piece <= 0)
                break;
            taken += piece;
        }
        return taken;
    }

private:
    int ends_[2] = {-1, -1};
    long failure_;
};

// What was read and could not be written goes back (files only; the input of sendfile is one).
void unread(const FileSide &side, int64_t size_bytes) {
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
        is_given = true;
        return copy_in(&bytes, user, sizeof bytes);
    }
    Status give(void *user, long moved) const {
        const int64_t next = bytes + moved;
        return is_given ? copy_out(user, &next, sizeof next) : Status();
    }
};

constexpr unsigned splice_flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

// Until there is room in the pipe. 0, EAGAIN, EINTR, restart_call; what else is wrong with it the write tells.
long wait_for_room(Request &request, const FileSide &pipe, unsigned flags) {
    struct pollfd poll = {static_cast<int>(pipe.descriptor), POLLOUT, 0};
    const bool waits = (flags & SPLICE_F_NONBLOCK) == 0 && !pipe.is_nonblocking;
    const long ready = waits ? waiting_call(request, SYS_poll, {base::as_long(&poll), 1, -1})
                             : base::raw_syscall(SYS_poll, base::as_long(&poll), 1, 0);
    request.is_kernels_result = false; // splice begins again where poll does not
    return ready > 0 ? 0 : ready == 0 ? -EAGAIN : ready;
}

constexpr size_t promised_bytes = 4096; // by POLLOUT

// Into a pipe of packets (O_DIRECT): what is moved there is none, and a short read must not take the rest of it away.
long move_no_packet(const FileSide &pipe, void *buffer, size_t size_bytes) {
    const OwnPipe own;
    if (own.failure() != 0)
        return own.failure();
    const long written = base::raw_syscall(SYS_write, own.end(1), base::as_long(buffer),
                                           static_cast<long>(std::min(size_bytes, promised_bytes)));
    return written <= 0 ? written
                        : base::raw_syscall(SYS_splice, own.end(0), 0, pipe.descriptor, 0, written, SPLICE_F_NONBLOCK);
}

// Into the pipe what fits, as Linux does: it waits for the first room alone.
long write_what_fits(const FileSide &pipe, void *buffer, size_t size_bytes) {
    if (pipe.makes_packets)
        return move_no_packet(pipe, buffer, size_bytes);
    struct iovec vector = {buffer, size_bytes};
    const long written =
        base::raw_syscall(SYS_pwritev2, pipe.descriptor, base::as_long(&vector), 1, -1, -1, RWF_NOWAIT);
    struct pollfd poll = {static_cast<int>(pipe.descriptor), POLLOUT, 0};
    if (written != -EOPNOTSUPP || base::raw_syscall(SYS_poll, base::as_long(&poll), 1, 0) == 0)
        return written == -EOPNOTSUPP ? -EAGAIN : written;
    return base::raw_syscall(SYS_write, pipe.descriptor, base::as_long(buffer),
                             static_cast<long>(std::min(size_bytes, promised_bytes)));
}

long file_to_pipe(Request &request, const FileSide &file, const FileOffset &offset, const FileSide &pipe, size_t wanted,
                  unsigned flags) {
    std::byte *buffer = request.context.buffer;
    for (;;) {
        if (const long room = wait_for_room(request, pipe, flags); room != 0)
            return room;
        const long length = read_some(file, buffer, wanted, offset.is_given, offset.bytes);
        if (length <= 0)
            return length;
        long written = 0;
        long failure = 0;
        while (written < length && failure == 0) {
            const long piece = write_what_fits(pipe, buffer + written, static_cast<size_t>(length - written));
            (piece > 0 ? written : failure) += piece;
        }
        if (!offset.is_given && written < length)
            unread(file, length - written);
        if (written > 0 || failure != -EAGAIN) // else somebody else has taken the room
            return written > 0 ? written : failure;
    }
}

// A copy of the pipe's beginning first (tee), so that nothing is lost where the file takes less.
long pipe_to_file(Request &request, long pipe, const FileSide &file, const FileOffset &offset, size_t wanted,
                  unsigned flags) {
    ThreadContext &context = request.context;
    const OwnPipe copy;
    if (copy.failure() != 0)
        return copy.failure();
    long moved =
        waiting_call(request, SYS_tee, {pipe, copy.end(1), static_cast<long>(wanted), flags & SPLICE_F_NONBLOCK});
    if (moved <= 0)
        return moved;
    const auto length = static_cast<size_t>(copy.take(context.buffer, moved));
    struct iovec vector = {context.buffer, length};
    const uint64_t limit = file_size_limit();
    for (moved = 0; vector.iov_len != 0;) { // what was short is tried again: SIGXFSZ then
        const long written = limited_write(
            kernel_result(offset.is_given
                              ? fs_pwrite(*file.open.thread, file.open.id, {&vector, 1}, offset.bytes + moved, limit)
                              : fs_write(*file.open.thread, file.open.id, {&vector, 1}, limit)),
            limit);
        if (written <= 0) {
            moved = moved > 0 ? moved : written;
            break;
        }
        moved += written;
        vector = {context.buffer + moved, length - static_cast<size_t>(moved)};
    }
    // Moved, not read: what is left of a packet (O_DIRECT) stays, and if somebody else has read it nobody waits.
    for (long taken = 0; taken < moved;) {
        const long piece = base::raw_syscall(SYS_splice, pipe, 0, copy.end(1), 0, moved - taken, SPLICE_F_NONBLOCK);
        if (piece <= 0)
            break;
        taken += piece;
    }
    return moved;
}

// Linux's FMODE_LSEEK and FMODE_PREAD: not every file that has an offset can be read at one.
bool is_seekable(const FileSide &side) {
    return side.is_ours() || base::raw_syscall(SYS_lseek, side.descriptor, 0, SEEK_CUR) != -ESPIPE;
}
bool is_read_at_offsets(const FileSide &side) {
    return side.is_ours() || base::raw_syscall(SYS_pread64, side.descriptor, 0, 0, 0) != -ESPIPE;
}

// What sendfile reads from. Of the kernel's files that is not every one that can be read, nor does the kind tell it:
// the kernel must send it itself, into a pipe of ours.
class Source {
public:
    explicit Source(const FileSide &side) : side_(side) {
        if (!side.is_ours())
            pipe_.emplace();
    }

    // As read or, `positional`, pread. EINVAL when it is no source.
    long read(std::byte *buffer, size_t size_bytes, bool positional, int64_t offset_bytes) const {
        if (side_.is_ours())
            return S_ISREG(side_.mode) ? read_some(side_, buffer, size_bytes, positional, offset_bytes) : -EINVAL;
        if (pipe_->failure() != 0)
            return pipe_->failure();
        const long sent =
            base::raw_syscall(SYS_sendfile, pipe_->end(1), side_.descriptor,
                              positional ? base::as_long(&offset_bytes) : 0, static_cast<long>(size_bytes));
        return sent <= 0 ? sent : pipe_->take(buffer, sent) == sent ? sent : -EIO;
    }

private:
    const FileSide &side_;
    std::optional<OwnPipe> pipe_;
};

long own_offset(const FileSide &side) {
    if (!side.is_ours())
        return std::max(base::raw_syscall(SYS_lseek, side.descriptor, 0, SEEK_CUR), 0L);
    const Result<OpenFile *> file = open_file_get(*side.open.thread, side.open.id);
    return file.ok() ? (*file)->offset_bytes.load() : 0;
}

// Can the end of what is to be moved be said in an offset?
bool has_end(int64_t offset_bytes, size_t size_bytes) {
    return offset_bytes >= 0 && size_bytes <= static_cast<size_t>(INT64_MAX - offset_bytes);
}

constexpr size_t max_transfer_bytes = 0x7ffff000;

// As much as the pipe takes at once.
long send_file_to_pipe(Request &request, const FileSide &out, const FileSide &in, bool positional,
                       int64_t *offset_bytes, size_t left) {
    if (!S_ISREG(in.mode))
        return -EINVAL;
    long moved = 0;
    while (left > 0) {
        const size_t piece = std::min(left, sizeof(request.context.buffer));
        const unsigned flags = moved > 0 ? SPLICE_F_NONBLOCK : 0;
        const long done = file_to_pipe(request, in, {positional, *offset_bytes}, out, piece, flags);
        if (done <= 0)
            return moved > 0 ? moved : done;
        *offset_bytes += done;
        moved += done;
        left -= static_cast<size_t>(done);
        if (static_cast<size_t>(done) < piece)
            break;
    }
    return moved;
}

long send_file(Request &request, const FileSide &out, const FileSide &in, bool positional, int64_t *offset_bytes) {
    long moved = 0;
    size_t left = std::min(static_cast<size_t>(request.args[3]), max_transfer_bytes);
    if (left == 0)
        return 0;
    if (in.is_ours() && out.is_pipe())
        return send_file_to_pipe(request, out, in, positional, offset_bytes, left);
    const Source source(in);
    while (left > 0) {
        const size_t piece = std::min(left, sizeof(request.context.buffer));
        const long length = source.read(request.context.buffer, piece, positional, *offset_bytes);
        if (length <= 0)
            return moved > 0 ? moved : length;
        long written = 0;
        long failure = 0;
        while (written < length && failure == 0) {
            const long result =
                write_some(request, out, request.context.buffer + written, static_cast<size_t>(length - written));
            if (result <= 0)
                failure = result == 0 ? -EIO : result;
            else
                written += result;
        }
        if (written < length && !positional)
            unread(in, length - written);
        *offset_bytes += written;
        moved += written;
        left -= static_cast<size_t>(written);
        if (failure != 0)
            return moved > 0 ? moved : failure;
    }
    return moved;
}

} // namespace

long serve_sendfile(Request &request) {
    auto *user_offset = reinterpret_cast<void *>(request.args[2]);
    const bool positional = user_offset != nullptr;
    const Result<DescriptorWord> words[] = {descriptor_lookup(request.context, request.args[0]),
                                            descriptor_lookup(request.context, request.args[1])};
    if (words[0].ok() && words[1].ok() && !is_ours(*words[0]) && !is_ours(*words[1]) && *words[0] != descriptor_own &&
        *words[1] != descriptor_own)
        return pass_to_kernel;
    int64_t offset_bytes = 0;
    if (positional)
        if (const Status copied = copy_in(&offset_bytes, user_offset, sizeof(offset_bytes)); !copied.ok())
            return kernel_result(copied);
    const Result<FileSides> sides = file_sides(request, 1, 0);
    if (!sides.ok())
        return kernel_result(Status(sides.error()));
    const FileSide &in = sides->first;
    const FileSide &out = sides->second;
    if (!in.may_read)
        return -EBADF;
    if (positional && !is_read_at_offsets(in))
        return -ESPIPE;
    if (!has_end(positional ? offset_bytes : own_offset(in), static_cast<size_t>(request.args[3])))
        return -EINVAL;
    if (!out.may_write)
        return -EBADF;
    if (!out.is_pipe() && (out.appends || !is_seekable(in)))
        return -EINVAL;
    // Both ends of one description begin where it is, and each goes on by itself: what is read is written over itself.
    const bool is_same = in.is_ours() && out.is_ours() && in.open.mount == out.open.mount && in.open.id == out.open.id;
    if (is_same && !positional)
        offset_bytes = own_offset(in);
    const long moved = send_file(request, out, in, positional || is_same, &offset_bytes);
    tell_moved(request.context, in.open, out.open, moved);
    if (positional)
        if (const Status copied = copy_out(user_offset, &offset_bytes, sizeof(offset_bytes)); !copied.ok())
            return kernel_result(copied);
    return moved;
}

// Between a file of ours and a pipe, by copying. From a pipe only what has reached the file is taken out of it.
long serve_splice(Request &request) {
    const Result<FileSides> sides = file_sides(request, 0, 2);
    if (sides.ok() && !sides->any_is_ours())
        return pass_to_kernel;
    const auto flags = static_cast<unsigned>(request.args[5]);
    if (request.args[4] == 0)
        return 0; // whatever the flags are
    if ((flags & ~splice_flags) != 0)
        return -EINVAL;
    if (!sides.ok())
        return kernel_result(Status(sides.error()));
    if (!sides->are_open())
        return -EBADF;
    const FileSide &in = sides->first;
    const FileSide &out = sides->second;
    auto *in_offset = reinterpret_cast<void *>(request.args[1]);
    auto *out_offset = reinterpret_cast<void *>(request.args[3]);
    if ((in.is_pipe() && in_offset != nullptr) || (out.is_pipe() && out_offset != nullptr))
        return -ESPIPE;
    FileOffset offset; // of the one that is no pipe, if the other is one
    const bool reads_file = !in.is_pipe();
    for (void *user : {out_offset, in_offset})
        if (user != nullptr)
            if (const Status taken = offset.take(user); !taken.ok())
                return kernel_result(taken);
    if (!in.may_read || !out.may_write)
        return -EBADF;
    if (in.is_pipe() == out.is_pipe() || (in.is_pipe() && out.appends))
        return -EINVAL;
    const FileSide &file = reads_file ? in : out;
    if (!has_end(offset.is_given ? offset.bytes : own_offset(file), static_cast<size_t>(request.args[4])) ||
        (reads_file && !S_ISREG(in.mode)))
        return -EINVAL;
    const size_t wanted = std::min(static_cast<size_t>(request.args[4]), sizeof(request.context.buffer));
    const long moved = reads_file ? file_to_pipe(request, file, offset, out, wanted, flags)
                                  : pipe_to_file(request, in.descriptor, file, offset, wanted, flags);
    tell_moved(request.context, in.open, out.open, moved);
    if (moved > 0)
        if (const Status given = offset.give(reads_file ? in_offset : out_offset, moved); !given.ok())
            return kernel_result(given);
    return moved;
}

// tee and vmsplice are between pipes and memory: of a file of ours only the errors.
long serve_tee(Request &request) {
    const Result<FileSides> sides = file_sides(request, 0, 1);
    if (sides.ok() && !sides->any_is_ours())
        return pass_to_kernel;
    if ((static_cast<unsigned>(request.args[3]) & ~splice_flags) != 0)
        return -EINVAL;
    if (request.args[2] == 0)
        return 0;
    if (!sides.ok())
        return kernel_result(Status(sides.error()));
    return sides->first.may_read && sides->second.may_write ? -EINVAL : -EBADF;
}

long serve_vmsplice(Request &request) {
    const Result<FileSides> sides = file_sides(request, 0, 0);
    if (sides.ok() && !sides->any_is_ours())
        return pass_to_kernel;
    if ((static_cast<unsigned>(request.args[3]) & ~splice_flags) != 0)
        return -EINVAL;
    if (!sides.ok())
        return kernel_result(Status(sides.error()));
    if (!sides->first.may_read && !sides->first.may_write)
        return -EBADF;
    const Result<UserBuffers> buffers = take_vectors(request.context, request.args[1], request.args[2]);
    if (!buffers.ok())
        return kernel_result(Status(buffers.error()));
    return total_bytes(*buffers) == 0 ? 0 : -EBADF;
}

} // namespace shim
