// The idea: an open file is a description in the runtime segment that keeps its
// inode alive. It is made under the inode's stripe lock (or, for a new file, under
// its parent's), so whoever removes the last name sees it or comes first.
//
//     open existing:  walk ─► lock inode ─► check, make description ─► unlock     no record
//     create:         walk ─► inode + description ─► lock parent ─► record        one record
//     O_TMPFILE:      the same, with an orphan slot in place of the name          one record
#include "libpmemfile/fs/open_calls.h"

#include "base/user_copy.h"
#include "libpmemfile/file/allocate_mode.h"
#include "libpmemfile/file/user_cursor.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/fresh_file.h"
#include "libpmemfile/fs/open_inode.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/fs/permission.h"
#include "libpmemfile/fs/place.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "libpmemfile/runtime/open_access.h"
#include "libpmemfile/runtime/stripe.h"
#include "libpmemfile/runtime/transaction_gate.h"
#include "libpmemfile/space/allocator.h"

#include <climits>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace pmemfile {
namespace {

// A walk that is overtaken this often is not overtaken: the pool is damaged, and a name leads
// to an inode whose link count says that it has none.
constexpr unsigned max_tries = 10000;

// Status flags that F_GETFL tells; the rest acts only while opening.
constexpr int kept_flags = O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY |
                           O_NOFOLLOW | O_NOATIME | O_PATH | O_ASYNC | O_TMPFILE;
constexpr int changeable_flags = O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT;

// O_TMPFILE by its own bit, with or without O_DIRECTORY.
bool is_unnamed(int flags) {
    return (flags & O_TMPFILE & ~O_DIRECTORY) != 0;
}

// May this inode be opened so? (open(2))
base::Status check_open(const Thread &thread, const Inode &inode, int flags) {
    const bool is_directory = S_ISDIR(inode.mode);
    if ((flags & O_DIRECTORY) != 0 && !is_directory)
        return base::error(ENOTDIR); // before ELOOP for a symlink
    if ((flags & O_PATH) != 0)
        return {};
    if (S_ISLNK(inode.mode))
        return base::error(ELOOP);
    const bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
    if (is_directory && (writes || (flags & O_CREAT) != 0))
        return base::error(EISDIR);
    unsigned access = writes ? unsigned{may_write} : 0u;
    if ((flags & O_ACCMODE) != O_WRONLY)
        access |= may_read;
    BASE_TRY(permission_check(thread, inode, access));
    if (!S_ISREG(inode.mode) && !is_directory)
        return base::error(ENXIO);
    if ((flags & O_NOATIME) != 0)
        BASE_TRY(permission_owner(thread, inode));
    return is_directory && (flags & O_DIRECT) != 0 ? base::error(EINVAL) : base::Status();
}

uint32_t description_flags(int flags) {
    if ((flags & O_PATH) != 0)
        return static_cast<uint32_t>(flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW));
    return static_cast<uint32_t>((flags | O_LARGEFILE) & kept_flags);
}

// Makes the new file and its description; the place is locked and unchanged.
base::Result<OpenFileId> create_and_open(Call &call, FreshFile &fresh, const WalkResult &place, mode_t mode) {
    Thread &thread = call.thread();
    BASE_TRY(permission_check(thread, *call.pool().inode(place.parent), may_write | may_execute));
    BASE_TRY_ASSIGN(DirectoryRoom room, directory_reserve(call, place.parent, place.name));
    if (room.wants_empty_call) {
        fresh.give_up();
        BASE_TRY_ASSIGN(room, directory_reserve(call, place.parent, place.name));
    }
    Inode directory = *call.pool().inode(place.parent);
    Inode inode;
    BASE_TRY_ASSIGN(InodeNumber number, new_inode(call, directory, S_IFREG | (mode & 07777), &inode, fresh.number()));
    BASE_TRY(directory_insert(call, place.parent, directory, room, place.name, number, DT_REG));
    touch_directory(directory, inode.ctime_ns);
    store_changes(call, place.parent, directory);
    return fresh.commit(number, inode);
}

