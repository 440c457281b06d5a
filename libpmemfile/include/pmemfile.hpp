// pmemfile.hpp: libpmemfile-posix for C++: owners instead of handles, spans instead of pointers and
// sizes, Result instead of errno. Header only; nothing throws.
//
//     auto pool = pmemfile::cpp::Pool::open("/dev/shm/pool");
//     if (!pool.ok()) return pool.error().number();
//     auto file = pool->open("/log", O_CREAT | O_WRONLY | O_APPEND);
//     if (file.ok()) file->write(std::as_bytes(std::span("hello")));
//
// Each function is one call of libpmemfile-posix.h, whose text says what it does, its errors (those
// of its POSIX namesake) and its thread rule. A call that changes something is atomic and durable
// when it returns. A File and a Mapping must end before their Pool does. Paths are NUL-terminated.
#pragma once

#include "base/result.h"
#include "libpmemfile-posix.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace pmemfile::cpp {

template <typename T> using Result = base::Result<T>;
using Status = base::Status;

// What a C call returned, with errno as its error.
inline Status status_of(int result) {
    return result < 0 ? Status(base::error(errno)) : Status();
}
inline Result<size_t> size_of(pmemfile_ssize_t result) {
    if (result < 0)
        return base::error(errno);
    return static_cast<size_t>(result);
}

// One name in a directory.
struct Entry {
    std::string name;
    pmemfile_ino_t inode = 0;
    unsigned char type = 0; // DT_*
};

// A mapping of a file. Moves, and unmaps itself; lives on when the file is closed.
class Mapping {
public:
    Mapping() = default;
    // Takes over what is mapped at `bytes`.
    Mapping(PMEMfilepool *pool, std::span<std::byte> bytes) : pool_(pool), bytes_(bytes) {}
    ~Mapping() {
        unmap();
    }
    Mapping(Mapping &&other) noexcept : pool_(other.pool_), bytes_(std::exchange(other.bytes_, {})) {}
    Mapping &operator=(Mapping &&other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    // To the length that was asked for. Loads beyond the last page of the file are SIGBUS.
    std::span<std::byte> bytes() const {
        return bytes_;
    }
    // The stores to `part` of bytes() are durable afterwards. It begins on a page.
    Status sync(std::span<std::byte> part) const {
        return status_of(pmemfile_msync(pool_, part.data(), part.size(), MS_SYNC));
    }
    Status sync() const {
        return sync(bytes_);
    }
    // Another length, and perhaps another address.
    Status resize(size_t length_bytes) {
        void *const at = pmemfile_mremap(pool_, bytes_.data(), bytes_.size(), length_bytes, MREMAP_MAYMOVE);
        if (at == MAP_FAILED)
            return base::error(errno);
        bytes_ = {static_cast<std::byte *>(at), length_bytes};
        return {};
    }
    void unmap() {
        if (!bytes_.empty())
            pmemfile_munmap(pool_, bytes_.data(), bytes_.size());
        bytes_ = {};
    }

private:
    PMEMfilepool *pool_ = nullptr;
    std::span<std::byte> bytes_;
};

// An open file description. Moves, and closes itself.
class File {
public:
    File() = default;
    // Takes over `file`, which is open in `pool`.
    File(PMEMfilepool *pool, PMEMfile *file) : pool_(pool), file_(file) {}
    ~File() {
        close();
    }
    File(File &&other) noexcept : pool_(other.pool_), file_(std::exchange(other.file_, nullptr)) {}
    File &operator=(File &&other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(file_, other.file_);
        return *this;
    }

