// The crashed image is what stands in memory while calls have returned and nobody has left.
#include "tests/hostile/image.h"

#include "libpmemfile/fs/acl.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/xattr_calls.h"
#include "tests/crash/image.h"

#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hostile {

using namespace pmemfile;

namespace {

constexpr size_t pool_size_bytes = 16u << 20;
constexpr size_t guard_bytes = size_t{1} << 30;
constexpr unsigned names_in_trie = 1500;

class Builder {
public:
    explicit Builder(Thread &thread) : thread_(thread), root_(thread.pool->superblock().root_inode) {}

    OpenFileId open_new(const std::string &path) {
        return check(fs_open(thread_, {root_, path, 0}, O_CREAT | O_RDWR, 0644));
    }
    void write(OpenFileId id, size_t size_bytes, int64_t offset) {
        std::vector<unsigned char> bytes(size_bytes, data_byte);
        struct iovec vector = {bytes.data(), bytes.size()};
        check(fs_pwrite(thread_, id, {&vector, 1}, offset, UINT64_MAX));
    }
    void file(const std::string &path, size_t size_bytes, int64_t offset) {
        const OpenFileId id = open_new(path);
        write(id, size_bytes, offset);
        fs_close(thread_, id);
    }
    void xattr(const std::string &path, std::string_view name, const std::string &value) {
        const WalkResult found = check(walk(thread_, root_, path, 0));
        check(fs_setxattr(thread_, found.handle(), name, value.data(), value.size(), 0));
    }
    void build() {
        file("/inline", 100, 0);
        file("/small", 6000, 0);
        file("/tall", 100000, 0);
        file("/taller", 5000, int64_t{40} << 20);
        check(fs_symlink(thread_, "small", {root_, "/link", 0}));
        check(fs_symlink(thread_, std::string(300, 'x'), {root_, "/long-link", 0}));
        check(fs_mkdir(thread_, {root_, "/empty", 0}, 0755));
        check(fs_mkdir(thread_, {root_, "/one", 0}, 0755));
        check(fs_mkdir(thread_, {root_, "/one/below", 0}, 0755));
        file("/one/below/file", 9000, 0);
        check(fs_mknod(thread_, {root_, "/fifo", 0}, S_IFIFO | 0644, 0));
        xattr("/small", "user.short", "a value");
        xattr("/tall", "user.long", std::string(9000, 'l'));
        xattr("/tall", "trusted.other", "of tall");
        const std::string list("\2\0\0\0" // an access control list with one named user
                               "\1\0\7\0\377\377\377\377"
                               "\2\0\7\0\350\3\0\0"
                               "\4\0\5\0\377\377\377\377"
                               "\20\0\7\0\377\377\377\377"
                               " \0\1\0\377\377\377\377",
                               44);
        xattr("/inline", acl_access_name, list);
        xattr("/one", acl_default_name, list);
        file("/one/inherits", 10, 0);
        check(fs_mkdir(thread_, {root_, "/many", 0}, 0755));
        const WalkResult small = check(walk(thread_, root_, "/small", 0));
        for (unsigned i = 0; i < names_in_trie; ++i)
            check(fs_link(thread_, small.handle(), {root_, "/many/a-name-that-takes-room-" + std::to_string(i), 0}));
    }
    void remove(const std::string &path) {
        check(fs_unlink(thread_, {root_, path, 0}));
    }
    void change_size(OpenFileId id, int64_t size_bytes) {
        check(fs_ftruncate(thread_, id, size_bytes));
    }

private:
    template <typename T> T check(base::Result<T> result) {
        if (!result.ok())
            throw std::runtime_error(std::string("sample pool: ") + std::strerror(result.error().number()));
        return *result;
    }
    void check(base::Status status) {
        if (!status.ok())
            throw std::runtime_error(std::string("sample pool: ") + std::strerror(status.error().number()));
    }
    Thread &thread_;
    InodeNumber root_;
};

std::vector<std::byte> copy_of(const crash::PoolMemory &memory) {
    return {memory.base(), memory.base() + memory.size_bytes()};
}

} // namespace

Image::Image(const std::vector<std::byte> &bytes, PoolOffset superblock)
    : size_bytes_(bytes.size()), superblock_(superblock) {
    const int file = memfd_create("pool-image", MFD_CLOEXEC);
    if (file < 0 || write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        throw std::runtime_error("no memory for an image");
    void *reserved =
        mmap(nullptr, size_bytes_ + 2 * guard_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        throw std::bad_alloc();
    base_ = static_cast<std::byte *>(reserved) + guard_bytes;
    if (mmap(base_, size_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED)
        throw std::bad_alloc();
    close(file);
}

Image::~Image() {
    munmap(base_ - guard_bytes, size_bytes_ + 2 * guard_bytes);
}

void Image::reset() {
    madvise(base_, size_bytes_, MADV_DONTNEED);
}

Samples make_samples() {
    Samples samples;
    crash::PoolMemory memory(pool_size_bytes);
    samples.superblock = crash::load_new_pool(memory);
    {
        crash::AttachedImage attached(memory.base(), memory.size_bytes(), samples.superblock, nullptr);
        if (!attached.error().empty())
            throw std::runtime_error(attached.error());
        Builder(attached.thread()).build();
    }
    samples.clean = copy_of(memory);
    crash::AttachedImage attached(memory.base(), memory.size_bytes(), samples.superblock, nullptr);
    Builder builder(attached.thread());
    const OpenFileId orphan = builder.open_new("/orphan");
    builder.write(orphan, 20000, 0);
    builder.remove("/orphan");
    builder.file("/late", 3000, 0);
    const OpenFileId late = builder.open_new("/late");
    builder.change_size(late, 10);
    builder.remove("/tall");
    samples.crashed = copy_of(memory);
    fs_close(attached.thread(), orphan);
    fs_close(attached.thread(), late);
    return samples;
}

} // namespace hostile