// O_CREAT where the walk met nothing. The result is false when the name has come to be meanwhile.
base::Result<bool> try_create(Thread &thread, const WalkResult &place, int flags, mode_t mode, OpenFileId *id) {
    if (place.wants_directory)
        return base::error(EISDIR);
    Call call(thread);
    FreshFile fresh(call, description_flags(flags) | open_made_file);
    fresh.prepare();
    BASE_TRY(call.lock({place.parent}));
    Dentry dentry;
    BASE_TRY_ASSIGN(bool unchanged, place_is_unchanged(call, place, &dentry));
    if (!unchanged)
        return false;
    BASE_TRY_ASSIGN(*id, create_and_open(call, fresh, place, mode));
    return true;
}

// Where its name is looked for, if somebody asks (open_path.h).
void note_parent(Thread &thread, OpenFileId id, InodeNumber parent) {
    if (auto file = open_file_get(thread, id); file.ok())
        (*file)->parent.store(parent, std::memory_order_relaxed);
}

// O_TMPFILE: the path names the directory.
base::Result<OpenFileId> open_unnamed_at(Thread &thread, const At &at, int flags, mode_t mode) {
    const unsigned follow = (flags & O_NOFOLLOW) == 0 ? unsigned{walk_follow_last} : 0u;
    for (unsigned tries = 0; tries < max_tries; ++tries) {
        BASE_TRY_ASSIGN(WalkResult place, walk(thread, at.start, at.path, at.flags | follow));
        auto id = fs_open_unnamed(thread, place.handle(), flags, mode);
        if (id.ok() || id.error().number() != ESTALE)
            return id;
    }
    return base::error(EUCLEAN);
}

// EUCLEAN; EBADF where it is none for the description has ended.
base::Result<const Inode *> inode_of(const Thread &thread, const OpenFile &file, OpenFileId id) {
    const Inode *inode = thread.pool->inode(file.inode.load(std::memory_order_relaxed));
    if (inode == nullptr)
        BASE_TRY(open_file_get(thread, id));
    return inode == nullptr ? base::Result<const Inode *>(base::error(EUCLEAN)) : inode;
}

// The description for reading or writing data: access mode and file type are right, and the end of what is to be moved
// can be said in an offset. `offset_bytes` -1: the description's own.
[[gnu::always_inline]] inline base::Result<OpenFile *> data_file(Thread &thread, OpenFileId id, bool for_writing,
                                                                 int64_t offset_bytes = -1,
                                                                 const UserBuffers &buffers = {}) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    const uint32_t flags = file->flags.load(std::memory_order_relaxed);
    if (for_writing ? !may_write_by(flags) : !may_read_by(flags))
        return base::error(EBADF);
    if (offset_bytes < 0)
        offset_bytes = file->offset_bytes.load(std::memory_order_relaxed);
    if (total_bytes(buffers) > static_cast<uint64_t>(INT64_MAX - offset_bytes))
        return base::error(EINVAL);
    const Inode *inode = thread.pool->inode(file->inode.load(std::memory_order_relaxed));
    if (inode == nullptr) [[unlikely]] {
        BASE_TRY_ASSIGN(inode, inode_of(thread, *file, id));
    }
    if (S_ISDIR(inode->mode))
        return base::error(EISDIR);
    if (for_writing)
        BASE_TRY(before_content_change(thread, file->inode.load(std::memory_order_relaxed)));
    return file;
}

bool appends(const OpenFile &file, unsigned options) {
    return (options & io_append) != 0 ||
           ((file.flags.load(std::memory_order_relaxed) & O_APPEND) != 0 && (options & io_no_append) == 0);
}

// RWF_NOWAIT: does somebody hold what the call needs? It may still have to wait for a moment,
// if he comes between this look and its own.
bool would_wait(const Thread &thread, const OpenFile &file, unsigned options) {
    return (options & io_no_wait) != 0 && stripe_state(thread, file.inode.load()).lock.word.load() != 0;
}

