// Names: "dir..." is a directory, "missing..." is not there, "out..." leaves the
// pool, everything else is a file. Open files live in a small table.
#include "tests/shim_files/fake_engine.h"

#include "intercept/include/pmemfile-intercept.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/open_path.h"
#include "libpmemfile/fs/shortage.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "libpmemfile/mapping/mapping_table.h"
#include "libpmemfile/mapping/size_change.h"
#include "libpmemfile/runtime/advisory_lock.h"
#include "posix-shim/descriptors/token.h"
#include "posix-shim/process/context.h"
#include "posix-shim/process/handover_lock.h"
#include "posix-shim/process/working_directory.h"

#include <cstdlib>
#include <cstring>
#include <sys/stat.h>

namespace fake {
std::string last_call;
int closed_count;
const char *word_path;
int word_path_hook;
std::string escape_text;
std::string content = "hello";
namespace {
pmemfile::OpenFile files[64];
pmemfile::Thread thread;
shim::ThreadContext context;
shim::WorkingDirectory cwd;
alignas(64) std::byte image[65536];
alignas(4096) std::byte segment[sizeof(pmemfile::Segment) + sizeof(pmemfile::ProcessSlot)]; // one process
} // namespace

void mount(const std::string &directory, const std::string &token_path) {
    shim::Mount &mount = shim::mounts[0];
    std::strcpy(mount.host_path, directory.c_str());
    mount.host_path_length = static_cast<unsigned>(directory.size());
    mount.device = 42;
    struct stat status;
    if (stat(directory.c_str(), &status) != 0)
        abort();
    mount.host_device = status.st_dev;
    mount.host_inode = status.st_ino;
    mount.pool.persist = pmemfile::Persist(image, sizeof(image), pmemfile::Medium{});
    mount.pool.superblock_offset = 4096;
    mount.pool.segment = reinterpret_cast<pmemfile::Segment *>(segment);
    mount.pool.segment->processes_offset = sizeof(pmemfile::Segment);
    reinterpret_cast<pmemfile::Superblock *>(image + 4096)->root_inode = root_inode;
    if (shim::token_file_open(mount, token_path.c_str()) != 0)
        abort();
    shim::mount_count = 1;
}
} // namespace fake

namespace shim {
void handover_lock(ThreadContext &) {}
void handover_unlock(ThreadContext &) {}
constinit Mount mounts[max_mounts];
constinit unsigned mount_count;
constinit thread_local ThreadContext *context_of_thread = &fake::context;
ThreadContext *context_make() {
    return nullptr;
}
base::Result<pmemfile::Thread *> context_register(ThreadContext &, unsigned mount) {
    fake::thread.pool = &mounts[mount].pool;
    return &fake::thread;
}
constinit std::atomic<bool> root_was_changed = false;
WorkingDirectory beginning_directory(Beginning) {
    return fake::cwd;
}
void host_root_note() {}
bool is_only_thread(unsigned) {
    return false;
}
void beginning_directory_set(Beginning, const WorkingDirectory &next) {
    fake::cwd = next;
}
} // namespace shim

