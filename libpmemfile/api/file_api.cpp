// Calls on open files: a PMEMfile is an open file description of its own.
#include "libpmemfile/api/pool_object.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/lock_calls.h"
#include "libpmemfile/runtime/open_access.h"

#include <cstdarg>
#include <utility>

using namespace pmemfile;

namespace {

PMEMfile *open_at(PMEMfilepool *pool, PMEMfile *dir, const char *path, int flags, mode_t mode) {
    PMEMfile *file = nullptr;
    const long result = api::serve(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(At at, api::at_of(pool, dir, path));
        BASE_TRY_ASSIGN(api::NewFile fresh, api::new_file());
        BASE_TRY_ASSIGN(OpenFileId id, fs_open(thread, at, flags, mode));
        BASE_TRY_ASSIGN(OpenFile * description, open_file_get(thread, id));
        file = api::add_file(pool, std::move(fresh), id, description->inode.load());
        file->closes_on_exec = (flags & O_CLOEXEC) != 0;
        return {};
    });
    if (result < 0 && file != nullptr) { // opened in a transaction that had been overtaken
        pmemfile_close(pool, std::exchange(file, nullptr));
        errno = EAGAIN;
    }
    if (file != nullptr && (flags & (O_TRUNC | O_PATH)) == O_TRUNC)
        api::note_size_change(pool, file->inode);
    return file;
}

bool takes_mode(int flags) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

// Vectors as readv(2) and writev(2) accept them.
base::Result<UserBuffers> buffers_of(const pmemfile_iovec_t *vectors, int count) {
    if (count < 0 || count > 1024)
        return base::error(EINVAL);
    size_t total = 0;
    for (int i = 0; i < count; ++i)
        if (__builtin_add_overflow(total, vectors[i].iov_len, &total) || total > SSIZE_MAX)
            return base::error(EINVAL);
    return UserBuffers{vectors, static_cast<unsigned>(count)};
}

// A call that may change the file's size: what this process maps of it follows.
template <typename Call> long resize_file(PMEMfilepool *pool, PMEMfile *file, Call call) {
    const long result = api::serve(pool, call);
    if (result >= 0)
        api::note_size_change(pool, file->inode);
    return result;
}

static_assert(PMEMFILE_ATOMIC_WRITE_UNIT_MIN == atomic_write_min_bytes &&
              PMEMFILE_ATOMIC_WRITE_UNIT_MAX == atomic_write_bytes);

// Changes the file's attributes by `change(thread)`. An O_PATH file only tells where it is: EBADF.
template <typename Change> int change_file(PMEMfilepool *pool, PMEMfile *file, Change change) {
    return static_cast<int>(api::serve(pool, [&](Thread &thread) -> base::Status {
        BASE_TRY_ASSIGN(OpenFile * description, open_file_get(thread, file->id));
        if ((description->flags.load() & O_PATH) != 0)
            return base::error(EBADF);
        return change(thread);
    }));
}

} // namespace

bool api::exact_times(const struct timeval times[2], struct timespec exact[2]) {
    for (int i = 0; times != nullptr && i < 2; ++i) {
        if (times[i].tv_usec < 0 || times[i].tv_usec >= 1000000) {
            errno = EINVAL;
            return false;
        }
        exact[i] = {times[i].tv_sec, times[i].tv_usec * 1000};
    }
    return true;
}

PMEMfile *pmemfile_open(PMEMfilepool *pool, const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    const mode_t mode = takes_mode(flags) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_at(pool, PMEMFILE_AT_CWD, path, flags, mode);
}

PMEMfile *pmemfile_openat(PMEMfilepool *pool, PMEMfile *dir, const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    const mode_t mode = takes_mode(flags) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_at(pool, dir, path, flags, mode);
}