bool would_wait_to_write(const Thread &thread, const OpenFile &file, unsigned options) {
    return would_wait(thread, file, options) || ((options & io_no_wait) != 0 && transaction_bars(thread));
}

bool offset_would_wait(const OpenFile &file, unsigned options) {
    return (options & io_no_wait) != 0 && file.offset_lock.word.load() != 0;
}

// What fs_getdents64 has put into the application's buffer so far.
struct DirentBuffer {
    std::byte *user = nullptr;
    size_t size_bytes = 0;
    size_t used_bytes = 0;
    uint64_t next_cookie = 0; // where the next call goes on
    // Entries of one position are handed out together, or not at all (names/directory.h).
    bool in_group = false;
    size_t group_begin_bytes = 0;
    uint64_t group_cookie = 0;
    int error = 0;
};

bool emit_dirent(void *context, std::string_view name, InodeNumber inode, uint8_t type, uint64_t cookie,
                 bool same_position) {
    auto &buffer = *static_cast<DirentBuffer *>(context);
    constexpr size_t name_offset = offsetof(struct dirent64, d_name);
    const size_t length = (name_offset + name.size() + 1 + 7) & ~size_t{7};
    alignas(8) std::byte bytes[(name_offset + name_max_bytes + 1 + 7) & ~size_t{7}] = {};
    if (!buffer.in_group) {
        buffer.group_begin_bytes = buffer.used_bytes;
        buffer.group_cookie = buffer.next_cookie;
    }
    auto refuse = [&](int error) {
        buffer.used_bytes = buffer.group_begin_bytes;
        buffer.next_cookie = buffer.group_cookie;
        buffer.error = error;
        return false;
    };
    if (length > buffer.size_bytes - buffer.used_bytes)
        return refuse(EINVAL);
    auto store = [&](size_t offset, auto value) { std::memcpy(bytes + offset, &value, sizeof(value)); };
    store(offsetof(struct dirent64, d_ino), inode);
    store(offsetof(struct dirent64, d_off), cookie);
    store(offsetof(struct dirent64, d_reclen), static_cast<uint16_t>(length));
    store(offsetof(struct dirent64, d_type), type);
    std::memcpy(bytes + name_offset, name.data(), name.size());
    if (base_user_copy(buffer.user + buffer.used_bytes, bytes, length) != 0)
        return refuse(EFAULT);
    buffer.used_bytes += length;
    buffer.next_cookie = cookie;
    buffer.in_group = same_position;
    return true;
}

base::Result<int64_t> seek_directory(OpenFile &file, int64_t offset, int whence) {
    if (whence != SEEK_SET && whence != SEEK_CUR)
        return base::error(EINVAL);
    if (whence == SEEK_CUR && __builtin_add_overflow(offset, file.offset_bytes.load(), &offset))
        return base::error(EINVAL);
    if (offset < 0)
        return base::error(EINVAL);
    file.offset_bytes.store(offset, std::memory_order_release);
    return offset;
}

} // namespace

base::Status fs_check_open_flags(int flags) {
    if ((flags & O_PATH) != 0)
        return {};
    if (is_unnamed(flags) && ((flags & (O_TMPFILE | O_CREAT)) != O_TMPFILE || (flags & O_ACCMODE) == O_RDONLY))
        return base::error(EINVAL);
    if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
        return base::error(EINVAL);
    return {};
}

base::Result<OpenFileId> fs_open_inode(Thread &thread, InodeHandle handle, int flags) {
    BASE_TRY(fs_check_open_flags(flags));
    OpenFileId id = 0;
    {
        RobustGuard lock(thread, stripe_state(thread, handle.number).lock);
        BASE_TRY_ASSIGN(const Inode *inode, handle_inode(*thread.pool, handle));
        if (inode->link_count == 0 && handle.generation != 0)
            return base::error(ESTALE); // the name is gone: look again
        BASE_TRY(check_open(thread, *inode, flags));
        BASE_TRY_ASSIGN(id, open_file_create(thread, handle.number, inode->generation, description_flags(flags)));
    }
    if ((flags & (O_TRUNC | O_PATH)) == O_TRUNC) {
        base::Status truncated = before_content_change(thread, handle.number);
        if (truncated.ok())
            truncated = data_truncate(thread, handle.number, 0);
        if (!truncated.ok()) {
            fs_close(thread, id, false);
            return truncated.error();
        }
    }
    return id;
}

