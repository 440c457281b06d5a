// A copy carries the times of what it is a copy of: modification time the pool file's, access
// time the pool file's change time. They, the size and the pool's own name tell whether it is still good.
#include "posix-shim/process/shadow.h"

#include "base/decimal.h"
#include "base/raw_syscall.h"
#include "libpmemfile/file/data.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "posix-shim/paths/host_directory.h"
#include "posix-shim/paths/shadow_path.h"
#include "posix-shim/process/copied_elf.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

using base::error;
using base::Result;
using base::Status;
using namespace pmemfile;

namespace {

constexpr size_t root_path_bytes = sizeof(Pool::segment_path) + 32;
constexpr std::string_view fresh_mark = ".new-"; // in names of copies under way
constexpr unsigned max_depth = 64; // of directories that are gone down

// A path under construction; what does not fit is noted.
class Path {
public:
    // Goes on behind the first `length` bytes of `to`.
    explicit Path(char *to, size_t length = 0) : to_(to), length_(length) {
        to_[length_] = 0;
    }
    Path &text(std::string_view text) {
        if (length_ + text.size() + 1 > path_max_bytes) {
            fits_ = false;
            return *this;
        }
        std::memcpy(to_ + length_, text.data(), text.size());
        length_ += text.size();
        to_[length_] = 0;
        return *this;
    }
    Path &number(uint64_t value) {
        return text(base::Decimal(value).text());
    }
    Result<size_t> length() const {
        return fits_ ? Result<size_t>(length_) : Result<size_t>(error(ENAMETOOLONG));
    }

private:
    char *to_;
    size_t length_;
    bool fits_ = true;
};

Status status_of(long result) {
    return base::is_error(result) ? Status(error(static_cast<int>(-result))) : Status();
}

Result<size_t> write_root(unsigned mount, char *to) {
    Path path(to);
    path.text(mounts[mount].pool.segment_path).text(shadow_mark);
    return path.number(static_cast<uint64_t>(base::raw_syscall(SYS_geteuid))).length();
}

// Where the copies of this process stand: apart, when its root is in the pool.
Result<size_t> write_place(unsigned mount, char *to) {
    BASE_TRY_ASSIGN(const size_t root_bytes, write_root(mount, to));
    const WorkingDirectory root = root_directory();
    if (root.mount < 0)
        return root_bytes;
    char mark[root_mark_bytes];
    const size_t mark_bytes = shadow_root_mark(root.inode, mark);
    return Path(to, root_bytes).text({mark, mark_bytes}).length();
}

// Ours alone: a real directory of this user, which nobody else may write.
Status make_root(const char *root) {
    const long made = base::raw_syscall(SYS_mkdir, base::as_long(root), 0700);
    if (!base::is_error(made))
        return {};
    struct stat status = {};
    BASE_TRY(status_of(base::raw_syscall(SYS_lstat, base::as_long(root), base::as_long(&status))));
    const bool is_ours = S_ISDIR(status.st_mode) && (status.st_mode & 0077) == 0 &&
                         status.st_uid == static_cast<uid_t>(base::raw_syscall(SYS_geteuid));
    return is_ours ? Status() : Status(error(EACCES));
}

// The directories of `path` below its first `root_bytes`; `path` is cut and mended on the way.
Status make_directories(char *path, size_t root_bytes, bool with_last) {
    for (size_t at = root_bytes + 1; path[at - 1] != 0; at++) {
        if (path[at] != '/' && (path[at] != 0 || !with_last))
            continue;
        const char kept = path[at];
        path[at] = 0;
        const long made = base::raw_syscall(SYS_mkdir, base::as_long(path), 0700);
        path[at] = kept;
        if (base::is_error(made) && made != -EEXIST)
            return status_of(made);
        if (kept == 0)
            break;
    }
    return {};
}

timespec time_of(int64_t ns) {
    int64_t seconds = ns / 1000000000;
    int64_t rest = ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return {seconds, rest};
}

bool is_same(const timespec &one, const timespec &other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

bool is_still_good(const char *path, const Attributes &attributes) {
    struct stat status = {};
    return !base::is_error(base::raw_syscall(SYS_lstat, base::as_long(path), base::as_long(&status))) &&
           S_ISREG(status.st_mode) &&
           static_cast<uint64_t>(status.st_size) >= attributes.size_bytes && // a name may have been added

           is_same(status.st_mtim, time_of(attributes.mtime_ns)) &&
           is_same(status.st_atim, time_of(attributes.ctime_ns));
}

Status copy_bytes(ThreadContext &context, Thread &thread, InodeNumber inode, long descriptor) {
    uint64_t offset_bytes = 0;
    for (;;) {
        const iovec vector = {context.buffer, sizeof context.buffer};
        BASE_TRY_ASSIGN(const size_t read, data_read(thread, inode, offset_bytes, {&vector, 1}));
        if (read == 0)
            return {};
        const long written =
            base::raw_syscall(SYS_write, descriptor, base::as_long(context.buffer), static_cast<long>(read));
        BASE_TRY(status_of(written));
        offset_bytes += static_cast<uint64_t>(written);
    }
}

// A file of its own first: `path` is there whole or not at all, and who executes the former one keeps it.
Status copy_whole(ThreadContext &context, Thread &thread, const Attributes &attributes, const char *path,
                  size_t root_bytes) {
    char *fresh = context.host_path[1]; // slot 1 of the routes, which an exec does not use
    Path name(fresh);
    name.text({path, root_bytes}).text("/").text(fresh_mark).number(static_cast<uint64_t>(base::raw_syscall(SYS_gettid)));
    BASE_TRY(name.length());
    const long descriptor = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(fresh),
                                              O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0700);
    BASE_TRY(status_of(descriptor));
    Status done = copy_bytes(context, thread, attributes.inode, descriptor);
    if (done.ok())
        done = copied_elf_adapt(context, {&thread, attributes.inode, -1}, descriptor);
    const timespec times[2] = {time_of(attributes.ctime_ns), time_of(attributes.mtime_ns)};
    if (done.ok())
        done = status_of(base::raw_syscall(SYS_utimensat, descriptor, 0, base::as_long(times), 0));
    base::raw_syscall(SYS_close, descriptor);
    if (done.ok())
        done = status_of(base::raw_syscall(SYS_rename, base::as_long(fresh), base::as_long(path)));
    if (!done.ok())
        base::raw_syscall(SYS_unlink, base::as_long(fresh));
    return done;
}

// Is it known that there is no such file, or directory, in the pool? `inside` is absolute and canonical.
bool is_gone(Thread &thread, std::string_view inside, bool is_directory) {
    const Result<WalkResult> found = walk(thread, thread.pool->superblock().root_inode, inside, 0);
    return found.ok() ? found->type != (is_directory ? DT_DIR : DT_REG)
                      : found.error().number() == ENOENT || found.error().number() == ENOTDIR;
}

// The copies in the directory of `descriptor`, of which the place in the pool is what `inside` holds, `length` bytes.
void prune(Thread &thread, long descriptor, char *inside, size_t length, unsigned depth) {
    host_directory_visit(descriptor, [&](std::string_view name, bool is_directory) {
        Path path(inside, length);
        path.text("/").text(name);
        const Result<size_t> inner_length = path.length();
        if (!inner_length.ok())
            return;
        // Names of our own (copies under way, other roots) have no place in the pool.
        if (length == 0 && (name.starts_with(fresh_mark) || is_shadow_of_root({inside, *inner_length})))
            return;
        if (const long inner = is_directory && depth != 0 ? host_directory_open(descriptor, name) : -ENOTDIR;
            !base::is_error(inner)) {
            prune(thread, inner, inside, *inner_length, depth - 1);
            base::raw_syscall(SYS_close, inner);
            inside[*inner_length] = 0;
        }
        if (is_gone(thread, {inside, *inner_length}, is_directory))
            base::raw_syscall(SYS_unlinkat, descriptor, base::as_long(name.data()), is_directory ? AT_REMOVEDIR : 0);
    });
}

// The copies of this user; -errno.
long open_root(unsigned mount, char *root) {
    const Result<size_t> length = write_root(mount, root);
    return length.ok() ? host_directory_open(AT_FDCWD, {root, *length}) : -ENAMETOOLONG;
}

} // namespace

