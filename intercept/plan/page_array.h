// page_array: a growing array in memory of its own.
//
// Planning runs in a constructor of a preloaded library, before the program's
// allocator may be ready, and the library has no C++ runtime: so no std::vector.
#pragma once

#include "base/raw_syscall.h"

#include <cstddef>
#include <sys/mman.h>

namespace intercept {

// Elements are trivially copyable and never destroyed one by one. push fails
// (returns false) when the kernel gives no memory. One thread.
template <typename T> class PageArray {
public:
    PageArray() = default;
    PageArray(const PageArray &) = delete;
    PageArray &operator=(const PageArray &) = delete;
    ~PageArray() {
        release();
    }

    bool reserve(size_t count) {
        if (count <= capacity_)
            return true;
        size_t wanted = capacity_ * 2 > count ? capacity_ * 2 : count;
        size_t size_bytes = (wanted * sizeof(T) + 4095) & ~size_t{4095};
        long result = data_ == nullptr
                          ? base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                          : base::raw_syscall(SYS_mremap, base::as_long(data_), static_cast<long>(mapped_bytes_),
                                              static_cast<long>(size_bytes), MREMAP_MAYMOVE);
        if (base::is_error(result))
            return false;
        data_ = reinterpret_cast<T *>(result);
        mapped_bytes_ = size_bytes;
        capacity_ = size_bytes / sizeof(T);
        return true;
    }

    bool push(const T &value) {
        if (count_ == capacity_ && !reserve(count_ + 1))
            return false;
        data_[count_++] = value;
        return true;
    }

    void resize_down(size_t count) {
        count_ = count;
    }

    void release() {
        if (data_ != nullptr)
            base::raw_syscall(SYS_munmap, base::as_long(data_), static_cast<long>(mapped_bytes_));
        data_ = nullptr;
        count_ = capacity_ = mapped_bytes_ = 0;
    }

    T *data() {
        return data_;
    }
    const T *data() const {
        return data_;
    }
    size_t size() const {
        return count_;
    }
    T &operator[](size_t i) {
        return data_[i];
    }
    const T &operator[](size_t i) const {
        return data_[i];
    }
    T *begin() {
        return data_;
    }
    T *end() {
        return data_ + count_;
    }
    const T *begin() const {
        return data_;
    }
    const T *end() const {
        return data_ + count_;
    }

private:
    T *data_ = nullptr;
    size_t count_ = 0;
    size_t capacity_ = 0;
    size_t mapped_bytes_ = 0;
};

} // namespace intercept