base::Result<OpenFileId> fs_open_unnamed(Thread &thread, InodeHandle directory, int flags, mode_t mode) {
    BASE_TRY(fs_check_open_flags(flags));
    Call call(thread);
    BASE_TRY(call.lock({directory.number}));
    BASE_TRY_ASSIGN(const Inode *home, handle_inode(call.pool(), directory));
    if (!S_ISDIR(home->mode))
        return base::error(ENOTDIR);
    BASE_TRY(permission_check(thread, *home, may_write | may_execute));
    Inode inode;
    BASE_TRY_ASSIGN(InodeNumber number, new_inode(call, *home, S_IFREG | (mode & 07777), &inode));
    inode.link_count = 0;
    if ((flags & O_EXCL) == 0)
        inode.flags |= inode_linkable;
    BASE_TRY_ASSIGN(inode.orphan_slot, orphan_slot_take(call, number));
    return FreshFile(call, description_flags(flags)).commit(number, inode);
}

base::Result<OpenFileId> fs_open(Thread &thread, const At &at, int flags, mode_t mode) {
    BASE_TRY(fs_check_open_flags(flags));
    if ((flags & O_PATH) != 0)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    if (is_unnamed(flags))
        return open_unnamed_at(thread, at, flags, mode);
    const bool creates = (flags & O_CREAT) != 0;
    const bool exclusive = creates && (flags & O_EXCL) != 0;
    unsigned walk_flags = at.flags | (creates ? unsigned{walk_create} : 0u);
    // Whatever stands there, a file cannot be made by a path that ends in a slash: EISDIR below.
    const bool ends_in_slash = at.path.ends_with('/');
    if ((flags & O_NOFOLLOW) == 0 && !exclusive && !(creates && ends_in_slash))
        walk_flags |= walk_follow_last;
    for (unsigned tries = 0; tries < max_tries; ++tries) {
        BASE_TRY_ASSIGN(WalkResult place, walk(thread, at.start, at.path, walk_flags));
        if (place.inode == 0) {
            OpenFileId id = 0;
            BASE_TRY_ASSIGN(bool created, try_create(thread, place, flags, mode, &id));
            if (created) {
                note_parent(thread, id, place.parent);
                return id;
            }
            continue;
        }
        const bool is_dots = place.name == "." || place.name == "..";
        if (creates && place.wants_directory && !is_dots)
            return base::error(EISDIR);
        if (exclusive)
            return base::error(EEXIST);
        auto id = fs_open_inode(thread, place.handle(), flags);
        if (id.ok())
            note_parent(thread, *id, place.parent);
        if (id.ok() || id.error().number() != ESTALE)
            return id;
    }
    return base::error(EUCLEAN);
}

void fs_land(Thread &thread, OpenFileId id) {
    if (InodeNumber ended = open_file_land(thread, id)) {
        advisory_lock_drop_description(thread, id);
        orphan_collect(thread, ended);
    }
}

void fs_close(Thread &thread, OpenFileId id, bool drop_posix_locks) {
    auto file = open_file_get(thread, id);
    if (!file.ok())
        return;
    if (drop_posix_locks)
        advisory_lock_drop_posix(thread, (*file)->inode.load());
    if (InodeNumber ended = open_file_unreference(thread, id)) {
        advisory_lock_drop_description(thread, id);
        orphan_collect(thread, ended);
    }
}

