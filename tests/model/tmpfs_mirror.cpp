#include "tests/model/tmpfs_mirror.h"

#include "tests/kill/session.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

namespace model_test {
namespace {

int errno_of(long result) {
    return result < 0 ? errno : 0;
}

// What `work` does with the open file.
template <typename Work> int with_open(const std::string &path, int flags, Work &&work) {
    const int file = open(path.c_str(), flags | O_CLOEXEC, 0644);
    if (file < 0)
        return errno;
    const int error_number = work(file);
    close(file);
    return error_number;
}

int write_whole(int file, const std::string &bytes, int64_t offset) {
    const ssize_t done = offset < 0 ? ::write(file, bytes.data(), bytes.size())
                                    : pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    return done < 0 ? errno : static_cast<size_t>(done) == bytes.size() ? 0 : EIO;
}

} // namespace

TmpfsMirror::TmpfsMirror(const std::string &name) : path_("/dev/shm/" + name) {
    std::filesystem::remove_all(path_);
    if (::mkdir(path_.c_str(), 0755) != 0)
        kill_test::give_up("mkdir " + path_);
}

TmpfsMirror::~TmpfsMirror() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

int TmpfsMirror::create(const std::string &name) {
    return with_open(at(name), O_CREAT | O_EXCL | O_WRONLY, [](int) { return 0; });
}

int TmpfsMirror::write(const std::string &name, int64_t offset, const std::string &bytes) {
    return with_open(at(name), offset < 0 ? O_WRONLY | O_APPEND : O_WRONLY,
                     [&](int file) { return write_whole(file, bytes, offset); });
}

int TmpfsMirror::truncate(const std::string &name, int64_t size_bytes) {
    return errno_of(::truncate(at(name).c_str(), static_cast<off_t>(size_bytes)));
}

int TmpfsMirror::replace(const std::string &name, const std::string &bytes) {
    return with_open(at(name), O_WRONLY | O_TRUNC, [&](int file) { return write_whole(file, bytes, 0); });
}

int TmpfsMirror::allocate(const std::string &name, int mode, int64_t offset, int64_t size_bytes) {
    return with_open(at(name), O_RDWR, [&](int file) {
        return errno_of(fallocate(file, mode, static_cast<off_t>(offset), static_cast<off_t>(size_bytes)));
    });
}

int TmpfsMirror::copy(const std::string &from, int64_t from_offset, const std::string &to, int64_t to_offset,
                      size_t size_bytes) {
    return with_open(at(from), O_RDONLY, [&](int source) {
        return with_open(at(to), O_WRONLY, [&](int target) {
            off64_t in = from_offset, out = to_offset;
            while (size_bytes != 0) {
                const ssize_t done = copy_file_range(source, &in, target, &out, size_bytes, 0);
                if (done <= 0)
                    return errno_of(done);
                size_bytes -= static_cast<size_t>(done);
            }
            return 0;
        });
    });
}

int TmpfsMirror::create_unnamed(const std::string &bytes, const std::string &name) {
    return with_open(path_, O_TMPFILE | O_RDWR, [&](int file) {
        if (const int error_number = write_whole(file, bytes, 0); error_number != 0 || name.empty())
            return error_number;
        const std::string self = "/proc/self/fd/" + std::to_string(file);
        return errno_of(linkat(AT_FDCWD, self.c_str(), AT_FDCWD, at(name).c_str(), AT_SYMLINK_FOLLOW));
    });
}

int TmpfsMirror::unlink(const std::string &name) {
    return errno_of(::unlink(at(name).c_str()));
}

int TmpfsMirror::link(const std::string &from, const std::string &to) {
    return errno_of(::link(at(from).c_str(), at(to).c_str()));
}

int TmpfsMirror::rename(const std::string &from, const std::string &to, unsigned flags) {
    return errno_of(renameat2(AT_FDCWD, at(from).c_str(), AT_FDCWD, at(to).c_str(), flags));
}

int TmpfsMirror::mkdir(const std::string &name) {
    return errno_of(::mkdir(at(name).c_str(), 0755));
}

int TmpfsMirror::rmdir(const std::string &name) {
    return errno_of(::rmdir(at(name).c_str()));
}

int TmpfsMirror::symlink(const std::string &target, const std::string &name) {
    return errno_of(::symlink(target.c_str(), at(name).c_str()));
}

int TmpfsMirror::read_through(const std::string &name, std::string *bytes) {
    return with_open(at(name), O_RDONLY, [&](int file) {
        char buffer[65536];
        ssize_t done = 0;
        while ((done = ::read(file, buffer, sizeof(buffer))) > 0)
            bytes->append(buffer, static_cast<size_t>(done));
        return errno_of(done);
    });
}

int TmpfsMirror::chmod(const std::string &name, uint32_t mode) {
    return errno_of(::chmod(at(name).c_str(), mode));
}

int TmpfsMirror::chown(const std::string &name, uint32_t uid, uint32_t gid) {
    return errno_of(::chown(at(name).c_str(), uid, gid));
}

int TmpfsMirror::utimens(const std::string &name, const struct timespec times[2]) {
    return errno_of(utimensat(AT_FDCWD, at(name).c_str(), times, 0));
}

void TmpfsMirror::clear() {
    for (const auto &entry : std::filesystem::directory_iterator(path_))
        std::filesystem::remove_all(entry.path());
}

std::map<std::string, TmpfsMirror::Entry> TmpfsMirror::content() const {
    std::map<std::string, Entry> all;
    for (const auto &found : std::filesystem::recursive_directory_iterator(path_)) {
        struct stat status;
        if (lstat(found.path().c_str(), &status) != 0)
            kill_test::give_up("lstat " + found.path().string());
        if (S_ISDIR(status.st_mode))
            continue;
        Entry entry;
        entry.is_symlink = S_ISLNK(status.st_mode);
        entry.mode = status.st_mode & 07777, entry.uid = status.st_uid, entry.gid = status.st_gid;
        entry.names = static_cast<uint32_t>(status.st_nlink);
        entry.mtime_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
        std::ifstream file;
        if (entry.is_symlink) {
            entry.bytes = std::filesystem::read_symlink(found.path());
        } else {
            file.open(found.path(), std::ios::binary);
            entry.bytes = {std::istreambuf_iterator<char>(file), {}};
        }
        all[found.path().lexically_relative(path_)] = entry;
    }
    return all;
}

} // namespace model_test
