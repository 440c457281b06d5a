// target: the same calls through the library and through plain system calls, so that one case
// measures both. Each call is true if all of it was done.
#pragma once

#include "libpmemfile/include/libpmemfile-posix.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace bench {

constexpr size_t pool_bytes = 640ul << 20;
inline std::string directory = "/dev/shm"; // of Posix; the pool is always made in /dev/shm

[[noreturn]] inline void give_up(const char *what) {
    std::fprintf(stderr, "filesystem_bench: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

inline void must(bool holds, const char *what) {
    if (!holds)
        give_up(what);
}

// Of this thread: what others do on the machine is not counted.
inline double processor_ns() {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// The calls that are measured, on the linked library.
class Library {
public:
    using File = PMEMfile *;
    Library() : path_("/dev/shm/pmemfile-bench." + std::to_string(getpid())) {
        unlink(path_.c_str());
        pool_ = pmemfile_pool_create(path_.c_str(), pool_bytes, 0600);
        must(pool_ != nullptr, pmemfile_errormsg());
    }
    ~Library() {
        pmemfile_pool_close(pool_);
        unlink(path_.c_str());
    }
    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;
    static bool is_open(File file) {
        return file != nullptr;
    }
    File open(const char *path, int flags) {
        return pmemfile_open(pool_, path, flags, 0644);
    }
    void close(File file) {
        pmemfile_close(pool_, file);
    }
    bool pwrite(File file, const void *bytes, size_t size, off_t offset) {
        return pmemfile_pwrite(pool_, file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool write(File file, const void *bytes, size_t size) {
        return pmemfile_write(pool_, file, bytes, size) == static_cast<ssize_t>(size);
    }
    bool pread(File file, void *bytes, size_t size, off_t offset) {
        return pmemfile_pread(pool_, file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool truncate(File file) {
        return pmemfile_ftruncate(pool_, file, 0) == 0;
    }
    bool rewind(File file) {
        return pmemfile_lseek(pool_, file, 0, SEEK_SET) == 0;
    }
    long getdents(File file, void *buffer, unsigned size) {
        return pmemfile_getdents64(pool_, file, static_cast<struct dirent64 *>(buffer), size);
    }
    bool stat(const char *path, struct stat *stat) {
        return pmemfile_stat(pool_, path, stat) == 0;
    }
    bool unlink_file(const char *path) {
        return pmemfile_unlink(pool_, path) == 0;
    }
    bool link(const char *from, const char *to) {
        return pmemfile_link(pool_, from, to) == 0;
    }
    bool rename(const char *from, const char *to) {
        return pmemfile_rename(pool_, from, to) == 0;
    }
    bool mkdir(const char *path) {
        return pmemfile_mkdir(pool_, path, 0755) == 0;
    }
    bool rmdir(const char *path) {
        return pmemfile_rmdir(pool_, path) == 0;
    }

private:
    std::string path_;
    PMEMfilepool *pool_;
};

// The same by system calls below `directory`.
class Posix {
public:
    using File = int;
    Posix() : root_(directory + "/bench." + std::to_string(getpid())) {
        must(::mkdir(root_.c_str(), 0755) == 0, root_.c_str());
        must(chdir(root_.c_str()) == 0, "chdir");
    }
    ~Posix() {
        must(chdir("/") == 0 && ::rmdir(root_.c_str()) == 0, "the benchmark's directory is not empty");
    }
    Posix(const Posix &) = delete;
    Posix &operator=(const Posix &) = delete;
    static bool is_open(File file) {
        return file >= 0;
    }
    File open(const char *path, int flags) {
        return ::open(path, flags, 0644);
    }
    void close(File file) {
        ::close(file);
    }
    bool pwrite(File file, const void *bytes, size_t size, off_t offset) {
        return ::pwrite(file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool write(File file, const void *bytes, size_t size) {
        return ::write(file, bytes, size) == static_cast<ssize_t>(size);
    }
    bool pread(File file, void *bytes, size_t size, off_t offset) {
        return ::pread(file, bytes, size, offset) == static_cast<ssize_t>(size);
    }
    bool truncate(File file) {
        return ftruncate(file, 0) == 0;
    }
    bool rewind(File file) {
        return lseek(file, 0, SEEK_SET) == 0;
    }
    long getdents(File file, void *buffer, unsigned size) {
        return getdents64(file, buffer, size);
    }
    bool stat(const char *path, struct stat *stat) {
        return ::stat(path, stat) == 0;
    }
    bool unlink_file(const char *path) {
        return unlink(path) == 0;
    }
    bool link(const char *from, const char *to) {
        return ::link(from, to) == 0;
    }
    bool rename(const char *from, const char *to) {
        return ::rename(from, to) == 0;
    }
    bool mkdir(const char *path) {
        return ::mkdir(path, 0755) == 0;
    }
    bool rmdir(const char *path) {
        return ::rmdir(path) == 0;
    }

private:
    std::string root_;
};

} // namespace bench
