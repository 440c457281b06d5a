// open_calls: open files: open, read, write, seek, readdir, close. `id` is an open file description.
#pragma once

#include "base/result.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/io_options.h"
#include "libpmemfile/fs/namespace_calls.h"
#include "libpmemfile/runtime/open_file.h"

namespace pmemfile {

// What is wrong with the flags of an open alone, whatever its path is: EINVAL.
base::Status fs_check_open_flags(int flags);
// open(2) with all flags of it (O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW,
// O_PATH, O_TMPFILE, …). Creating and opening is one record. A fifo or socket or device
// node: ENXIO unless O_PATH (the shim looks first). Errors as open(2).
base::Result<OpenFileId> fs_open(Thread &thread, const At &at, int flags, mode_t mode);
// Opens an inode that is already known (a walk's result, "/proc/self/fd/N"); never creates. ESTALE.
base::Result<OpenFileId> fs_open_inode(Thread &thread, InodeHandle handle, int flags);
// open(2) with O_TMPFILE in `directory`: a file without a name, in the orphan table; without O_EXCL fs_link
// can give it one. ENOTDIR, ESTALE, EINVAL (no O_RDWR or O_WRONLY, O_CREAT), ENOSPC.
base::Result<OpenFileId> fs_open_unnamed(Thread &thread, InodeHandle directory, int flags, mode_t mode);
// A descriptor that was in a socket has come out, or did not go in (open_file_send): as fs_close, should nobody refer
// to it.
void fs_land(Thread &thread, OpenFileId id);
// This process's reference ends; frees the inode when it was the last of all. Also
// drops the process's POSIX locks on the inode (close(2)) when `drop_posix_locks`.
void fs_close(Thread &thread, OpenFileId id, bool drop_posix_locks = true);

// At the shared offset, which moves. EBADF by access mode, EISDIR, EINVAL, EFAULT … `options`: IoOptions.
base::Result<size_t> fs_read(Thread &thread, OpenFileId id, const UserBuffers &buffers, unsigned options = 0);
base::Result<size_t> fs_write(Thread &thread, OpenFileId id, const UserBuffers &buffers, uint64_t size_limit_bytes,
                              unsigned options = 0);
// At a given offset. O_APPEND: pwrite appends, as Linux does.
base::Result<size_t> fs_pread(Thread &thread, OpenFileId id, const UserBuffers &buffers, int64_t offset_bytes,
                              unsigned options = 0);
base::Result<size_t> fs_pwrite(Thread &thread, OpenFileId id, const UserBuffers &buffers, int64_t offset_bytes,
                               uint64_t size_limit_bytes, unsigned options = 0);
// copy_file_range(2) between two open files. An offset that is null: the shared one; whichever it is moves. Steps
// as those of a write. EBADF (also for O_APPEND), EISDIR, EINVAL (overlap), EOVERFLOW, EFBIG, ENOSPC.
base::Result<size_t> fs_copy_range(Thread &thread, OpenFileId from, int64_t *from_offset_bytes, OpenFileId to,
                                   int64_t *to_offset_bytes, size_t size_bytes, uint64_t size_limit_bytes);
// FICLONE, FICLONERANGE: data_clone between two open files. EBADF (access modes, O_APPEND), EISDIR, EINVAL,
// EOPNOTSUPP, EFBIG, ENOSPC.
base::Status fs_clone_range(Thread &thread, OpenFileId from, uint64_t from_offset_bytes, OpenFileId to,
                            uint64_t to_offset_bytes, uint64_t size_bytes, uint64_t size_limit_bytes);
// SEEK_SET, _CUR, _END, _DATA, _HOLE; a directory takes cookies.
base::Result<int64_t> fs_seek(Thread &thread, OpenFileId id, int64_t offset, int whence);
// getdents64(2) into application memory; 0 at the end. EINVAL when the buffer is too small for one.
base::Result<size_t> fs_getdents64(Thread &thread, OpenFileId id, void *user_buffer, size_t size_bytes);
base::Status fs_ftruncate(Thread &thread, OpenFileId id, int64_t size_bytes);
base::Status fs_fallocate(Thread &thread, OpenFileId id, int mode, int64_t offset_bytes, int64_t length_bytes);
// F_SETFL: O_APPEND, O_NONBLOCK, O_NOATIME, O_DIRECT may change.
base::Status fs_set_flags(Thread &thread, OpenFileId id, int flags);

} // namespace pmemfile
