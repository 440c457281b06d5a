// The superblock is the first block of slab 0, which begins at a multiple of
// 2 MiB. Slab 0 is the lowest, so the first superblock magic found at such an
// offset is it; libpmemobj is not needed (it would write to the pool, and dies of damage in its own part).
//
//   0           4096        ...     2 MiB * k
//   "PMEMOBJ"   layout name         superblock │ tables │ rings │ groups
#include "tools/pool_image.h"

#include "libpmemfile/fs/locate.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace tools {

namespace {

constexpr char container_signature[8] = "PMEMOBJ";
constexpr uint64_t layout_offset_bytes = 4096;
constexpr uint64_t slab_alignment_bytes = uint64_t{2} << 20;

// A device-dax tells its size in sysfs alone; 0: not such a device.
uint64_t device_size_bytes(const struct stat &status) {
    const std::string device =
        "/sys/dev/char/" + std::to_string(major(status.st_rdev)) + ":" + std::to_string(minor(status.st_rdev));
    uint64_t size_bytes = 0;
    std::ifstream(device + "/size") >> size_bytes;
    return size_bytes;
}

// A private copy of a device, which the kernel maps shared only. Pages of zeros take no memory.
void *copy_of_device(int descriptor, uint64_t size_bytes) {
    void *device = mmap(nullptr, size_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    void *copy = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (device != MAP_FAILED && copy != MAP_FAILED) {
        static constexpr std::byte zeros[pmemfile::block_size_bytes] = {};
        for (uint64_t at = 0; at < size_bytes; at += sizeof(zeros))
            if (const auto *from = static_cast<const std::byte *>(device) + at;
                std::memcmp(from, zeros, sizeof(zeros)) != 0)
                std::memcpy(static_cast<std::byte *>(copy) + at, from, sizeof(zeros));
    }
    const int error_number = errno;
    if (device != MAP_FAILED)
        munmap(device, size_bytes);
    else if (copy != MAP_FAILED)
        munmap(copy, size_bytes);
    errno = error_number;
    return device != MAP_FAILED ? copy : MAP_FAILED;
}

} // namespace

PoolImage::~PoolImage() {
    if (base_ != nullptr)
        munmap(base_, size_bytes_);
    if (descriptor_ >= 0)
        close(descriptor_);
}

std::string PoolImage::open(const std::string &path, ImageMode mode) {
    bool shared = mode == ImageMode::exclusive;
    descriptor_ = ::open(path.c_str(), (shared ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (descriptor_ < 0 || fstat(descriptor_, &status) != 0)
        return std::string("cannot be opened: ") + std::strerror(errno);
    if (S_ISDIR(status.st_mode))
        return "is a directory, not a pool";
    const bool is_device = S_ISCHR(status.st_mode);
    size_bytes_ = is_device ? device_size_bytes(status) : static_cast<uint64_t>(status.st_size);
    if (is_device ? size_bytes_ == 0 : !S_ISREG(status.st_mode))
        return "is not a regular file or a device-dax";
    // Looking takes the lock for an instant only, to see whether somebody is attached.
    if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
        if (mode != ImageMode::look)
            return "is in use by another process";
        attached_ = true;
    } else if (mode == ImageMode::look) {
        flock(descriptor_, LOCK_UN);
    }
    if (size_bytes_ < slab_alignment_bytes)
        return "is not a pmemfile pool (too short)";
    int protection = mode == ImageMode::look ? PROT_READ : PROT_READ | PROT_WRITE;
    const bool is_copy = is_device && mode == ImageMode::private_copy;
    void *mapped = is_copy ? copy_of_device(descriptor_, size_bytes_)
                           : mmap(nullptr, size_bytes_, protection,
                                  shared || is_device ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE, descriptor_, 0);
    if (mapped == MAP_FAILED)
        return std::string("cannot be mapped: ") + std::strerror(errno);
    base_ = static_cast<std::byte *>(mapped);
    return find_superblock();
}

std::string PoolImage::find_superblock() {
    const base::Result<pmemfile::PoolOffset> found = pmemfile::pool_find_superblock(base_, size_bytes_);
    if (!found.ok()) {
        // What libpmemobj's part says, which is not needed otherwise, makes the words clearer.
        if (std::memcmp(base_, container_signature, sizeof(container_signature)) != 0)
            return "is not a pmemfile pool (no superblock, no libpmemobj signature)";
        const char *layout = reinterpret_cast<const char *>(base_ + layout_offset_bytes);
        if (std::strncmp(layout, pmemfile::container_layout, sizeof(pmemfile::container_layout)) != 0)
            return "is a libpmemobj pool of another layout, not a pmemfile pool";
        return "has no superblock: damaged or truncated";
    }
    superblock_offset_ = *found;
    const pmemfile::Superblock &sb = superblock();
    if (sb.version > pmemfile::format_version)
        return "has format version " + std::to_string(sb.version) + "; this program knows " +
               std::to_string(pmemfile::format_version);
    if (sb.pool_size_bytes > size_bytes_)
        return "was truncated: " + std::to_string(size_bytes_) + " bytes of " + std::to_string(sb.pool_size_bytes);
    return {};
}

} // namespace tools
