// target: the calls of a filesystem as the cases see them, so that each case is
// written once and runs on the kernel (tmpfs is the oracle), on the linked
// library and, by preloading, on a pool.
//
// Results are the kernel's: >= 0, or -errno. Paths beginning with '/' start at
// the case's own empty directory; `directory` arguments are descriptors of
// this target or `here`. Methods may be called by one thread at a time.
#pragma once

#include <cstdint>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <vector>

namespace posix {

struct Name {
    std::string name;
    uint64_t inode;
    unsigned char type; // DT_*
    int64_t cookie;     // d_off
};

class Target {
public:
    static constexpr int here = AT_FDCWD;
    virtual ~Target() = default;
    virtual long open(const std::string &path, int flags, mode_t mode = 0666, int directory = here) = 0;
    virtual long close(int file) = 0;
    virtual long read(int file, void *to, size_t size_bytes) = 0;
    virtual long write(int file, const void *from, size_t size_bytes) = 0;
    virtual long pread(int file, void *to, size_t size_bytes, int64_t offset) = 0;
    virtual long pwrite(int file, const void *from, size_t size_bytes, int64_t offset) = 0;
    virtual long readv(int file, const struct iovec *vectors, int count) = 0;
    virtual long writev(int file, const struct iovec *vectors, int count) = 0;
    virtual long preadv(int file, const struct iovec *vectors, int count, int64_t offset) = 0;
    virtual long pwritev(int file, const struct iovec *vectors, int count, int64_t offset) = 0;
    virtual long preadv2(int file, const struct iovec *vectors, int count, int64_t offset, int flags) = 0;
    virtual long pwritev2(int file, const struct iovec *vectors, int count, int64_t offset, int flags) = 0;
    virtual long copy_range(int from, int64_t *from_offset, int to, int64_t *to_offset, size_t size_bytes,
                            unsigned flags = 0) = 0;
    // FICLONERANGE; size 0 and offsets 0: FICLONE.
    virtual long clone_range(int from, int64_t from_offset, int to, int64_t to_offset, int64_t size_bytes) = 0;
    virtual long seek(int file, int64_t offset, int whence) = 0;
    virtual long truncate(const std::string &path, int64_t size_bytes) = 0;
    virtual long ftruncate(int file, int64_t size_bytes) = 0;
    virtual long fallocate(int file, int mode, int64_t offset, int64_t size_bytes) = 0;
    virtual long stat(const std::string &path, struct stat *to, int flags = 0, int directory = here) = 0;
    virtual long fstat(int file, struct stat *to) = 0;
    virtual long mkdir(const std::string &path, mode_t mode = 0777, int directory = here) = 0;
    virtual long unlink(const std::string &path, int flags = 0, int directory = here) = 0;
    virtual long link(const std::string &from, const std::string &to, int flags = 0, int from_directory = here) = 0;
    virtual long symlink(const std::string &target, const std::string &path) = 0;
    virtual long readlink(const std::string &path, char *to, size_t size_bytes) = 0;
    virtual long rename(const std::string &from, const std::string &to, unsigned flags = 0) = 0;
    virtual long getdents(int file, std::vector<Name> *names, size_t buffer_bytes = 32768) = 0; // one call
    virtual long chmod(const std::string &path, mode_t mode) = 0;
    virtual long fchmod(int file, mode_t mode) = 0;
    virtual long chown(const std::string &path, uid_t uid, gid_t gid, int flags = 0) = 0;
    virtual long umask(mode_t mask) = 0;
    virtual long access(const std::string &path, int mode) = 0;
    virtual long utimens(const std::string &path, const struct timespec *times, int flags = 0) = 0;
    virtual long statfs(const std::string &path, struct statfs *to) = 0;
    // Of a path, or (path empty) of an open file; `follow` as for the calls without and with l.
    struct Place {
        std::string path;
        int file = -1;
        bool follow = true;
    };
    virtual long setxattr(const Place &place, const char *name, const void *value, size_t size_bytes, int flags) = 0;
    virtual long getxattr(const Place &place, const char *name, void *value, size_t size_bytes) = 0;
    virtual long listxattr(const Place &place, char *list, size_t size_bytes) = 0;
    virtual long removexattr(const Place &place, const char *name) = 0;
    // Addresses are results, too.
    virtual long mmap(void *address, size_t size_bytes, int protection, int flags, int file, int64_t offset) = 0;
    virtual long munmap(void *address, size_t size_bytes) = 0;
    virtual long mprotect(void *address, size_t size_bytes, int protection) = 0;
    virtual long mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, void *to = nullptr) = 0;
    virtual long msync(void *address, size_t size_bytes, int flags) = 0;
    virtual long madvise(void *address, size_t size_bytes, int advice) = 0;
    virtual long dup(int file) = 0;
    virtual long fcntl(int file, int command, void *argument = nullptr) = 0;
    virtual long flock(int file, int operation) = 0;
    // Runs `work` with other ids and no capabilities; its result comes back.
    virtual long as_user(uid_t uid, gid_t gid, long (*work)(Target &)) = 0;
    // True when descriptors are the kernel's: fork, mmap and the like may be tried.
    virtual bool is_kernel_like() const = 0;
    // True when a bad pointer is EFAULT; to a linked library it is the program's own SIGSEGV.
    bool catches_bad_pointers() const {
        return is_kernel_like();
    }
    // Real path of a case's path, for is_kernel_like targets.
    virtual std::string real_path(const std::string &path) const = 0;
};

// A target in a fresh, empty directory below `base` (an existing directory of a
// tmpfs, or of a mount in a preloaded run); the directory is removed with it.
std::unique_ptr<Target> make_kernel_target(const std::string &base);
// A target on a fresh pool, by the linked library. Weak: only in posix_library_suite.
__attribute__((weak)) std::unique_ptr<Target> make_library_target();

} // namespace posix
