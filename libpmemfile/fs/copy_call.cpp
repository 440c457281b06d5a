// The idea: what copy_file_range(2) and FICLONERANGE check, in Linux's order; the bytes are file/data_copy.cpp's.
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/open_inode.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "libpmemfile/runtime/open_access.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace pmemfile {
namespace {

constexpr size_t transfer_max_bytes = 0x7ffff000; // MAX_RW_COUNT of Linux

base::Result<OpenFile *> open_file_of(const Thread &thread, OpenFileId id) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    if ((file->flags.load() & O_PATH) != 0)
        return base::error(EBADF);
    return file;
}

// Not where the description has ended meanwhile: the offset would be another one's.
void set_offset(Thread &thread, OpenFile &file, OpenFileId id, int64_t offset_bytes) {
    const RobustGuard lock(thread, file.offset_lock);
    if (open_file_get(thread, id).ok())
        file.offset_bytes.store(offset_bytes, std::memory_order_release);
}

base::Status check_type(const Thread &thread, const OpenFile &file) {
    const Inode *inode = thread.pool->inode(file.inode.load());
    if (inode == nullptr)
        return base::error(EUCLEAN);
    if (S_ISDIR(inode->mode))
        return base::error(EISDIR);
    return S_ISREG(inode->mode) ? base::Status{} : base::Status{base::error(EINVAL)};
}

base::Status check_access(const OpenFile &source, const OpenFile &target) {
    const uint32_t target_flags = target.flags.load();
    if (!may_read_by(source.flags.load()) || !may_write_by(target_flags) || (target_flags & O_APPEND) != 0)
        return base::error(EBADF);
    return {};
}

} // namespace

base::Status fs_clone_range(Thread &thread, OpenFileId from, uint64_t from_offset_bytes, OpenFileId to,
                            uint64_t to_offset_bytes, uint64_t size_bytes, uint64_t size_limit_bytes) {
    BASE_TRY_ASSIGN(OpenFile * source, open_file_of(thread, from));
    BASE_TRY_ASSIGN(OpenFile * target, open_file_of(thread, to));
    BASE_TRY(check_type(thread, *source));
    BASE_TRY(check_type(thread, *target));
    BASE_TRY(check_access(*source, *target));
    if (from_offset_bytes > INT64_MAX || to_offset_bytes > INT64_MAX || size_bytes > INT64_MAX)
        return base::error(EINVAL);
    BASE_TRY_ASSIGN(const InodeHandle source_inode, open_inode(thread, *source, from));
    BASE_TRY_ASSIGN(const InodeHandle target_inode, open_inode(thread, *target, to));
    BASE_TRY(before_content_change(thread, target_inode.number));
    return of_open(data_clone(thread, source_inode.number, from_offset_bytes, target_inode.number, to_offset_bytes,
                              size_bytes, size_limit_bytes, source_inode.generation, target_inode.generation));
}

base::Result<size_t> fs_copy_range(Thread &thread, OpenFileId from, int64_t *from_offset_bytes, OpenFileId to,
                                   int64_t *to_offset_bytes, size_t size_bytes, uint64_t size_limit_bytes) {
    BASE_TRY_ASSIGN(OpenFile * source, open_file_of(thread, from));
    BASE_TRY_ASSIGN(OpenFile * target, open_file_of(thread, to));
    BASE_TRY(check_type(thread, *source));
    BASE_TRY(check_type(thread, *target));
    BASE_TRY(check_access(*source, *target));
    const int64_t from_offset = from_offset_bytes != nullptr ? *from_offset_bytes : source->offset_bytes.load();
    const int64_t to_offset = to_offset_bytes != nullptr ? *to_offset_bytes : target->offset_bytes.load();
    uint64_t end = 0;
    if (__builtin_add_overflow(static_cast<uint64_t>(from_offset), size_bytes, &end) ||
        __builtin_add_overflow(static_cast<uint64_t>(to_offset), size_bytes, &end))
        return base::error(EOVERFLOW);
    if (from_offset < 0 || to_offset < 0)
        return base::error(EINVAL);
    BASE_TRY_ASSIGN(const InodeHandle source_inode, open_inode(thread, *source, from));
    BASE_TRY_ASSIGN(const InodeHandle target_inode, open_inode(thread, *target, to));
    if (size_bytes != 0)
        BASE_TRY(before_content_change(thread, target_inode.number));
    BASE_TRY_ASSIGN(size_t done, of_open(data_copy(thread, source_inode.number, static_cast<uint64_t>(from_offset),
                                                   target_inode.number, static_cast<uint64_t>(to_offset),
                                                   std::min(size_bytes, transfer_max_bytes), size_limit_bytes,
                                                   source_inode.generation, target_inode.generation)));
    // As on Linux nothing keeps others from the shared offsets meanwhile.
    const auto moved = static_cast<int64_t>(done);
    if (from_offset_bytes != nullptr)
        *from_offset_bytes = from_offset + moved;
    else
        set_offset(thread, *source, from, from_offset + moved);
    if (to_offset_bytes != nullptr)
        *to_offset_bytes = to_offset + moved;
    else
        set_offset(thread, *target, to, to_offset + moved);
    return done;
}

} // namespace pmemfile