base::Result<size_t> fs_read(Thread &thread, OpenFileId id, const UserBuffers &buffers, unsigned options) {
    BASE_TRY_ASSIGN(OpenFile * file, data_file(thread, id, false, -1, buffers));
    if (would_wait(thread, *file, options) || offset_would_wait(*file, options))
        return base::error(EAGAIN);
    RobustGuard lock(thread, file->offset_lock);
    BASE_TRY_ASSIGN(const InodeHandle inode, open_inode(thread, *file, id));
    const int64_t offset = file->offset_bytes.load(std::memory_order_relaxed);
    BASE_TRY_ASSIGN(size_t done,
                    of_open(data_read(thread, inode.number, static_cast<uint64_t>(offset), buffers, inode.generation)));
    file->offset_bytes.store(offset + static_cast<int64_t>(done), std::memory_order_release);
    return done;
}

base::Result<size_t> fs_write(Thread &thread, OpenFileId id, const UserBuffers &buffers, uint64_t size_limit_bytes,
                              unsigned options) {
    BASE_TRY_ASSIGN(OpenFile * file, data_file(thread, id, true, -1, buffers));
    if (would_wait_to_write(thread, *file, options) || offset_would_wait(*file, options))
        return base::error(EAGAIN);
    RobustGuard lock(thread, file->offset_lock);
    BASE_TRY_ASSIGN(const InodeHandle inode, open_inode(thread, *file, id));
    auto offset = static_cast<uint64_t>(file->offset_bytes.load(std::memory_order_relaxed));
    BASE_TRY_ASSIGN(size_t done, of_open(data_write(thread, inode.number, &offset, buffers, appends(*file, options),
                                                    size_limit_bytes, (options & io_atomic) != 0, inode.generation)));
    file->offset_bytes.store(static_cast<int64_t>(offset + done), std::memory_order_release);
    return done;
}

base::Result<size_t> fs_pread(Thread &thread, OpenFileId id, const UserBuffers &buffers, int64_t offset_bytes,
                              unsigned options) {
    if (offset_bytes < 0)
        return base::error(EINVAL);
    BASE_TRY_ASSIGN(OpenFile * file, data_file(thread, id, false, offset_bytes, buffers));
    if (would_wait(thread, *file, options))
        return base::error(EAGAIN);
    BASE_TRY_ASSIGN(const InodeHandle inode, open_inode(thread, *file, id));
    return of_open(data_read(thread, inode.number, static_cast<uint64_t>(offset_bytes), buffers, inode.generation));
}

base::Result<size_t> fs_pwrite(Thread &thread, OpenFileId id, const UserBuffers &buffers, int64_t offset_bytes,
                               uint64_t size_limit_bytes, unsigned options) {
    if (offset_bytes < 0)
        return base::error(EINVAL);
    BASE_TRY_ASSIGN(OpenFile * file, data_file(thread, id, true, offset_bytes, buffers));
    if (would_wait_to_write(thread, *file, options))
        return base::error(EAGAIN);
    auto offset = static_cast<uint64_t>(offset_bytes);
    const bool at_end = appends(*file, options);
    BASE_TRY_ASSIGN(const InodeHandle inode, open_inode(thread, *file, id));
    return of_open(data_write(thread, inode.number, &offset, buffers, at_end, size_limit_bytes,
                              (options & io_atomic) != 0, inode.generation));
}

base::Result<int64_t> fs_seek(Thread &thread, OpenFileId id, int64_t offset, int whence) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    if ((file->flags.load() & O_PATH) != 0)
        return base::error(EBADF);
    RobustGuard lock(thread, file->offset_lock);
    BASE_TRY(open_inode(thread, *file, id));
    BASE_TRY_ASSIGN(const Inode *inode, inode_of(thread, *file, id));
    if (S_ISDIR(inode->mode))
        return seek_directory(*file, offset, whence);
    int64_t base_bytes = 0;
    switch (whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        base_bytes = file->offset_bytes.load();
        break;
    case SEEK_END: {
        BASE_TRY_ASSIGN(Attributes attributes, fs_attributes(thread, file->inode.load()));
        base_bytes = static_cast<int64_t>(attributes.size_bytes);
        break;
    }
    case SEEK_DATA:
    case SEEK_HOLE: {
        if (offset < 0)
            return base::error(ENXIO);
        BASE_TRY_ASSIGN(uint64_t found,
                        data_seek(thread, file->inode.load(), static_cast<uint64_t>(offset), whence == SEEK_HOLE));
        offset = static_cast<int64_t>(found);
        break;
    }
    default:
        return base::error(EINVAL);
    }
    if (__builtin_add_overflow(offset, base_bytes, &offset) || offset < 0)
        return base::error(EINVAL);
    file->offset_bytes.store(offset, std::memory_order_release);
    return offset;
}