PMEMfile *pmemfile_create(PMEMfilepool *pool, const char *path, pmemfile_mode_t mode) {
    return open_at(pool, PMEMFILE_AT_CWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

void pmemfile_close(PMEMfilepool *pool, PMEMfile *file) {
    if (Thread *thread = api::thread_of(pool))
        fs_close(*thread, file->id);
    api::remove_file(pool, file);
}

pmemfile_ssize_t pmemfile_preadv2(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors, int count,
                                  pmemfile_off_t offset, int flags) {
    return api::serve(pool, [&](Thread &thread) -> base::Result<size_t> {
        BASE_TRY_ASSIGN(UserBuffers buffers, buffers_of(vectors, count));
        BASE_TRY_ASSIGN(unsigned options, io_options_of(flags, false));
        return offset == -1 ? fs_read(thread, file->id, buffers, options)
                            : fs_pread(thread, file->id, buffers, offset, options);
    });
}

pmemfile_ssize_t pmemfile_pwritev2(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors, int count,
                                   pmemfile_off_t offset, int flags) {
    const uint64_t limit = pool->file_size_limit_bytes;
    return resize_file(pool, file, [&](Thread &thread) -> base::Result<size_t> {
        BASE_TRY_ASSIGN(UserBuffers buffers, buffers_of(vectors, count));
        BASE_TRY_ASSIGN(unsigned options, io_options_of(flags, true));
        return offset == -1 ? fs_write(thread, file->id, buffers, limit, options)
                            : fs_pwrite(thread, file->id, buffers, offset, limit, options);
    });
}

pmemfile_ssize_t pmemfile_readv(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors, int count) {
    return api::serve(pool, [&](Thread &thread) -> base::Result<size_t> {
        BASE_TRY_ASSIGN(UserBuffers buffers, buffers_of(vectors, count));
        return fs_read(thread, file->id, buffers);
    });
}

pmemfile_ssize_t pmemfile_writev(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors, int count) {
    return resize_file(pool, file, [&](Thread &thread) -> base::Result<size_t> {
        BASE_TRY_ASSIGN(UserBuffers buffers, buffers_of(vectors, count));
        return fs_write(thread, file->id, buffers, pool->file_size_limit_bytes);
    });
}

pmemfile_ssize_t pmemfile_preadv(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors, int count,
                                 pmemfile_off_t offset) {
    return api::serve(pool, [&](Thread &thread) -> base::Result<size_t> {
        BASE_TRY_ASSIGN(UserBuffers buffers, buffers_of(vectors, count));
        return fs_pread(thread, file->id, buffers, offset);
    });
}

pmemfile_ssize_t pmemfile_pwritev(PMEMfilepool *pool, PMEMfile *file, const pmemfile_iovec_t *vectors, int count,
                                  pmemfile_off_t offset) {
    return resize_file(pool, file, [&](Thread &thread) -> base::Result<size_t> {
        BASE_TRY_ASSIGN(UserBuffers buffers, buffers_of(vectors, count));
        return fs_pwrite(thread, file->id, buffers, offset, pool->file_size_limit_bytes);
    });
}

pmemfile_ssize_t pmemfile_read(PMEMfilepool *pool, PMEMfile *file, void *buffer, size_t count) {
    const struct iovec vector = {buffer, count};
    return pmemfile_readv(pool, file, &vector, 1);
}

pmemfile_ssize_t pmemfile_write(PMEMfilepool *pool, PMEMfile *file, const void *buffer, size_t count) {
    const struct iovec vector = {const_cast<void *>(buffer), count};
    return pmemfile_writev(pool, file, &vector, 1);
}

pmemfile_ssize_t pmemfile_pread(PMEMfilepool *pool, PMEMfile *file, void *buffer, size_t count, pmemfile_off_t offset) {
    const struct iovec vector = {buffer, count};
    return pmemfile_preadv(pool, file, &vector, 1, offset);
}

pmemfile_ssize_t pmemfile_pwrite(PMEMfilepool *pool, PMEMfile *file, const void *buffer, size_t count,
                                 pmemfile_off_t offset) {
    const struct iovec vector = {const_cast<void *>(buffer), count};
    return pmemfile_pwritev(pool, file, &vector, 1, offset);
}

pmemfile_ssize_t pmemfile_copy_file_range(PMEMfilepool *pool, PMEMfile *from, pmemfile_off_t *from_offset, PMEMfile *to,
                                          pmemfile_off_t *to_offset, size_t size, unsigned flags) {
    if (flags != 0)
        return api::fail(EINVAL);
    return resize_file(pool, to, [&](Thread &thread) {
        return fs_copy_range(thread, from->id, from_offset, to->id, to_offset, size, pool->file_size_limit_bytes);
    });
}

int pmemfile_clone_file_range(PMEMfilepool *pool, PMEMfile *from, pmemfile_off_t from_offset, PMEMfile *to,
                              pmemfile_off_t to_offset, pmemfile_off_t length) {
    if (from_offset < 0 || to_offset < 0 || length < 0)
        return api::fail(EINVAL);
    return static_cast<int>(resize_file(pool, to, [&](Thread &thread) {
        return fs_clone_range(thread, from->id, static_cast<uint64_t>(from_offset), to->id,
                              static_cast<uint64_t>(to_offset), static_cast<uint64_t>(length),
                              pool->file_size_limit_bytes);
    }));
}

pmemfile_off_t pmemfile_lseek(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t offset, int whence) {
    return api::serve(pool, [&](Thread &thread) { return fs_seek(thread, file->id, offset, whence); });
}

int pmemfile_ftruncate(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t length) {
    return static_cast<int>(
        resize_file(pool, file, [&](Thread &thread) { return fs_ftruncate(thread, file->id, length); }));
}

int pmemfile_fallocate(PMEMfilepool *pool, PMEMfile *file, int mode, pmemfile_off_t offset, pmemfile_off_t length) {
    return static_cast<int>(
        resize_file(pool, file, [&](Thread &thread) { return fs_fallocate(thread, file->id, mode, offset, length); }));
}

int pmemfile_posix_fallocate(PMEMfilepool *pool, PMEMfile *file, pmemfile_off_t offset, pmemfile_off_t length) {
    const int former = errno;
    const int result = pmemfile_fallocate(pool, file, 0, offset, length) == 0 ? 0 : errno;
    errno = former;
    return result;
}

int pmemfile_fcntl(PMEMfilepool *pool, PMEMfile *file, int command, ...) {
    va_list list;
    va_start(list, command);
    const bool takes_number = command == F_SETFL || command == F_SETFD;
    const int number = takes_number ? va_arg(list, int) : 0;
    struct flock *lock = takes_number ? nullptr : va_arg(list, struct flock *); // looked at by those that have one
    va_end(list);
    return static_cast<int>(api::serve(pool, [&](Thread &thread) -> base::Result<long> {
        BASE_TRY_ASSIGN(OpenFile * description, open_file_get(thread, file->id));
        const uint32_t flags = description->flags.load();
        switch (command) {
        case F_GETFD:
            return file->closes_on_exec ? long{FD_CLOEXEC} : 0L;
        case F_SETFD:
            file->closes_on_exec = (number & FD_CLOEXEC) != 0;
            return 0L;
        case F_GETFL:
            return told_flags(flags);
        case created_query:
            return (flags & open_made_file) != 0 ? 1L : 0L;
        default:
            break;
        }
        if ((flags & O_PATH) != 0)
            return base::error(EBADF); // it only tells where it is
        switch (command) {
        case F_SETFL:
            BASE_TRY(fs_set_flags(thread, file->id, number));
            return 0L;
        case F_GETLK:
        case F_SETLK:
        case F_SETLKW:
        case F_OFD_GETLK:
        case F_OFD_SETLK:
        case F_OFD_SETLKW:
            BASE_TRY(fs_lock_record(thread, file->id, command, *lock, nullptr));
            return 0L;
        default:
            return base::error(EINVAL);
        }
    }));
}

int pmemfile_flock(PMEMfilepool *pool, PMEMfile *file, int operation) {
    return static_cast<int>(
        api::serve(pool, [&](Thread &thread) { return fs_flock(thread, file->id, operation, nullptr); }));
}

int pmemfile_fstat(PMEMfilepool *pool, PMEMfile *file, pmemfile_stat_t *stat) {
    return static_cast<int>(
        api::serve(pool, [&](Thread &thread) { return fs_stat(thread, file->inode, pool->device, stat); }));
}

int pmemfile_fchmod(PMEMfilepool *pool, PMEMfile *file, pmemfile_mode_t mode) {
    return change_file(pool, file, [&](Thread &thread) { return fs_chmod(thread, file->inode, mode); });
}

int pmemfile_fchown(PMEMfilepool *pool, PMEMfile *file, pmemfile_uid_t uid, pmemfile_gid_t gid) {
    return change_file(pool, file, [&](Thread &thread) { return fs_chown(thread, file->inode, uid, gid); });
}

int pmemfile_futimens(PMEMfilepool *pool, PMEMfile *file, const pmemfile_timespec_t times[2]) {
    return change_file(pool, file, [&](Thread &thread) { return fs_utimens(thread, file->inode, times); });
}

int pmemfile_futimes(PMEMfilepool *pool, PMEMfile *file, const pmemfile_timeval_t times[2]) {
    pmemfile_timespec_t exact[2];
    return api::exact_times(times, exact) ? pmemfile_futimens(pool, file, times == nullptr ? nullptr : exact) : -1;
}
