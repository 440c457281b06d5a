// library_target: the calls of libpmemfile-posix.h on a pool of its own for each
// case. Its end closes the pool, runs the checker and fails if that finds anything.
#include "libpmemfile/include/libpmemfile-posix.h"
#include "tests/posix/target.h"
#include "tests/tools/closed_pool.h"
#include "tests/tools/test_directory.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <map>
#include <sys/mman.h>

namespace posix {
namespace {

long result(long value) {
    return value < 0 ? -errno : value;
}

class LibraryTarget final : public Target {
public:
    LibraryTarget() {
        static unsigned count = 0;
        path_ = tests::test_directory() + "/pmemfile-posix." + std::to_string(getpid()) + "." + std::to_string(count++);
        pool_ = pmemfile_pool_create(path_.c_str(), 64ul << 20, 0600);
        if (pool_ == nullptr)
            throw std::runtime_error(pmemfile_errormsg());
        pmemfile_chmod(pool_, "/", 0777); // as the kernel target's directory
    }
    ~LibraryTarget() override {
        for (auto &[number, opened] : files_) // what a case left open
            pmemfile_close(pool_, opened);
        pmemfile_pool_close(pool_);
        tests::expect_clean(path_);
        ::unlink(path_.c_str());
    }

    long open(const std::string &path, int flags, mode_t mode, int directory) override {
        if (directory != here && !files_.contains(directory) && !path.starts_with('/'))
            return -EBADF;
        PMEMfile *file = pmemfile_openat(pool_, at(directory), path.c_str(), flags, mode);
        if (file == nullptr)
            return -errno;
        return remember(file);
    }
    long close(int file) override {
        auto found = files_.find(file);
        if (found == files_.end())
            return -EBADF;
        pmemfile_close(pool_, found->second);
        files_.erase(found);
        return 0;
    }
    long read(int file, void *to, size_t size_bytes) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_read(pool_, f, to, size_bytes); });
    }
    long write(int file, const void *from, size_t size_bytes) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_write(pool_, f, from, size_bytes); });
    }
    long pread(int file, void *to, size_t size_bytes, int64_t offset) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_pread(pool_, f, to, size_bytes, offset); });
    }
    long pwrite(int file, const void *from, size_t size_bytes, int64_t offset) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_pwrite(pool_, f, from, size_bytes, offset); });
    }
    long readv(int file, const struct iovec *vectors, int count) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_readv(pool_, f, vectors, count); });
    }
    long writev(int file, const struct iovec *vectors, int count) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_writev(pool_, f, vectors, count); });
    }
    long preadv(int file, const struct iovec *vectors, int count, int64_t offset) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_preadv(pool_, f, vectors, count, offset); });
    }
    long pwritev(int file, const struct iovec *vectors, int count, int64_t offset) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_pwritev(pool_, f, vectors, count, offset); });
    }
    long preadv2(int file, const struct iovec *vectors, int count, int64_t offset, int flags) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_preadv2(pool_, f, vectors, count, offset, flags); });
    }
    long pwritev2(int file, const struct iovec *vectors, int count, int64_t offset, int flags) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_pwritev2(pool_, f, vectors, count, offset, flags); });
    }
    long copy_range(int from, int64_t *from_offset, int to, int64_t *to_offset, size_t size_bytes,
                    unsigned flags) override {
        if (!files_.contains(to))
            return -EBADF;
        return on(from, [&](PMEMfile *f) {
            return pmemfile_copy_file_range(pool_, f, from_offset, files_.at(to), to_offset, size_bytes, flags);
        });
    }
    long clone_range(int from, int64_t from_offset, int to, int64_t to_offset, int64_t size_bytes) override {
        if (!files_.contains(to))
            return -EBADF;
        return on(from, [&](PMEMfile *f) {
            return pmemfile_clone_file_range(pool_, f, from_offset, files_.at(to), to_offset, size_bytes);
        });
    }
    long seek(int file, int64_t offset, int whence) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_lseek(pool_, f, offset, whence); });
    }
    long truncate(const std::string &path, int64_t size_bytes) override {
        return result(pmemfile_truncate(pool_, path.c_str(), size_bytes));
    }
    long ftruncate(int file, int64_t size_bytes) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_ftruncate(pool_, f, size_bytes); });
    }
    long fallocate(int file, int mode, int64_t offset, int64_t size_bytes) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_fallocate(pool_, f, mode, offset, size_bytes); });
    }
    long stat(const std::string &path, struct stat *to, int flags, int directory) override {
        return result(pmemfile_fstatat(pool_, at(directory), path.c_str(), to, flags));
    }
    long fstat(int file, struct stat *to) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_fstat(pool_, f, to); });
    }
    long mkdir(const std::string &path, mode_t mode, int directory) override {
        return result(pmemfile_mkdirat(pool_, at(directory), path.c_str(), mode));
    }
    long unlink(const std::string &path, int flags, int directory) override {
        return result(pmemfile_unlinkat(pool_, at(directory), path.c_str(), flags));
    }
    long link(const std::string &from, const std::string &to, int flags, int from_directory) override {
        return result(pmemfile_linkat(pool_, at(from_directory), from.c_str(), PMEMFILE_AT_CWD, to.c_str(), flags));
    }
    long symlink(const std::string &target, const std::string &path) override {
        return result(pmemfile_symlink(pool_, target.c_str(), path.c_str()));
    }
    long readlink(const std::string &path, char *to, size_t size_bytes) override {
        return result(pmemfile_readlink(pool_, path.c_str(), to, size_bytes));
    }
    long rename(const std::string &from, const std::string &to, unsigned flags) override {
        return result(pmemfile_renameat2(pool_, PMEMFILE_AT_CWD, from.c_str(), PMEMFILE_AT_CWD, to.c_str(), flags));
    }
    long getdents(int file, std::vector<Name> *names, size_t buffer_bytes) override {
        std::vector<char> buffer(buffer_bytes);
        auto *entries = reinterpret_cast<struct dirent64 *>(buffer.data());
        const long length = on(file, [&](PMEMfile *f) {
            return pmemfile_getdents64(pool_, f, entries, static_cast<unsigned>(buffer_bytes));
        });
        for (long offset = 0; offset < length;) {
            const auto *entry = reinterpret_cast<const struct dirent64 *>(buffer.data() + offset);
            names->push_back({entry->d_name, entry->d_ino, entry->d_type, entry->d_off});
            offset += entry->d_reclen;
        }
        return length;
    }
    long chmod(const std::string &path, mode_t mode) override {
        return result(pmemfile_chmod(pool_, path.c_str(), mode));
    }
    long fchmod(int file, mode_t mode) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_fchmod(pool_, f, mode); });
    }
    long chown(const std::string &path, uid_t uid, gid_t gid, int flags) override {
        return result(pmemfile_fchownat(pool_, PMEMFILE_AT_CWD, path.c_str(), uid, gid, flags));
    }
    long umask(mode_t mask) override {
        return pmemfile_umask(pool_, mask);
    }
    long access(const std::string &path, int mode) override {
        return result(pmemfile_access(pool_, path.c_str(), mode));
    }
    long utimens(const std::string &path, const struct timespec *times, int flags) override {
        return result(pmemfile_utimensat(pool_, PMEMFILE_AT_CWD, path.c_str(), times, flags));
    }
    long statfs(const std::string &path, struct statfs *to) override {
        struct stat stat;
        if (pmemfile_stat(pool_, path.c_str(), &stat) != 0)
            return -errno;
        return result(pmemfile_statfs(pool_, to));
    }
    long setxattr(const Place &place, const char *name, const void *value, size_t size_bytes, int flags) override {
        if (place.path.empty())
            return on(place.file,
                      [&](PMEMfile *f) { return pmemfile_fsetxattr(pool_, f, name, value, size_bytes, flags); });
        return result((place.follow ? pmemfile_setxattr : pmemfile_lsetxattr)(pool_, place.path.c_str(), name, value,
                                                                              size_bytes, flags));
    }
    long getxattr(const Place &place, const char *name, void *value, size_t size_bytes) override {
        if (place.path.empty())
            return on(place.file, [&](PMEMfile *f) { return pmemfile_fgetxattr(pool_, f, name, value, size_bytes); });
        return result((place.follow ? pmemfile_getxattr : pmemfile_lgetxattr)(pool_, place.path.c_str(), name, value,
                                                                              size_bytes));
    }
    long listxattr(const Place &place, char *list, size_t size_bytes) override {
        if (place.path.empty())
            return on(place.file, [&](PMEMfile *f) { return pmemfile_flistxattr(pool_, f, list, size_bytes); });
        return result(
            (place.follow ? pmemfile_listxattr : pmemfile_llistxattr)(pool_, place.path.c_str(), list, size_bytes));
    }
    long removexattr(const Place &place, const char *name) override {
        if (place.path.empty())
            return on(place.file, [&](PMEMfile *f) { return pmemfile_fremovexattr(pool_, f, name); });
        return result((place.follow ? pmemfile_removexattr : pmemfile_lremovexattr)(pool_, place.path.c_str(), name));
    }
    long mmap(void *address, size_t size_bytes, int protection, int flags, int file, int64_t offset) override {
        if ((flags & MAP_ANONYMOUS) != 0)
            return result(
                reinterpret_cast<long>(pmemfile_mmap(pool_, address, size_bytes, protection, flags, nullptr, offset)));
        return on(file, [&](PMEMfile *f) {
            return reinterpret_cast<long>(pmemfile_mmap(pool_, address, size_bytes, protection, flags, f, offset));
        });
    }
    long munmap(void *address, size_t size_bytes) override {
        return result(pmemfile_munmap(pool_, address, size_bytes));
    }
    long mprotect(void *address, size_t size_bytes, int protection) override {
        return result(pmemfile_mprotect(pool_, address, size_bytes, protection));
    }
    long mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, void *to) override {
        return result(reinterpret_cast<long>(pmemfile_mremap(pool_, address, old_bytes, new_bytes, flags, to)));
    }
    long msync(void *address, size_t size_bytes, int flags) override {
        return result(pmemfile_msync(pool_, address, size_bytes, flags));
    }
    long madvise(void *address, size_t size_bytes, int advice) override {
        return result(pmemfile_madvise(pool_, address, size_bytes, advice));
    }
    // A PMEMfile is no number that could be copied: F_DUPFD is refused, and so is this.
    long dup(int file) override {
        return fcntl(file, F_DUPFD, nullptr);
    }
    long fcntl(int file, int command, void *argument) override {
        return on(file, [&](PMEMfile *f) {
            if (command == F_SETFL || command == F_SETFD || command == F_DUPFD)
                return pmemfile_fcntl(pool_, f, command, static_cast<int>(reinterpret_cast<intptr_t>(argument)));
            return pmemfile_fcntl(pool_, f, command, argument);
        });
    }
    long flock(int file, int operation) override {
        return on(file, [&](PMEMfile *f) { return pmemfile_flock(pool_, f, operation); });
    }
    long as_user(uid_t uid, gid_t gid, long (*work)(Target &)) override {
        pmemfile_setgroups(pool_, 0, nullptr);
        pmemfile_setregid(pool_, gid, gid);
        pmemfile_setreuid(pool_, uid, uid);
        const long value = work(*this);
        pmemfile_setreuid(pool_, 0, 0);
        pmemfile_setregid(pool_, 0, 0);
        return value;
    }
    bool is_kernel_like() const override {
        return false;
    }
    std::string real_path(const std::string &path) const override {
        return path;
    }

private:
    template <typename Call> long on(int file, Call call) {
        auto found = files_.find(file);
        return found == files_.end() ? -EBADF : result(call(found->second));
    }
    PMEMfile *at(int directory) {
        if (directory == here)
            return PMEMFILE_AT_CWD;
        auto found = files_.find(directory);
        return found == files_.end() ? nullptr : found->second;
    }
    int remember(PMEMfile *file) {
        int number = 3;
        while (files_.contains(number))
            ++number;
        files_[number] = file;
        return number;
    }
    std::string path_;
    PMEMfilepool *pool_ = nullptr;
    std::map<int, PMEMfile *> files_;
};

} // namespace

std::unique_ptr<Target> make_library_target() {
    return std::make_unique<LibraryTarget>();
}

} // namespace posix
