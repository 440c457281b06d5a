// image: a pool in memory, and one that is attached with its threads.
#pragma once

#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/attribute_calls.h"

#include <memory>
#include <string>

namespace crash {

// Memory of the size of a pool, from mmap.
class PoolMemory {
public:
    explicit PoolMemory(size_t size_bytes);
    ~PoolMemory();
    PoolMemory(const PoolMemory &) = delete;
    PoolMemory &operator=(const PoolMemory &) = delete;
    std::byte *base() const {
        return base_;
    }
    size_t size_bytes() const {
        return size_bytes_;
    }

private:
    std::byte *base_;
    size_t size_bytes_;
};

// Makes a new pool as large as `memory` and reads it into it; returns where its superblock is. Throws
// std::runtime_error.
pmemfile::PoolOffset load_new_pool(PoolMemory &memory);

// Fills the free blocks with rubbish: the engine must not rely on zeros in what was never written.
void soil_free_blocks(PoolMemory &memory, pmemfile::PoolOffset superblock_offset);

// A pool in memory that is attached, and up to three threads in it.
class AttachedImage {
public:
    AttachedImage(std::byte *base, size_t size_bytes, pmemfile::PoolOffset superblock,
                  pmemfile::PersistObserver *observer);
    ~AttachedImage();
    AttachedImage(const AttachedImage &) = delete;
    AttachedImage &operator=(const AttachedImage &) = delete;
    // Why it could not be attached; empty when it is.
    const std::string &error() const {
        return error_;
    }
    pmemfile::Thread &thread(unsigned index = 0);
    // The thread ends; thread() makes a new one, in the slot that is free then.
    void end_thread(unsigned index);
    pmemfile::Pool &pool() {
        return *pool_;
    }

private:
    std::unique_ptr<pmemfile::Pool> pool_;
    std::unique_ptr<pmemfile::Thread> threads_[3];
    bool is_attached_ = false;
    std::string error_;
};

} // namespace crash
