// read and write in all their forms, seek, and the other calls on one open file.
//
// The engine reads and writes application memory itself (base_user_copy), once.
#include "libpmemfile/mapping/size_change.h"
#include "posix-shim/calls/clone_call.h"
#include "posix-shim/calls/path_call.h"
#include "posix-shim/calls/served_calls.h"
#include "posix-shim/calls/size_limit.h"
#include "posix-shim/mapping/caller.h"

#include "base/user_copy.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"

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

template <Direction direction, bool positional> long serve_flat(Request &request) {
    Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(base::Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    struct iovec vector = {reinterpret_cast<void *>(request.args[1]),
                           std::min(static_cast<size_t>(request.args[2]), max_transfer_bytes)};
    return transfer(request, *open, direction, {&vector, 1}, positional, request.args[3]);
}

// Offset -1 means "at the file position" for the v2 calls.
long serve_vector(Request &request, Direction direction, bool positional, bool with_flags) {
    Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(base::Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    auto count = static_cast<unsigned long>(request.args[2]);
    if (count > max_vectors)
        return -EINVAL;
    struct iovec *vectors = request.context.vectors;
    if (base_user_copy(vectors, reinterpret_cast<void *>(request.args[1]), count * sizeof(struct iovec)) != 0)
        return -EFAULT;
    size_t total = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (vectors[i].iov_len > static_cast<size_t>(INT64_MAX))
            return -EINVAL;
        vectors[i].iov_len = std::min(vectors[i].iov_len, max_transfer_bytes - total);
        total += vectors[i].iov_len;
    }
    int64_t offset_bytes = request.args[3];
    unsigned options = 0;
    if (with_flags) {
        Result<unsigned> asked = io_options_of(static_cast<int>(request.args[5]), direction == Direction::write);
        if (!asked.ok())
            return kernel_result(base::Status(asked.error()));
        options = *asked;
        if (offset_bytes == -1)
            positional = false;
    }
    return transfer(request, *open, direction, {vectors, static_cast<unsigned>(count)}, positional, offset_bytes,
                    options);
}

// The offset of a copy: behind the pointer in register `index`; null there: the shared one.
struct CopyOffset {
    void *user;
    int64_t bytes = 0;

    CopyOffset(const Request &request, int index) : user(reinterpret_cast<void *>(request.args[index])) {}
    base::Status read() {
        return user == nullptr ? base::Status{} : copy_in(&bytes, user, sizeof(bytes));
    }
    int64_t *pointer() {
        return user == nullptr ? nullptr : &bytes;
    }
    base::Status write_back() const {
        return user == nullptr ? base::Status{} : copy_out(user, &bytes, sizeof(bytes));
    }
};

// Between two files of one pool.
Result<long> copy_in_pool(Request &request, const OpenArgument &from, const OpenArgument &to) {
    CopyOffset from_offset(request, 1);
    CopyOffset to_offset(request, 3);
    BASE_TRY(from_offset.read());
    BASE_TRY(to_offset.read());
    if (request.args[5] != 0)
        return error(EINVAL);
    const uint64_t limit = file_size_limit();
    const long done =
        limited_write(kernel_result(fs_copy_range(*from.thread, from.id, from_offset.pointer(), to.id,
                                                  to_offset.pointer(), static_cast<size_t>(request.args[4]), limit)),
                      limit);
    told(request.context, from, Event::access, done);
    told(request.context, to, Event::modify, done);
    if (done > 0) {
        BASE_TRY(from_offset.write_back());
        BASE_TRY(to_offset.write_back());
    }
    return done;
}

template <typename Serve> long on_open_file(Request &request, Serve serve) {
    Result<OpenArgument> open = open_argument(request, 0);
    if (!open.ok())
        return kernel_result(base::Status(open.error()));
    if (open->thread == nullptr)
        return pass_to_kernel;
    return serve(*open);
}

// Would the file, open for writing, become longer than RLIMIT_FSIZE lets it?
bool is_too_long(const OpenArgument &open, int64_t size_bytes) {
    if (size_bytes < 0 || static_cast<uint64_t>(size_bytes) <= file_size_limit())
        return false;
    const Result<OpenFile *> file = open_file_get(*open.thread, open.id);
    const uint32_t flags = file.ok() ? (*file)->flags.load() : uint32_t{O_PATH};
    if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_RDONLY)
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

// Across filesystems Linux says EXDEV, and programs copy by read and write.
long serve_copy_file_range(Request &request) {
    Result<OpenArgument> from = open_argument(request, 0);
    if (!from.ok())
        return kernel_result(base::Status(from.error()));
    Result<OpenArgument> to = open_argument(request, 2);
    if (!to.ok())
        return kernel_result(base::Status(to.error()));
    if (from->thread == nullptr && to->thread == nullptr)
        return pass_to_kernel;
    for (const int index : {0, 2}) // the one of the host's may be none
        if ((index == 0 ? from : to)->thread == nullptr && error_of_foreign(request.args[index]) == -EBADF)
            return -EBADF;
    if (from->thread == nullptr || to->thread == nullptr || from->mount != to->mount)
        return -EXDEV;
    return kernel_result(copy_in_pool(request, *from, *to));
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
        size_t size_bytes =
            std::min(static_cast<size_t>(static_cast<unsigned>(request.args[2])), sizeof(request.context.buffer));
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

// Each call was durable when it returned; advice has no use. Only the descriptor is checked.
long serve_durable(Request &request) {
    return on_open_file(request, [&](const OpenArgument &open) {
        Result<InodeNumber> inode = inode_of_open(open, false);
        return inode.ok() ? 0 : kernel_result(base::Status(inode.error()));
    });
}

} // namespace shim