base::Result<size_t> fs_getdents64(Thread &thread, OpenFileId id, void *user_buffer, size_t size_bytes) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    if ((file->flags.load() & O_PATH) != 0)
        return base::error(EBADF);
    BASE_TRY_ASSIGN(const Inode *inode, inode_of(thread, *file, id));
    if (!S_ISDIR(inode->mode))
        return base::error(ENOTDIR);
    RobustGuard lock(thread, file->offset_lock);
    BASE_TRY(open_inode(thread, *file, id));
    DirentBuffer buffer;
    buffer.user = static_cast<std::byte *>(user_buffer);
    buffer.size_bytes = size_bytes <= INT_MAX ? size_bytes : 0; // Linux counts it in an int
    buffer.next_cookie = static_cast<uint64_t>(file->offset_bytes.load());
    BASE_TRY(directory_read(thread, file->inode.load(), buffer.next_cookie, emit_dirent, &buffer));
    if (buffer.used_bytes == 0 && buffer.error != 0)
        return base::error(buffer.error);
    file->offset_bytes.store(static_cast<int64_t>(buffer.next_cookie), std::memory_order_release);
    return buffer.used_bytes;
}

base::Status fs_ftruncate(Thread &thread, OpenFileId id, int64_t size_bytes) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    if (size_bytes < 0)
        return base::error(EINVAL);
    const uint32_t flags = file->flags.load();
    if ((flags & O_PATH) != 0)
        return base::error(EBADF);
    if (!may_write_by(flags))
        return base::error(EINVAL);
    BASE_TRY_ASSIGN(const InodeHandle inode, open_inode(thread, *file, id));
    return of_open(fs_truncate(thread, inode, size_bytes, false));
}

base::Status fs_fallocate(Thread &thread, OpenFileId id, int mode, int64_t offset_bytes, int64_t length_bytes) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    if ((file->flags.load() & O_PATH) != 0)
        return base::error(EBADF);
    if (offset_bytes < 0 || length_bytes <= 0)
        return base::error(EINVAL);
    BASE_TRY(allocate_mode_check(mode));
    BASE_TRY(data_file(thread, id, true));
    BASE_TRY_ASSIGN(const InodeHandle inode, open_inode(thread, *file, id));
    return of_open(data_allocate(thread, inode.number, mode, static_cast<uint64_t>(offset_bytes),
                                 static_cast<uint64_t>(length_bytes), inode.generation));
}

base::Status fs_set_flags(Thread &thread, OpenFileId id, int flags) {
    const RobustGuard lock(thread, thread.pool->segment->open_files_lock); // it does not end meanwhile
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    const uint32_t former = file->flags.load();
    if ((former & O_PATH) != 0)
        return base::error(EBADF);
    BASE_TRY_ASSIGN(const Inode *inode, inode_of(thread, *file, id));
    if ((flags & O_NOATIME) != 0 && (former & O_NOATIME) == 0)
        BASE_TRY(permission_owner(thread, *inode));
    if ((flags & O_DIRECT) != 0 && S_ISDIR(inode->mode))
        return base::error(EINVAL);
    file->flags.store((former & ~uint32_t{changeable_flags}) | (static_cast<uint32_t>(flags) & changeable_flags));
    return {};
}

} // namespace pmemfile