    // Bytes read, 0 at the end of the file.
    Result<size_t> read(std::span<std::byte> to) {
        return size_of(pmemfile_read(pool_, file_, to.data(), to.size()));
    }
    Result<size_t> read_at(std::span<std::byte> to, pmemfile_off_t offset_bytes) {
        return size_of(pmemfile_pread(pool_, file_, to.data(), to.size(), offset_bytes));
    }
    // Bytes written; fewer than asked only when space ran out.
    Result<size_t> write(std::span<const std::byte> from) {
        return size_of(pmemfile_write(pool_, file_, from.data(), from.size()));
    }
    Result<size_t> write_at(std::span<const std::byte> from, pmemfile_off_t offset_bytes) {
        return size_of(pmemfile_pwrite(pool_, file_, from.data(), from.size(), offset_bytes));
    }
    Result<pmemfile_off_t> seek(pmemfile_off_t offset_bytes, int whence = SEEK_SET) {
        const pmemfile_off_t offset = pmemfile_lseek(pool_, file_, offset_bytes, whence);
        if (offset < 0)
            return base::error(errno);
        return offset;
    }
    Status truncate(pmemfile_off_t size_bytes) {
        return status_of(pmemfile_ftruncate(pool_, file_, size_bytes));
    }
    Status allocate(int mode, pmemfile_off_t offset_bytes, pmemfile_off_t length_bytes) {
        return status_of(pmemfile_fallocate(pool_, file_, mode, offset_bytes, length_bytes));
    }
    Result<pmemfile_stat_t> stat() const {
        pmemfile_stat_t stat;
        BASE_TRY(status_of(pmemfile_fstat(pool_, file_, &stat)));
        return stat;
    }
    Status chmod(pmemfile_mode_t mode) {
        return status_of(pmemfile_fchmod(pool_, file_, mode));
    }
    // The value of an extended attribute.
    Result<std::string> xattr(const char *name) const {
        std::string value;
        // It may grow between the question for its length and its reading.
        for (;;) {
            const pmemfile_ssize_t length = pmemfile_fgetxattr(pool_, file_, name, nullptr, 0);
            if (length <= 0)
                return length == 0 ? Result<std::string>(value) : base::error(errno);
            value.resize(static_cast<size_t>(length));
            const pmemfile_ssize_t filled = pmemfile_fgetxattr(pool_, file_, name, value.data(), value.size());
            if (filled < 0 && errno != ERANGE)
                return base::error(errno);
            if (filled < 0)
                continue;
            value.resize(static_cast<size_t>(filled));
            return value;
        }
    }
    // `flags`: 0, XATTR_CREATE or XATTR_REPLACE.
    Status set_xattr(const char *name, std::string_view value, int flags = 0) {
        return status_of(pmemfile_fsetxattr(pool_, file_, name, value.data(), value.size(), flags));
    }
    Status remove_xattr(const char *name) {
        return status_of(pmemfile_fremovexattr(pool_, file_, name));
    }
    // Maps it (pmemfile_mmap). `flags`: MAP_SHARED, MAP_PRIVATE and their companions but MAP_FIXED.
    Result<Mapping> map(size_t length_bytes, int protection, int flags = MAP_SHARED, pmemfile_off_t offset_bytes = 0) {
        void *const at = pmemfile_mmap(pool_, nullptr, length_bytes, protection, flags, file_, offset_bytes);
        if (at == MAP_FAILED)
            return base::error(errno);
        return Mapping(pool_, {static_cast<std::byte *>(at), length_bytes});
    }
    // LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB.
    Status lock(int operation) {
        return status_of(pmemfile_flock(pool_, file_, operation));
    }
    // The entries of a directory from its position on.
    Result<std::vector<Entry>> entries() {
        std::vector<Entry> all;
        alignas(struct dirent64) std::byte buffer[8192];
        for (;;) {
            const int filled =
                pmemfile_getdents64(pool_, file_, reinterpret_cast<struct dirent64 *>(buffer), sizeof(buffer));
            if (filled < 0)
                return base::error(errno);
            if (filled == 0)
                return all;
            for (int at = 0; at < filled;) {
                const auto &entry = *reinterpret_cast<const struct dirent64 *>(buffer + at);
                all.push_back({entry.d_name, entry.d_ino, entry.d_type});
                at += entry.d_reclen;
            }
        }
    }
    void close() {
        if (file_ != nullptr)
            pmemfile_close(pool_, std::exchange(file_, nullptr));
    }
    // For calls of the C interface; still owned by this object.
    PMEMfile *get() const {
        return file_;
    }

private:
    PMEMfilepool *pool_ = nullptr;
    PMEMfile *file_ = nullptr;
};

// A transaction of this thread (pmemfile_tx_begin). Moves within its thread; aborts when it ends uncommitted.
class Transaction {
public:
    Transaction() = default;
    // Takes over the one that this thread has open in `pool`.
    explicit Transaction(PMEMfilepool *pool) : pool_(pool) {}
    ~Transaction() {
        abort();
    }
    Transaction(Transaction &&other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    Transaction &operator=(Transaction &&other) noexcept {
        std::swap(pool_, other.pool_);
        return *this;
    }
    Status commit() {
        return status_of(pmemfile_tx_commit(std::exchange(pool_, nullptr)));
    }
    void abort() {
        if (pool_ != nullptr)
            pmemfile_tx_abort(std::exchange(pool_, nullptr));
    }

private:
    PMEMfilepool *pool_ = nullptr;
};

// An open pool. Moves, and closes itself.
class Pool {
public:
    Pool() = default;
    ~Pool() {
        close();
    }
    Pool(Pool &&other) noexcept : pool_(std::exchange(other.pool_, nullptr)) {}
    Pool &operator=(Pool &&other) noexcept {
        std::swap(pool_, other.pool_);
        return *this;
    }

