// The pool is made by mkfs as any other, in a file that is read and removed at once.
#include "tests/crash/image.h"

#include "libpmemfile/fs/locate.h"
#include "libpmemfile/fs/mkfs.h"

#include <cstring>
#include <fcntl.h>
#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>

namespace crash {

using namespace pmemfile;

PoolMemory::PoolMemory(size_t size_bytes) : size_bytes_(size_bytes) {
    void *memory = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc();
    base_ = static_cast<std::byte *>(memory);
}

PoolMemory::~PoolMemory() {
    munmap(base_, size_bytes_);
}

PoolOffset load_new_pool(PoolMemory &memory) {
    const std::string path = "/dev/shm/pmemfile-crash." + std::to_string(getpid());
    MkfsOptions options;
    options.size_bytes = pool_min_bytes;
    options.max_size_bytes = memory.size_bytes();
    options.replace = true;
    ContainerMessage message;
    if (!mkfs(path.c_str(), options, &message).ok())
        throw std::runtime_error(message.text);
    const int file = open(path.c_str(), O_RDONLY);
    const ssize_t length = pread(file, memory.base(), memory.size_bytes(), 0);
    close(file);
    unlink(path.c_str());
    auto superblock = pool_find_superblock(memory.base(), memory.size_bytes());
    if (length != static_cast<ssize_t>(memory.size_bytes()) || !superblock.ok())
        throw std::runtime_error("the new pool cannot be read");
    return *superblock;
}

void soil_free_blocks(PoolMemory &memory, PoolOffset superblock_offset) {
    const auto &superblock = *reinterpret_cast<const Superblock *>(memory.base() + superblock_offset);
    const auto *groups =
        reinterpret_cast<const GroupDescriptor *>(memory.base() + superblock.group_table_block * block_size_bytes);
    for (uint64_t group = 0; group < superblock.group_count; ++group) {
        const uint64_t first = groups[group].first_block;
        const auto *bitmap = reinterpret_cast<const uint64_t *>(memory.base() + first * block_size_bytes);
        for (uint64_t bit = 0; bit < groups[group].block_count; ++bit)
            if ((bitmap[bit / 64] >> (bit % 64) & 1) == 0)
                std::memset(memory.base() + (first + bit) * block_size_bytes, 0xa5, block_size_bytes);
    }
}

AttachedImage::AttachedImage(std::byte *base, size_t size_bytes, PoolOffset superblock, PersistObserver *observer)
    : pool_(std::make_unique<Pool>()) {
    base::Status attached = pool_attach_image(*pool_, base, size_bytes, superblock, observer);
    if (!attached.ok()) {
        error_ = std::string("cannot be attached: ") + std::strerror(attached.error().number());
        if (pool_->segment != nullptr)
            munmap(pool_->segment, pool_->segment->segment_size_bytes);
        return;
    }
    is_attached_ = true;
}

Thread &AttachedImage::thread(unsigned index) {
    if (threads_[index] == nullptr) {
        // Its buffers are never read before they are written: no need to zero 80 KiB an image.
        threads_[index] = std::unique_ptr<Thread>(new Thread);
        if (!thread_register(*threads_[index], *pool_).ok())
            throw std::runtime_error("no thread slot");
    }
    return *threads_[index];
}

void AttachedImage::end_thread(unsigned index) {
    if (threads_[index] == nullptr)
        return;
    thread_release(*threads_[index]);
    threads_[index].reset();
}

AttachedImage::~AttachedImage() {
    if (!is_attached_)
        return;
    for (unsigned index = 3; index > 0; --index)
        end_thread(index - 1);
    pool_detach(*pool_);
}

} // namespace crash
