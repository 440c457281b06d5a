// read and write in all their forms, seek, and the other calls on one open file.
//
// The engine reads and writes application memory itself (base_user_copy), once.
#include "libpmemfile/mapping/size_change.h"
#include "posix-shim/calls/clone_call.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/size_limit.h"
#include "posix-shim/calls/user_vectors.h"
#include "posix-shim/mapping/caller.h"

#include "base/user_copy.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/runtime/open_access.h"

#include <algorithm>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>

namespace shim {

using base::error;
using base::Result;
using namespace pmemfile;

namespace {

// Linux moves at most this much in one call.
constexpr size_t max_transfer_bytes = 0x7ffff000;

enum class Direction : uint8_t { read, write };

// Inline, as the two below: what is constant of a call costs it nothing.
bool may_move(const OpenArgument &open, Direction direction) {
    const Result<OpenFile *> file = open_file_get(*open.thread, open.id);
    const uint32_t flags = file.ok() ? (*file)->flags.load() : uint32_t{O_PATH};
    return direction == Direction::read ? may_read_by(flags) : may_write_by(flags);
}

inline long move(const OpenArgument &open, Direction direction, const UserBuffers &buffers, bool positional,
                 int64_t offset_bytes, unsigned options) {
    if (positional && offset_bytes < 0)
        return -EINVAL;
    if (direction == Direction::read)
        return positional ? kernel_result(fs_pread(*open.thread, open.id, buffers, offset_bytes, options))
                          : kernel_result(fs_read(*open.thread, open.id, buffers, options));
    uint64_t limit = file_size_limit();
    return limited_write(positional
                             ? kernel_result(fs_pwrite(*open.thread, open.id, buffers, offset_bytes, limit, options))
                             : kernel_result(fs_write(*open.thread, open.id, buffers, limit, options)),
                         limit);
}

inline long transfer(Request &request, const OpenArgument &open, Direction direction, const UserBuffers &buffers,
                     bool positional, int64_t offset_bytes, unsigned options = 0) {
    return told(request.context, open, direction == Direction::read ? Event::access : Event::modify,
                move(open, direction, buffers, positional, offset_bytes, options));
}

// Does the number stand for something else than `open` by now? Another thread has given it another file (dup2), or has
// closed it.
bool is_replaced(Request &request, const OpenArgument &open) {
    const Result<OpenArgument> now = open_argument(request, 0);
    return now.ok() && (now->thread == nullptr || now->id != open.id || now->mount != open.mount);
}

// Serves a call on the open file of the number in argument 0. Where its description ends on the way, for the number is
// given another file, the call is made once more: on Linux it goes to the one or the other, and is never EBADF.
template <typename Serve> inline long on_open_file(Request &request, Serve serve) {
    for (bool is_first = true;; is_first = false) {
        const Result<OpenArgument> open = open_argument(request, 0);
        if (!open.ok()) [[unlikely]] {
            if (is_first && open.error() == error(EBADF))
                continue; // it may have ended while we looked at the token
            return kernel_result(base::Status(open.error()));
        }
        if (open->thread == nullptr)
            return pass_to_kernel;
        const long result = serve(*open);
        if (result != -EBADF || !is_replaced(request, *open)) [[likely]]
            return result;
    }
}

template <Direction direction, bool positional> long serve_flat(Request &request) {
    return on_open_file(request, [&](const OpenArgument &open) -> long {
        const auto size_bytes = static_cast<size_t>(request.args[2]);
        if (!may_be_memory(static_cast<uint64_t>(request.args[1]), size_bytes)) [[unlikely]]
            return positional && request.args[3] < 0 ? -EINVAL : may_move(open, direction) ? -EFAULT : -EBADF;
        struct iovec vector = {reinterpret_cast<void *>(request.args[1]), std::min(size_bytes, max_transfer_bytes)};
        return transfer(request, open, direction, {&vector, 1}, positional, request.args[3]);
    });
}

// Offset -1 means "at the file position" for the v2 calls.
long serve_vector(Request &request, Direction direction, bool positional, bool with_flags) {
    return on_open_file(request, [&](const OpenArgument &open) -> long {
        // The order of errors is Linux's.
        const int64_t offset_bytes = request.args[3];
        if (with_flags && offset_bytes == -1)
            positional = false;
        if (positional && offset_bytes < 0)
            return -EINVAL;
        if (!may_move(open, direction))
            return -EBADF;
        const Result<UserBuffers> buffers = take_vectors(request.context, request.args[1], request.args[2]);
        if (!buffers.ok())
            return kernel_result(base::Status(buffers.error()));
        const auto told_of_nothing = [&](long done) { // of vectors Linux tells that, too
            if (done == 0 && direction == Direction::read)
                tell_open_file(request.context, *open.thread, open.mount, open.id, Event::access);
            return done;
        };
        if (total_bytes(*buffers) == 0)
            return told_of_nothing(0);
        if (!with_flags)
            return told_of_nothing(transfer(request, open, direction, *buffers, positional, offset_bytes));
        const auto flags = static_cast<int>(request.args[5]);
        const Result<unsigned> options = io_options_of(flags, direction == Direction::write);
        if (!options.ok())
            return kernel_result(base::Status(options.error()));
        const long done =
            told_of_nothing(transfer(request, open, direction, *buffers, positional, offset_bytes, *options));
        return done == -EISDIR && (flags & ~rwf_high_priority) != 0 ? -EOPNOTSUPP : done;
    });
}

// Would the file, open for writing, become longer than RLIMIT_FSIZE lets it?
bool is_too_long(const OpenArgument &open, int64_t size_bytes) {
    if (size_bytes < 0 || static_cast<uint64_t>(size_bytes) <= file_size_limit())
        return false;
    const Result<OpenFile *> file = open_file_get(*open.thread, open.id);
    if (!file.ok() || !may_write_by((*file)->flags.load()))
        return false; // another error
    const Result<Attributes> attributes = fs_attributes(*open.thread, (*file)->inode.load());
    return attributes.ok() && attributes->size_bytes < static_cast<uint64_t>(size_bytes);
}

// A descriptor that is none of ours: is it one of the host's?
long error_of_foreign(long descriptor) {
    return base::is_error(base::raw_syscall(SYS_fcntl, descriptor, F_GETFL)) ? -EBADF : -EXDEV;
}

// The old getdents: {ino, off, reclen, name, pad, type} with the type in the last byte.
struct OldEntry {
    unsigned long inode;
    unsigned long offset;
    unsigned short length;
    char name[1];
};

} // namespace

Result<UserBuffers> take_vectors(ThreadContext &context, long user, long user_count) {
    const auto count = static_cast<unsigned>(user_count); // Linux looks at 32 bits
    if (count > max_vectors)
        return error(EINVAL);
    struct iovec *vectors = context.vectors;
    BASE_TRY(copy_in(vectors, reinterpret_cast<void *>(user), count * sizeof(struct iovec)));
    for (unsigned i = 0; i < count; i++)
        if (vectors[i].iov_len > static_cast<size_t>(INT64_MAX))
            return error(EINVAL);
    size_t total = 0;
    for (unsigned i = 0; i < count; i++) {
        if (count == 1)
            vectors[i].iov_len = std::min(vectors[i].iov_len, max_transfer_bytes);
        if (!may_be_memory(reinterpret_cast<uint64_t>(vectors[i].iov_base), vectors[i].iov_len))
            return error(EFAULT);
        vectors[i].iov_len = std::min(vectors[i].iov_len, max_transfer_bytes - total);
        total += vectors[i].iov_len;
    }
    return UserBuffers{vectors, count};
}

long serve_read(Request &request) {
    return serve_flat<Direction::read, false>(request);
}
long serve_write(Request &request) {
    return serve_flat<Direction::write, false>(request);
}
long serve_pread64(Request &request) {
    return serve_flat<Direction::read, true>(request);
}
long serve_pwrite64(Request &request) {
    return serve_flat<Direction::write, true>(request);
}
long serve_readv(Request &request) {
    return serve_vector(request, Direction::read, false, false);
}
long serve_writev(Request &request) {
    return serve_vector(request, Direction::write, false, false);
}
long serve_preadv(Request &request) {
    return serve_vector(request, Direction::read, true, false);
}
long serve_pwritev(Request &request) {
    return serve_vector(request, Direction::write, true, false);
}
long serve_preadv2(Request &request) {
    return serve_vector(request, Direction::read, true, true);
}
long serve_pwritev2(Request &request) {
    return serve_vector(request, Direction::write, true, true);
}

long clone_into(Request &request, const OpenArgument &to) {
    struct file_clone_range range = {};
    if (static_cast<unsigned>(request.args[1]) == FICLONE)
        range.src_fd = static_cast<int>(request.args[2]);
    else if (base::Status taken = copy_in(&range, reinterpret_cast<void *>(request.args[2]), sizeof(range));
             !taken.ok())
        return kernel_result(taken);
    const long source = static_cast<int>(range.src_fd);
    Result<OpenArgument> from = open_argument(request.context, source);
    if (!from.ok())
        return kernel_result(base::Status(from.error()));
    if (from->thread == nullptr)
        return error_of_foreign(source);
    if (from->mount != to.mount)
        return -EXDEV;
    const uint64_t limit = file_size_limit();
    const long done = limited_write(kernel_result(fs_clone_range(*to.thread, from->id, range.src_offset, to.id,
                                                                 range.dest_offset, range.src_length, limit)),
                                    limit);
    if (!base::is_error(done)) {
        tell_open_file(request.context, *from->thread, from->mount, from->id, Event::access);
        tell_open_file(request.context, *to.thread, to.mount, to.id, Event::modify);
    }
    return done;
}

long serve_lseek(Request &request) {
    return on_open_file(request, [&](const OpenArgument &open) {
        return kernel_result(fs_seek(*open.thread, open.id, request.args[1], static_cast<int>(request.args[2])));
    });
}

long serve_getdents64(Request &request) {
    return on_open_file(request, [&](const OpenArgument &open) {
        auto size_bytes = static_cast<unsigned>(request.args[2]);
        const long length =
            kernel_result(fs_getdents64(*open.thread, open.id, reinterpret_cast<void *>(request.args[1]), size_bytes));
        if (!base::is_error(length))
            tell_open_file(request.context, *open.thread, open.mount, open.id, Event::access);
        return length;
    });
}

long serve_getdents(Request &request) {
    return on_open_file(request, [&](const OpenArgument &open) -> long {
        // Each new-form entry is at most as long as the old form plus nothing: {8 ino, 8 off, 2 len, 1 type, name}
        // against {8, 8, 2, name, 1 type}; both are padded to 8. So the lengths agree.
        char *buffer = reinterpret_cast<char *>(request.context.buffer);
        const int asked_bytes = std::max(static_cast<int>(request.args[2]), 0); // as Linux counts it
        const size_t size_bytes = std::min(static_cast<size_t>(asked_bytes), sizeof(request.context.buffer));
        Result<size_t> length = fs_getdents64(*open.thread, open.id, buffer, size_bytes);
        if (!length.ok())
            return kernel_result(length);
        constexpr size_t name_offset = offsetof(OldEntry, name);
        for (size_t at = 0; at < *length;) {
            auto reclen = reinterpret_cast<OldEntry *>(buffer + at)->length;
            char type = buffer[at + name_offset];
            std::copy(buffer + at + name_offset + 1, buffer + at + reclen, buffer + at + name_offset);
            buffer[at + reclen - 1] = type;
            at += reclen;
        }
        if (base_user_copy(reinterpret_cast<void *>(request.args[1]), buffer, *length) != 0)
            return -EFAULT;
        return static_cast<long>(*length);
    });
}

long serve_ftruncate(Request &request) {
    return on_open_file(request, [&](const OpenArgument &open) {
        if (is_too_long(open, request.args[1]))
            return limited_write(-EFBIG, file_size_limit());
        const base::Status done = fs_ftruncate(*open.thread, open.id, request.args[1]);
        base::Result<InodeNumber> inode = inode_of_open(open, true);
        if (done.ok() && inode.ok())
            mapping_file_cut(mapping_caller(request.context), open.mount, *inode);
        if (done.ok())
            tell_open_file(request.context, *open.thread, open.mount, open.id, Event::modify);
        return kernel_result(done);
    });
}

long serve_fallocate(Request &request) {
    return on_open_file(request, [&](const OpenArgument &open) {
        const bool may_grow = (request.args[1] & ~long{FALLOC_FL_ZERO_RANGE | FALLOC_FL_UNSHARE_RANGE}) == 0;
        int64_t end_bytes = 0;
        if (may_grow && request.args[2] >= 0 && request.args[3] > 0 &&
            !__builtin_add_overflow(request.args[2], request.args[3], &end_bytes) && is_too_long(open, end_bytes))
            return limited_write(-EFBIG, file_size_limit());
        const long done = kernel_result(
            fs_fallocate(*open.thread, open.id, static_cast<int>(request.args[1]), request.args[2], request.args[3]));
        if (!base::is_error(done))
            tell_open_file(request.context, *open.thread, open.mount, open.id, Event::modify);
        return done;
    });
}

} // namespace shim
