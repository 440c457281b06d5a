// image: a pool image that can be damaged and made whole again at once.
//
//   memfd with the sound image ──private mapping──► [no access│ pool │no access]
//                    reset(): the changed pages are dropped, the memfd's are seen again
#pragma once

#include "libpmemfile/fs/attach.h"

#include <memory>
#include <string>
#include <vector>

namespace hostile {

class Image {
public:
    // Copies `bytes` (a whole number of pages).
    explicit Image(const std::vector<std::byte> &bytes, pmemfile::PoolOffset superblock);
    ~Image();
    Image(const Image &) = delete;
    Image &operator=(const Image &) = delete;

    std::byte *base() const {
        return base_;
    }
    size_t size_bytes() const {
        return size_bytes_;
    }
    pmemfile::PoolOffset superblock() const {
        return superblock_;
    }
    // What was changed is gone.
    void reset();

private:
    std::byte *base_ = nullptr;
    size_t size_bytes_ = 0;
    pmemfile::PoolOffset superblock_ = 0;
};

// A pool with at least one of each structure: files inline, small, with one and with two levels of
// map; symlinks inline and in a block; directories empty, with a leaf, with a trie; a fifo.
struct Samples {
    std::vector<std::byte> clean;   // left in order
    std::vector<std::byte> crashed; // live records in the rings, and an orphan
    pmemfile::PoolOffset superblock = 0;
};
// Throws std::runtime_error when the pool cannot be made.
Samples make_samples();

// All bytes of file data in the samples.
constexpr unsigned char data_byte = 0xa5;

} // namespace hostile