Result<size_t> shadow_copy(ThreadContext &context, Thread &thread, unsigned mount, InodeHandle inode,
                           std::string_view inside, char *to) {
    BASE_TRY_ASSIGN(const Attributes attributes, fs_attributes(thread, inode));
    if (root_directory().mount < 0 && is_shadow_of_root(inside))
        return error(EACCES); // its place is another one's
    BASE_TRY_ASSIGN(const size_t root_bytes, write_root(mount, to));
    BASE_TRY(make_root(to));
    BASE_TRY_ASSIGN(const size_t place_bytes, write_place(mount, to));
    Path path(to, place_bytes);
    path.text(inside);
    BASE_TRY_ASSIGN(const size_t length, path.length());
    if (is_still_good(to, attributes))
        return length;
    BASE_TRY(make_directories(to, root_bytes, false));
    BASE_TRY(copy_whole(context, thread, attributes, to, root_bytes));
    return length;
}

Result<size_t> shadow_path(unsigned mount, std::string_view inside, char *to) {
    BASE_TRY_ASSIGN(const size_t place_bytes, write_place(mount, to));
    Path path(to, place_bytes);
    return path.text(inside).length();
}

Result<size_t> shadow_directory(unsigned mount, std::string_view inside, char *to) {
    BASE_TRY_ASSIGN(const size_t root_bytes, write_root(mount, to));
    BASE_TRY(make_root(to));
    BASE_TRY_ASSIGN(const size_t place_bytes, write_place(mount, to));
    Path path(to, place_bytes);
    path.text(inside == "/" ? "" : inside);
    BASE_TRY_ASSIGN(const size_t length, path.length());
    BASE_TRY(make_directories(to, root_bytes, true));
    return length;
}

void shadow_prune(ThreadContext &context, unsigned mount) {
    const Result<Thread *> thread = context_thread(context, mount);
    char inside[path_max_bytes];
    const long descriptor = open_root(mount, inside);
    if (base::is_error(descriptor))
        return;
    if (thread.ok())
        prune(**thread, descriptor, inside, 0, max_depth);
    base::raw_syscall(SYS_close, descriptor);
}

void shadow_remove(unsigned mount) {
    char root[root_path_bytes];
    const long descriptor = open_root(mount, root);
    if (base::is_error(descriptor))
        return;
    host_directory_empty(descriptor, max_depth);
    base::raw_syscall(SYS_close, descriptor);
    base::raw_syscall(SYS_rmdir, base::as_long(root));
}

} // namespace shim
