// page_array: an array that grows, in memory from mmap.
//
// For tables of the process that a hook changes: no malloc. Elements are plain
// data and move when the array grows; so no pointer into it outlives a reserve().
#pragma once

#include "base/raw_syscall.h"

#include <cstddef>
#include <cstring>
#include <sys/mman.h>
#include <type_traits>

namespace pmemfile {

// Not safe for threads: its owner locks. Constant-initialised; the memory is never given back.
template <typename T> class PageArray {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    size_t size() const {
        return size_;
    }
    T &operator[](size_t index) {
        return data_[index];
    }
    T *begin() {
        return data_;
    }
    T *end() {
        return data_ + size_;
    }

    // Makes room for `extra` more elements, so that as many inserts cannot fail. False: out of memory.
    bool reserve(size_t extra) {
        if (size_ + extra <= capacity_)
            return true;
        size_t bytes = capacity_bytes_ == 0 ? 16384 : capacity_bytes_ * 2;
        while (bytes / sizeof(T) < size_ + extra)
            bytes *= 2;
        long at = data_ == nullptr
                      ? base::raw_syscall(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      : base::raw_syscall(SYS_mremap, base::as_long(data_), static_cast<long>(capacity_bytes_),
                                          static_cast<long>(bytes), MREMAP_MAYMOVE);
        if (base::is_error(at))
            return false;
        data_ = reinterpret_cast<T *>(at);
        capacity_bytes_ = bytes;
        capacity_ = bytes / sizeof(T);
        return true;
    }
    // The room was reserved.
    void insert(size_t index, const T &element) {
        std::memmove(data_ + index + 1, data_ + index, (size_ - index) * sizeof(T));
        data_[index] = element;
        size_++;
    }
    void erase(size_t index, size_t count) {
        std::memmove(data_ + index, data_ + index + count, (size_ - index - count) * sizeof(T));
        size_ -= count;
    }

private:
    T *data_ = nullptr;
    size_t size_ = 0, capacity_ = 0, capacity_bytes_ = 0;
};

} // namespace pmemfile
