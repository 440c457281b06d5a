// kernel_target: plain system calls below a directory. Under the preload
// library the very same binary tests the pool.
#include "tests/posix/target.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <grp.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace posix {
namespace {

long result(long value) {
    return value < 0 ? -errno : value;
}

class KernelTarget final : public Target {
public:
    explicit KernelTarget(std::string root) : root_(std::move(root)) {}
    ~KernelTarget() override {
        std::error_code ignored;
        std::filesystem::permissions(root_, std::filesystem::perms::owner_all, ignored);
        std::filesystem::remove_all(root_, ignored);
        if (std::filesystem::exists(root_, ignored)) { // a tear-down that fails is a finding
            fprintf(stderr, "cannot remove %s\n", root_.c_str());
            abort();
        }
    }
    std::string real_path(const std::string &path) const override {
        return !path.empty() && path[0] == '/' ? root_ + path : path;
    }
    long open(const std::string &path, int flags, mode_t mode, int directory) override {
        return result(::openat(directory, real_path(path).c_str(), flags, mode));
    }
    long close(int file) override {
        return result(::close(file));
    }
    long read(int file, void *to, size_t size_bytes) override {
        return result(::read(file, to, size_bytes));
    }
    long write(int file, const void *from, size_t size_bytes) override {
        return result(::write(file, from, size_bytes));
    }
    long pread(int file, void *to, size_t size_bytes, int64_t offset) override {
        return result(::pread(file, to, size_bytes, offset));
    }
    long pwrite(int file, const void *from, size_t size_bytes, int64_t offset) override {
        return result(::pwrite(file, from, size_bytes, offset));
    }
    long readv(int file, const struct iovec *vectors, int count) override {
        return result(::readv(file, vectors, count));
    }
    long writev(int file, const struct iovec *vectors, int count) override {
        return result(::writev(file, vectors, count));
    }
    long preadv(int file, const struct iovec *vectors, int count, int64_t offset) override {
        return result(::preadv(file, vectors, count, offset));
    }
    long pwritev(int file, const struct iovec *vectors, int count, int64_t offset) override {
        return result(::pwritev(file, vectors, count, offset));
    }
    long preadv2(int file, const struct iovec *vectors, int count, int64_t offset, int flags) override {
        return result(::preadv2(file, vectors, count, offset, flags));
    }
    long pwritev2(int file, const struct iovec *vectors, int count, int64_t offset, int flags) override {
        return result(::pwritev2(file, vectors, count, offset, flags));
    }
    long copy_range(int from, int64_t *from_offset, int to, int64_t *to_offset, size_t size_bytes,
                    unsigned flags) override {
        return result(::copy_file_range(from, from_offset, to, to_offset, size_bytes, flags));
    }
    long clone_range(int from, int64_t from_offset, int to, int64_t to_offset, int64_t size_bytes) override {
        if (from_offset == 0 && to_offset == 0 && size_bytes == 0)
            return result(::ioctl(to, FICLONE, from));
        struct file_clone_range range = {};
        range.src_fd = from;
        range.src_offset = static_cast<uint64_t>(from_offset);
        range.src_length = static_cast<uint64_t>(size_bytes);
        range.dest_offset = static_cast<uint64_t>(to_offset);
        return result(::ioctl(to, FICLONERANGE, &range));
    }
    long seek(int file, int64_t offset, int whence) override {
        return result(::lseek(file, offset, whence));
    }
    long truncate(const std::string &path, int64_t size_bytes) override {
        return result(::truncate(real_path(path).c_str(), size_bytes));
    }
    long ftruncate(int file, int64_t size_bytes) override {
        return result(::ftruncate(file, size_bytes));
    }
    long fallocate(int file, int mode, int64_t offset, int64_t size_bytes) override {
        return result(::fallocate(file, mode, offset, size_bytes));
    }
    long stat(const std::string &path, struct stat *to, int flags, int directory) override {
        return result(::fstatat(directory, real_path(path).c_str(), to, flags));
    }
    long fstat(int file, struct stat *to) override {
        return result(::fstat(file, to));
    }
    long mkdir(const std::string &path, mode_t mode, int directory) override {
        return result(::mkdirat(directory, real_path(path).c_str(), mode));
    }
    long unlink(const std::string &path, int flags, int directory) override {
        return result(::unlinkat(directory, real_path(path).c_str(), flags));
    }
    long link(const std::string &from, const std::string &to, int flags, int from_directory) override {
        return result(::linkat(from_directory, real_path(from).c_str(), AT_FDCWD, real_path(to).c_str(), flags));
    }
    long symlink(const std::string &target, const std::string &path) override {
        return result(::symlink(target.c_str(), real_path(path).c_str()));
    }
    long readlink(const std::string &path, char *to, size_t size_bytes) override {
        return result(::readlink(real_path(path).c_str(), to, size_bytes));
    }
    long rename(const std::string &from, const std::string &to, unsigned flags) override {
        return result(::renameat2(AT_FDCWD, real_path(from).c_str(), AT_FDCWD, real_path(to).c_str(), flags));
    }
    long getdents(int file, std::vector<Name> *names, size_t buffer_bytes) override {
        std::vector<char> buffer(buffer_bytes);
        long length = result(::syscall(SYS_getdents64, file, buffer.data(), buffer.size()));
        for (long at = 0; at < length;) {
            auto *entry = reinterpret_cast<struct dirent64 *>(buffer.data() + at);
            names->push_back({entry->d_name, entry->d_ino, entry->d_type, entry->d_off});
            at += entry->d_reclen;
        }
        return length;
    }
    long chmod(const std::string &path, mode_t mode) override {
        return result(::chmod(real_path(path).c_str(), mode));
    }
    long fchmod(int file, mode_t mode) override {
        return result(::fchmod(file, mode));
    }
    long chown(const std::string &path, uid_t uid, gid_t gid, int flags) override {
        return result(::fchownat(AT_FDCWD, real_path(path).c_str(), uid, gid, flags));
    }
    long umask(mode_t mask) override {
        return ::umask(mask);
    }
    long access(const std::string &path, int mode) override {
        return result(::access(real_path(path).c_str(), mode));
    }
    long utimens(const std::string &path, const struct timespec *times, int flags) override {
        return result(::utimensat(AT_FDCWD, real_path(path).c_str(), times, flags));
    }
    long statfs(const std::string &path, struct statfs *to) override {
        return result(::statfs(real_path(path).c_str(), to));
    }
    long setxattr(const Place &place, const char *name, const void *value, size_t size_bytes, int flags) override {
        if (place.path.empty())
            return result(::fsetxattr(place.file, name, value, size_bytes, flags));
        const std::string path = real_path(place.path);
        return result((place.follow ? ::setxattr : ::lsetxattr)(path.c_str(), name, value, size_bytes, flags));
    }
    long getxattr(const Place &place, const char *name, void *value, size_t size_bytes) override {
        if (place.path.empty())
            return result(::fgetxattr(place.file, name, value, size_bytes));
        return result(
            (place.follow ? ::getxattr : ::lgetxattr)(real_path(place.path).c_str(), name, value, size_bytes));
    }
    long listxattr(const Place &place, char *list, size_t size_bytes) override {
        if (place.path.empty())
            return result(::flistxattr(place.file, list, size_bytes));
        return result((place.follow ? ::listxattr : ::llistxattr)(real_path(place.path).c_str(), list, size_bytes));
    }
    long removexattr(const Place &place, const char *name) override {
        if (place.path.empty())
            return result(::fremovexattr(place.file, name));
        return result((place.follow ? ::removexattr : ::lremovexattr)(real_path(place.path).c_str(), name));
    }
    long mmap(void *address, size_t size_bytes, int protection, int flags, int file, int64_t offset) override {
        return result(reinterpret_cast<long>(::mmap(address, size_bytes, protection, flags, file, offset)));
    }
    long munmap(void *address, size_t size_bytes) override {
        return result(::munmap(address, size_bytes));
    }
    long mprotect(void *address, size_t size_bytes, int protection) override {
        return result(::mprotect(address, size_bytes, protection));
    }
    long mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, void *to) override {
        return result(reinterpret_cast<long>(::mremap(address, old_bytes, new_bytes, flags, to)));
    }
    long msync(void *address, size_t size_bytes, int flags) override {
        return result(::msync(address, size_bytes, flags));
    }
    long madvise(void *address, size_t size_bytes, int advice) override {
        return result(::madvise(address, size_bytes, advice));
    }
    long dup(int file) override {
        return result(::dup(file));
    }
    long fcntl(int file, int command, void *argument) override {
        return result(::fcntl(file, command, argument));
    }
    long flock(int file, int operation) override {
        return result(::flock(file, operation));
    }
    long as_user(uid_t uid, gid_t gid, long (*work)(Target &)) override {
        // A child gives up its ids for good: nothing to put back.
        int channel[2];
        if (::pipe(channel) != 0)
            return -errno;
        pid_t child = ::fork();
        if (child == 0) {
            long value = -EIO;
            if (::setgroups(0, nullptr) == 0 && ::setresgid(gid, gid, gid) == 0 && ::setresuid(uid, uid, uid) == 0)
                value = work(*this);
            _exit(::write(channel[1], &value, sizeof(value)) == sizeof(value) ? 0 : 1);
        }
        ::close(channel[1]);
        long value = -EPIPE;
        if (::read(channel[0], &value, sizeof(value)) != sizeof(value))
            value = -EPIPE;
        ::close(channel[0]);
        ::waitpid(child, nullptr, 0);
        return value;
    }
    bool is_kernel_like() const override {
        return true;
    }

private:
    std::string root_;
};

} // namespace

std::unique_ptr<Target> make_kernel_target(const std::string &base) {
    std::string root = base + "/posix-XXXXXX";
    if (!::mkdtemp(root.data()) || ::chmod(root.c_str(), 0777) != 0) {
        perror(root.c_str());
        exit(2);
    }
    return std::make_unique<KernelTarget>(root);
}

} // namespace posix
