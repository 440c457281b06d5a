#include "posix-shim/notify/mirror.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/open_calls.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/notify/companion.h"
#include "posix-shim/paths/descriptor_path.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/paths/runtime_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr std::string_view directory_mark = ".n";
constexpr unsigned look_interval = 64; // events between two looks whether anybody watches

// The lock that says that this process watches; a descriptor of ours, -1: it does not.
constinit std::atomic<int> locks[max_mounts] = {-1, -1, -1, -1, -1, -1, -1, -1};
constinit std::atomic<unsigned> events_since_look = 0;

unsigned bit_of(InodeNumber inode) {
    return static_cast<unsigned>((inode * 0x9e3779b97f4a7c15) >> 52); // 12 bits
}
static_assert(watch_words * 64 == 1 << 12);

MirrorPath root_path(const Pool &pool) {
    MirrorPath path;
    path.length = runtime_directory_path(pool, directory_mark, path.text);
    return path;
}

void add(MirrorPath &path, std::string_view text) {
    path.length = append_text(path.text, path.length, text);
}

MirrorPath lock_path(const Pool &pool) {
    MirrorPath path = root_path(pool);
    add(path, "/lock");
    return path;
}

bool is_same_file(long descriptor, const MirrorPath &path) {
    struct stat ours = {};
    struct stat there = {};
    return !base::is_error(base::raw_syscall(SYS_fstat, descriptor, base::as_long(&ours))) &&
           !base::is_error(base::raw_syscall(SYS_stat, path.raw(), base::as_long(&there))) &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

// What is made in the mirror has the modes that are asked for, whatever the umask of who makes it: others that may
// open the pool change it too. (A default access control list: system.posix_acl_default, u::rwx,g::rwx,o::rwx.)
void ignore_umask(const MirrorPath &root) {
    struct {
        uint32_t version = 2;
        struct {
            uint16_t tag, permissions;
            uint32_t id;
        } entries[3] = {{1, 7, ~0u}, {4, 7, ~0u}, {32, 7, ~0u}};
    } list;
    base::raw_syscall(SYS_setxattr, root.raw(), base::as_long("system.posix_acl_default"), base::as_long(&list),
                      sizeof list, 0);
}

// One process at a time makes what is missing.
class FillingLock {
public:
    explicit FillingLock(const Pool &pool) {
        MirrorPath path = root_path(pool);
        add(path, "/filling");
        descriptor_ =
            base::raw_syscall(SYS_openat, AT_FDCWD, path.raw(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (!base::is_error(descriptor_))
            base::raw_syscall(SYS_flock, descriptor_, LOCK_EX);
    }
    ~FillingLock() {
        if (!base::is_error(descriptor_))
            base::raw_syscall(SYS_close, descriptor_);
    }
    FillingLock(const FillingLock &) = delete;
    FillingLock &operator=(const FillingLock &) = delete;

private:
    long descriptor_;
};

// Holds the lock, so that the mirror stays. The descriptor goes on over exec, as the inotify descriptor may.
Status hold_lock(const Pool &pool, unsigned mount) {
    if (locks[mount].load() >= 0)
        return {};
    const MirrorPath root = root_path(pool);
    const MirrorPath path = lock_path(pool);
    for (;;) {
        BASE_TRY(runtime_directory_make(pool, root.text));
        ignore_umask(root);
        const long opened =
            base::raw_syscall(SYS_openat, AT_FDCWD, path.raw(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (opened == -ENOENT)
            continue; // taken away in between
        if (base::is_error(opened))
            return error(static_cast<int>(-opened));
        base::raw_syscall(SYS_flock, opened, LOCK_SH);
        if (!is_same_file(opened, path)) {
            base::raw_syscall(SYS_close, opened);
            continue;
        }
        const long own = descriptor_adopt_own(static_cast<int>(opened));
        if (base::is_error(own))
            return error(static_cast<int>(-own));
        base::raw_syscall(SYS_fcntl, own, F_SETFD, 0);
        locks[mount].store(static_cast<int>(own));
        return {};
    }
}

// The names of directory `inode` into the mirror at `path`; `visit` for each entry of a listing by getdents64.
template <typename Visit> void visit_entries(const std::byte *buffer, size_t length, Visit visit) {
    for (size_t at = 0; at < length;) {
        const auto *entry = reinterpret_cast<const dirent64 *>(buffer + at);
        at += entry->d_reclen;
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..")
            visit(*entry, name);
    }
}

void make_entry(const Thread &thread, const MirrorPath &directory, const dirent64 &entry, std::string_view name) {
    MirrorPath path = directory;
    add(path, "/");
    add(path, name);
    if (entry.d_type != DT_DIR && mirror_has(thread, entry.d_ino)) {
        const MirrorPath known = mirror_find(thread, entry.d_ino);
        if (known.length != 0 && base::raw_syscall(SYS_link, known.raw(), path.raw()) == 0)
            return;
    }
    if (mirror_make(path, entry.d_type == DT_DIR) == 0 && entry.d_type != DT_DIR)
        base::raw_syscall(SYS_truncate, path.raw(), 1); // that can be read: IN_ACCESS
}

Status copy_names(ThreadContext &context, Thread &thread, InodeNumber inode, const MirrorPath &path) {
    BASE_TRY_ASSIGN(const OpenFileId id, fs_open_inode(thread, inode, O_RDONLY | O_DIRECTORY));
    Result<size_t> length = size_t{0};
    while ((length = fs_getdents64(thread, id, context.buffer, sizeof context.buffer)).ok() && *length > 0)
        visit_entries(context.buffer, *length,
                      [&](const dirent64 &entry, std::string_view name) { make_entry(thread, path, entry, name); });
    fs_close(thread, id, false);
    if (!length.ok())
        return length.error();
    // What is left from before, and is in the pool no more.
    const long listing =
        base::raw_syscall(SYS_openat, AT_FDCWD, path.raw(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    long listed = 0;
    while (!base::is_error(listing) &&
           (listed = base::raw_syscall(SYS_getdents64, listing, base::as_long(context.buffer), sizeof context.buffer)) >
               0)
        visit_entries(context.buffer, static_cast<size_t>(listed), [&](const dirent64 &entry, std::string_view name) {
            if (const Result<WalkResult> found = walk(thread, inode, name, walk_may_escape);
                !found.ok() && found.error().number() == ENOENT)
                base::raw_syscall(SYS_unlinkat, listing, base::as_long(entry.d_name),
                                  entry.d_type == DT_DIR ? AT_REMOVEDIR : 0);
        });
    if (!base::is_error(listing))
        base::raw_syscall(SYS_close, listing);
    return {};
}

} // namespace

bool mirror_has(const Thread &thread, InodeNumber inode) {
    const unsigned bit = bit_of(inode);
    return (thread.pool->segment->watched[bit / 64].load(std::memory_order_relaxed) >> (bit % 64) & 1) != 0;
}

bool mirror_is_there(const MirrorPath &path) {
    return base::raw_syscall(SYS_faccessat, AT_FDCWD, path.raw(), F_OK) == 0;
}

MirrorPath mirror_place(const Thread &thread, InodeNumber inode, unsigned which) {
    MirrorPath path = root_path(*thread.pool);
    add(path, "/");
    path.length = append_hex(path.text, path.length, inode);
    for (unsigned i = 0; i < which; i++)
        add(path, "~");
    return path;
}

MirrorPath mirror_find(const Thread &thread, InodeNumber inode) {
    for (unsigned which = 0; which < mirror_places; which++)
        if (const MirrorPath path = mirror_place(thread, inode, which); mirror_is_there(path))
            return path;
    return {};
}

MirrorPath mirror_find(const Thread &thread, InodeNumber directory, std::string_view name) {
    if (directory == 0 || name.empty() || !mirror_has(thread, directory))
        return {};
    MirrorPath path = mirror_find(thread, directory);
    if (path.length != 0) {
        add(path, "/");
        add(path, name);
    }
    return path;
}

MirrorPath mirror_spare(const Thread &thread) {
    MirrorPath path = root_path(*thread.pool);
    add(path, "/spare-");
    path.length = append_hex(path.text, path.length, static_cast<uint64_t>(base::raw_syscall(SYS_gettid)));
    mirror_remove(path, false);
    mirror_remove(path, true);
    return path;
}

long mirror_make(const MirrorPath &path, bool is_directory) {
    return is_directory ? base::raw_syscall(SYS_mkdir, path.raw(), 0777)
                        : base::raw_syscall(SYS_mknod, path.raw(), S_IFREG | 0666, 0);
}

long mirror_remove(const MirrorPath &path, bool is_directory) {
    return base::raw_syscall(is_directory ? SYS_rmdir : SYS_unlink, path.raw());
}

Result<MirrorPath> mirror_watch(ThreadContext &context, Thread &thread, unsigned mount, InodeNumber inode,
                                bool is_directory, InodeNumber directory, std::string_view name) {
    BASE_TRY(hold_lock(*thread.pool, mount));
    const FillingLock filling(*thread.pool);
    Segment &segment = *thread.pool->segment;
    MirrorPath path = mirror_find(thread, inode);
    if (path.length != 0 && mirror_has(thread, inode))
        return path; // watched already: what happens is done to it
    if (path.length == 0) {
        path = mirror_place(thread, inode, 0);
        const MirrorPath named = mirror_find(thread, directory, name);
        long made = -ENOENT;
        if (!is_directory && named.length != 0)
            made = base::raw_syscall(SYS_link, named.raw(), path.raw());
        if (base::is_error(made)) {
            made = mirror_make(path, is_directory);
            if (!is_directory)
                base::raw_syscall(SYS_truncate, path.raw(), 1); // that can be read: IN_ACCESS
        }
        if (base::is_error(made) && made != -EEXIST)
            return error(static_cast<int>(-made));
    }
    // Others act on it from here on; what they did before has been done before we look.
    const unsigned bit = bit_of(inode);
    segment.watched[bit / 64].fetch_or(uint64_t{1} << (bit % 64));
    segment.watch_generation.fetch_add(1);
    if (is_directory)
        BASE_TRY(copy_names(context, thread, inode, path));
    return path;
}

void mirror_look(const Thread &thread) {
    if (events_since_look.fetch_add(1) % look_interval != look_interval - 1)
        return;
    const MirrorPath path = lock_path(*thread.pool);
    const long lock = base::raw_syscall(SYS_openat, AT_FDCWD, path.raw(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (base::is_error(lock))
        return;
    if (base::raw_syscall(SYS_flock, lock, LOCK_EX | LOCK_NB) == 0 && is_same_file(lock, path)) {
        Segment &segment = *thread.pool->segment;
        segment.watch_generation.store(0);
        for (std::atomic<uint64_t> &word : segment.watched)
            word.store(0);
        // Aside first: who watches from now on makes it anew.
        const MirrorPath root = root_path(*thread.pool);
        MirrorPath gone = root;
        add(gone, "-");
        gone.length = append_hex(gone.text, gone.length, static_cast<uint64_t>(base::raw_syscall(SYS_gettid)));
        if (base::raw_syscall(SYS_rename, root.raw(), gone.raw()) == 0)
            runtime_directory_remove(gone.text);
    }
    base::raw_syscall(SYS_close, lock);
}

void mirror_remove_all(const Pool &pool) {
    const MirrorPath root = root_path(pool);
    runtime_directory_remove(root.text);
}

void mirror_adopt(ThreadContext &context, int descriptor) {
    const Result<size_t> length = host_directory_path(descriptor, context.host_path[0], path_max_bytes);
    if (!length.ok())
        return;
    const std::string_view path(context.host_path[0], *length);
    for (unsigned mount = 0; mount < mount_count; mount++) {
        const MirrorPath lock = lock_path(mounts[mount].pool);
        const std::string_view lock_text(lock.text, lock.length);
        const std::string_view root = lock_text.substr(0, lock_text.rfind('/') + 1);
        if (!path.starts_with(root))
            continue;
        if (path == lock_text) {
            descriptor_protect_own(descriptor, -1);
            locks[mount].store(descriptor);
        } else if (!companion_adopt(context, mount, descriptor)) {
            base::raw_syscall(SYS_close, descriptor);
        }
        return;
    }
}

} // namespace shim