    static Result<Pool> create(const char *path, size_t size_bytes, pmemfile_mode_t mode = 0600) {
        return taken_over(pmemfile_pool_create(path, size_bytes, mode));
    }
    static Result<Pool> open(const char *path) {
        return taken_over(pmemfile_pool_open(path));
    }

    static Result<Pool> open_read_only(const char *path) {
        return taken_over(pmemfile_pool_open_read_only(path));
    }

    Result<File> open(const char *path, int flags, pmemfile_mode_t mode = 0644) {
        PMEMfile *file = pmemfile_open(pool_, path, flags, mode);
        if (file == nullptr)
            return base::error(errno);
        return File(pool_, file);
    }
    // Begins a transaction of this thread; waits for nobody: EBUSY when this thread has one open, EAGAIN when 32
    // are open in the pool. Both ends are the object's.
    Result<Transaction> begin() {
        BASE_TRY(status_of(pmemfile_tx_begin(pool_)));
        return Transaction(pool_);
    }
    // All names in a directory, with "." and "..".
    Result<std::vector<Entry>> entries(const char *path) {
        BASE_TRY_ASSIGN(File directory, open(path, O_RDONLY | O_DIRECTORY));
        return directory.entries();
    }
    Result<pmemfile_stat_t> stat(const char *path, int flags = 0) const {
        pmemfile_stat_t stat;
        BASE_TRY(status_of(pmemfile_fstatat(pool_, PMEMFILE_AT_CWD, path, &stat, flags)));
        return stat;
    }
    Result<pmemfile_statfs_t> statfs() const {
        pmemfile_statfs_t statfs;
        BASE_TRY(status_of(pmemfile_statfs(pool_, &statfs)));
        return statfs;
    }
    Result<std::string> readlink(const char *path) const {
        std::string target(PMEMFILE_PATH_MAX, '\0');
        BASE_TRY_ASSIGN(const size_t length, size_of(pmemfile_readlink(pool_, path, target.data(), target.size())));
        target.resize(length);
        return target;
    }
    Status link(const char *from, const char *to) {
        return status_of(pmemfile_link(pool_, from, to));
    }
    Status symlink(const char *target, const char *path) {
        return status_of(pmemfile_symlink(pool_, target, path));
    }
    Status unlink(const char *path) {
        return status_of(pmemfile_unlink(pool_, path));
    }
    Status rename(const char *from, const char *to, unsigned flags = 0) {
        return status_of(pmemfile_renameat2(pool_, PMEMFILE_AT_CWD, from, PMEMFILE_AT_CWD, to, flags));
    }
    Status mkdir(const char *path, pmemfile_mode_t mode = 0755) {
        return status_of(pmemfile_mkdir(pool_, path, mode));
    }
    Status rmdir(const char *path) {
        return status_of(pmemfile_rmdir(pool_, path));
    }
    Status chmod(const char *path, pmemfile_mode_t mode) {
        return status_of(pmemfile_chmod(pool_, path, mode));
    }
    Status chown(const char *path, pmemfile_uid_t uid, pmemfile_gid_t gid) {
        return status_of(pmemfile_chown(pool_, path, uid, gid));
    }
    Status truncate(const char *path, pmemfile_off_t size_bytes) {
        return status_of(pmemfile_truncate(pool_, path, size_bytes));
    }
    Status chdir(const char *path) {
        return status_of(pmemfile_chdir(pool_, path));
    }
    void close() {
        if (pool_ != nullptr)
            pmemfile_pool_close(std::exchange(pool_, nullptr));
    }
    // For calls of the C interface; still owned by this object.
    PMEMfilepool *get() const {
        return pool_;
    }

private:
    explicit Pool(PMEMfilepool *pool) : pool_(pool) {}
    static Result<Pool> taken_over(PMEMfilepool *pool) {
        if (pool == nullptr)
            return base::error(errno);
        return Pool(pool);
    }
    PMEMfilepool *pool_ = nullptr;
};

} // namespace pmemfile::cpp