namespace pmemfile {

using base::error;
using base::Result;
using base::Status;

namespace {

InodeNumber named(std::string_view path) {
    size_t slash = path.rfind('/');
    std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (path == ".")
        return fake::root_inode;
    return name.starts_with("dir") ? fake::directory_inode : fake::file_inode;
}

Status note(const char *what, const At &at) {
    if (at.path.starts_with("out")) {
        fake::thread.escape_length = static_cast<unsigned>(fake::escape_text.size());
        std::memcpy(fake::thread.escape_path, fake::escape_text.data(), fake::escape_text.size());
        return error(path_escapes);
    }
    if (at.path.starts_with("missing"))
        return error(ENOENT);
    fake::last_call = std::string(what) + " " + std::to_string(at.start) + ":" + std::string(at.path);
    return {};
}

OpenFileId make_open(InodeNumber inode, int flags) {
    for (unsigned i = 1; i < 64; i++)
        if (fake::files[i].nonce.load() == 0) {
            fake::files[i].nonce = 7;
            fake::files[i].inode = inode;
            fake::files[i].flags = static_cast<uint32_t>(flags);
            fake::files[i].offset_bytes = 0;
            return i | uint64_t{7} << 16;
        }
    abort();
}

} // namespace

bool shortage_relieve(Thread &) {
    return false;
}
Status fs_check_open_flags(int) {
    return {};
}

Result<WalkResult> walk(Thread &, InodeNumber start, std::string_view path, unsigned) {
    std::string before = fake::last_call;
    Status noted = note("walk", {start, path});
    fake::last_call = before;
    BASE_TRY(noted);
    WalkResult result;
    result.inode = path == "." ? start : named(path);
    return result;
}
Result<size_t> directory_path(Thread &, InodeNumber inode, char *buffer, size_t) {
    const char *path = inode == fake::root_inode ? "/" : "/dir";
    std::strcpy(buffer, path);
    return std::strlen(path);
}
Result<size_t> fs_open_path(Thread &thread, OpenFileId id, char *buffer, size_t size_bytes) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    return directory_path(thread, file->inode.load(), buffer, size_bytes);
}
Result<OpenFileId> fs_open(Thread &, const At &at, int flags, mode_t) {
    BASE_TRY(note("open", at));
    return make_open(named(at.path), flags);
}
Result<OpenFileId> fs_open_unnamed(Thread &, InodeHandle, int, mode_t) {
    return error(EOPNOTSUPP);
}
Result<OpenFileId> fs_open_inode(Thread &, InodeHandle handle, int flags) {
    return make_open(handle.number, flags);
}
Result<OpenFile *> open_file_get(const Thread &, OpenFileId id) {
    OpenFile *file = id % 65536 < 64 ? &fake::files[id % 65536] : nullptr;
    if (file == nullptr || file->nonce.load() != id >> 16 || id >> 16 == 0)
        return error(EBADF);
    return file;
}
Status open_file_reference(Thread &, OpenFileId) {
    return {};
}
Status open_file_send(Thread &, OpenFileId) {
    return {};
}
void fs_land(Thread &, OpenFileId) {}
void fs_close(Thread &, OpenFileId id, bool) {
    fake::files[id % 64].nonce = 0;
    fake::closed_count++;
}
Result<size_t> fs_pread(Thread &, OpenFileId, const UserBuffers &buffers, int64_t offset, unsigned) {
    size_t done = 0;
    for (unsigned i = 0; i < buffers.count; i++) {
        size_t at = static_cast<size_t>(offset) + done;
        size_t length = at < fake::content.size() ? std::min(buffers.vectors[i].iov_len, fake::content.size() - at) : 0;
        std::memcpy(buffers.vectors[i].iov_base, fake::content.data() + at, length);
        done += length;
    }
    return done;
}
Result<size_t> fs_read(Thread &thread, OpenFileId id, const UserBuffers &buffers, unsigned) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    BASE_TRY_ASSIGN(size_t length, fs_pread(thread, id, buffers, file->offset_bytes.load(), 0));
    file->offset_bytes += static_cast<int64_t>(length);
    return length;
}
Result<size_t> fs_pwrite(Thread &, OpenFileId, const UserBuffers &buffers, int64_t, uint64_t, unsigned) {
    return buffers.vectors[0].iov_len;
}
Result<size_t> fs_write(Thread &, OpenFileId, const UserBuffers &buffers, uint64_t, unsigned) {
    fake::content.append(static_cast<const char *>(buffers.vectors[0].iov_base), buffers.vectors[0].iov_len);
    return buffers.vectors[0].iov_len;
}
Result<size_t> fs_copy_range(Thread &, OpenFileId, int64_t *, OpenFileId, int64_t *, size_t size_bytes, uint64_t) {
    return size_bytes;
}
Status fs_clone_range(Thread &, OpenFileId, uint64_t, OpenFileId, uint64_t, uint64_t, uint64_t) {
    return {};
}
Result<int64_t> fs_seek(Thread &thread, OpenFileId id, int64_t offset, int whence) {
    BASE_TRY_ASSIGN(OpenFile * file, open_file_get(thread, id));
    file->offset_bytes = whence == SEEK_CUR ? file->offset_bytes.load() + offset : offset;
    return int64_t{file->offset_bytes.load()};
}
Result<size_t> fs_getdents64(Thread &, OpenFileId, void *, size_t) {
    return size_t{0};
}
Status fs_ftruncate(Thread &, OpenFileId, int64_t) {
    return {};
}
Status fs_fallocate(Thread &, OpenFileId, int, int64_t, int64_t) {
    return {};
}
Status fs_set_flags(Thread &, OpenFileId, int) {
    return {};
}
Result<Attributes> fs_attributes(Thread &, InodeHandle handle) {
    Attributes attributes;
    attributes.inode = handle.number;
    attributes.mode = handle.number == fake::file_inode ? 0100644 : 040755;
    attributes.link_count = 1;
    attributes.size_bytes = fake::content.size();
    return attributes;
}
Status fs_stat(Thread &thread, InodeHandle handle, uint64_t device, struct stat *status) {
    const Attributes attributes = *fs_attributes(thread, handle);
    std::memset(status, 0, sizeof(*status));
    status->st_ino = attributes.inode;
    status->st_mode = attributes.mode;
    status->st_dev = device;
    return {};
}
Status fs_chmod(Thread &, InodeHandle, mode_t) {
    return {};
}
Status fs_chown(Thread &, InodeHandle, uid_t, gid_t) {
    return {};
}
Status fs_utimens(Thread &, InodeHandle, const struct timespec *) {
    return {};
}
Status fs_truncate(Thread &, InodeHandle, int64_t, bool) {
    return {};
}
Status fs_access(Thread &, InodeHandle, int, bool) {
    return {};
}
void fs_statfs(Thread &, struct statfs *) {}
Status fs_setxattr(Thread &, InodeHandle handle, std::string_view name, const void *, size_t size_bytes, int flags) {
    fake::last_call = "setxattr " + std::to_string(handle.number) + " " + std::string(name) + " " +
                      std::to_string(size_bytes) + " " + std::to_string(flags);
    return {};
}
Result<size_t> fs_getxattr(Thread &, InodeHandle handle, std::string_view name, void *, size_t size_bytes) {
    fake::last_call =
        "getxattr " + std::to_string(handle.number) + " " + std::string(name) + " " + std::to_string(size_bytes);
    return size_bytes;
}
Result<size_t> fs_listxattr(Thread &, InodeHandle handle, void *, size_t size_bytes) {
    fake::last_call = "listxattr " + std::to_string(handle.number) + " " + std::to_string(size_bytes);
    return size_bytes;
}
Status fs_removexattr(Thread &, InodeHandle handle, std::string_view name) {
    fake::last_call = "removexattr " + std::to_string(handle.number) + " " + std::string(name);
    return {};
}
Result<InodeNumber> fs_mknod(Thread &, const At &at, mode_t, uint64_t) {
    BASE_TRY(note("mknod", at));
    return fake::file_inode;
}
Status fs_mkdir(Thread &, const At &at, mode_t) {
    return note("mkdir", at);
}
Status fs_rmdir(Thread &, const At &at) {
    return note("rmdir", at);
}
Status fs_unlink(Thread &, const At &at) {
    return note("unlink", at);
}
Status fs_symlink(Thread &, std::string_view target, const At &at) {
    return note(("symlink " + std::string(target)).c_str(), at);
}
Status fs_link(Thread &, InodeHandle handle, const At &to) {
    return note(("link " + std::to_string(handle.number)).c_str(), to);
}
Status fs_rename(Thread &, const At &from, const At &to, unsigned) {
    return note(("rename " + std::string(from.path)).c_str(), to);
}
Result<size_t> fs_readlink(Thread &, InodeHandle, char *buffer, size_t) {
    std::memcpy(buffer, "target", 6);
    return size_t{6};
}
Status advisory_lock_set(Thread &, InodeNumber, const LockOwner &, short type, LockRange range, bool, bool (*)()) {
    fake::last_call =
        "lock " + std::to_string(type) + " " + std::to_string(range.first_byte) + "-" + std::to_string(range.last_byte);
    return {};
}
Status advisory_lock_get(Thread &, InodeNumber, const LockOwner &, struct flock *lock, LockRange) {
    lock->l_type = F_UNLCK;
    return {};
}
bool advisory_lock_next(Thread &, InodeNumber, OpenFileId, HeldLock *) {
    return false;
}
size_t advisory_lock_posix_files(Thread &, std::span<InodeNumber>) {
    return 0;
}
void advisory_lock_drop_posix(Thread &, InodeNumber) {}
bool mapping_look(uint64_t, Mapping *, PinnedFile *) { // nothing is mapped
    return false;
}
Result<size_t> fs_inode_path(Thread &, InodeNumber, InodeNumber, char *, size_t) {
    return error(ENOENT);
}
void mapping_file_cut(const MappingCaller &, uint64_t, InodeNumber) {}
// Not the engine's own: the fake image is never written through it.
Persist::Persist(std::byte *base, uint64_t size_bytes, Medium) : base_(base), size_bytes_(size_bytes) {}

} // namespace pmemfile

int intercept_set_word_path(int id, const char *path) {
    fake::word_path = path;
    fake::word_path_hook = id;
    return 0;
}
