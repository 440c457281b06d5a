// pool_image: a pool file as bytes, without attaching: for fsck and info.
#pragma once

#include "libpmemfile/format/format.h"

#include <cstddef>
#include <string>

namespace tools {

enum class ImageMode {
    look,         // read only, also while others are attached
    private_copy, // changes stay in memory; nobody may be attached
    exclusive,    // changes reach the pool; nobody may be attached
};

// An open pool file. Unmapped and unlocked by the destructor.
class PoolImage {
public:
    PoolImage() = default;
    ~PoolImage();
    PoolImage(const PoolImage &) = delete;
    PoolImage &operator=(const PoolImage &) = delete;

    // Opens, locks (flock; not for `look`), maps, and finds the superblock. An empty string on
    // success, else what is wrong in one line.
    std::string open(const std::string &path, ImageMode mode);

    std::byte *base() const {
        return base_;
    }
    uint64_t size_bytes() const {
        return size_bytes_;
    }
    pmemfile::PoolOffset superblock_offset() const {
        return superblock_offset_;
    }
    const pmemfile::Superblock &superblock() const {
        return *reinterpret_cast<const pmemfile::Superblock *>(base_ + superblock_offset_);
    }
    // True when some process holds the pool (`look` only).
    bool attached() const {
        return attached_;
    }

private:
    std::string find_superblock();

    int descriptor_ = -1;
    std::byte *base_ = nullptr;
    uint64_t size_bytes_ = 0;
    pmemfile::PoolOffset superblock_offset_ = 0;
    bool attached_ = false;
};

} // namespace tools
