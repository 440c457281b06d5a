// page_array: a growing array in memory of its own.
//
// For constructors of a preloaded library, which run before the program's allocator may be ready, and for
// what a hook changes: no malloc, and no C++ runtime; so no std::vector.
#pragma once

#include "base/raw_syscall.h"

#include <cstddef>
#include <cstring>
#include <sys/mman.h>

namespace base {

// Memory of the kernel's for several arrays, its pages there at once: one call instead of one for each, and no faults.
class SharedPages {
public:
    SharedPages() = default;
    SharedPages(const SharedPages &) = delete;
    SharedPages &operator=(const SharedPages &) = delete;
    ~SharedPages() {
        if (size_bytes_ != 0)
            raw_syscall(SYS_munmap, static_cast<long>(begin_), static_cast<long>(size_bytes_));
    }
    // Once. False: no memory.
    bool map(size_t size_bytes) {
        const long result = raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (is_error(result))
            return false;
        begin_ = static_cast<unsigned long>(result);
        size_bytes_ = size_bytes;
        return true;
    }
    // Zeroes, aligned for anything; nullptr: there is not so much left.
    void *take(size_t size_bytes) {
        if (size_bytes > size_bytes_ - used_bytes_)
            return nullptr;
        void *piece = reinterpret_cast<void *>(begin_ + used_bytes_);
        const size_t rounded_bytes = round(size_bytes);
        used_bytes_ += rounded_bytes < size_bytes_ - used_bytes_ ? rounded_bytes : size_bytes_ - used_bytes_;
        return piece;
    }
    // What a piece takes.
    static constexpr size_t round(size_t size_bytes) {
        return (size_bytes + 63) & ~size_t{63};
    }

private:
    unsigned long begin_ = 0;
    size_t size_bytes_ = 0;
    size_t used_bytes_ = 0;
};

// Elements may be moved byte by byte, as they are when it grows (no pointer into it outlives a reserve), and are not
// destroyed one by one. What needs memory fails (returns false) when
// the kernel gives none. One thread at a time.
template <typename T> class PageArray {
public:
    PageArray() = default;
    PageArray(const PageArray &) = delete;
    PageArray &operator=(const PageArray &) = delete;
    ~PageArray() {
        release();
    }

    // With `is_filled` its pages are there at once: cheaper when all of it is going to be written.
    bool reserve(size_t count, bool is_filled = false) {
        if (count <= capacity_)
            return true;
        size_t wanted = capacity_ * 2 > count ? capacity_ * 2 : count;
        size_t size_bytes = (wanted * sizeof(T) + 4095) & ~size_t{4095};
        const bool is_shared = data_ != nullptr && mapped_bytes_ == 0;
        long result = data_ == nullptr || is_shared
                          ? base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes), PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | (is_filled ? MAP_POPULATE : 0), -1, 0)
                          : base::raw_syscall(SYS_mremap, base::as_long(data_), static_cast<long>(mapped_bytes_),
                                              static_cast<long>(size_bytes), MREMAP_MAYMOVE);
        if (base::is_error(result))
            return false;
        if (is_shared)
            std::memcpy(reinterpret_cast<void *>(result), static_cast<const void *>(data_), count_ * sizeof(T));
        data_ = reinterpret_cast<T *>(result);
        mapped_bytes_ = size_bytes;
        capacity_ = size_bytes / sizeof(T);
        return true;
    }

    // The same in pages that others share, which outlive the array; in memory of its own when they are used up, or
    // when it grows out of its piece.
    bool reserve_in(SharedPages &pages, size_t count) {
        void *piece = data_ == nullptr ? pages.take(count * sizeof(T)) : nullptr;
        if (piece == nullptr)
            return reserve(count, true);
        data_ = static_cast<T *>(piece);
        capacity_ = count;
        return true;
    }

    bool push(const T &value) {
        if (count_ == capacity_ && !reserve(count_ + 1))
            return false;
        data_[count_++] = value;
        return true;
    }

    // The next element, to be filled in its place; nullptr: no memory.
    T *append() {
        return count_ == capacity_ && !reserve(count_ + 1) ? nullptr : data_ + count_++;
    }

    // There is room: reserve came first.
    void insert(size_t index, const T &value) {
        std::memmove(static_cast<void *>(data_ + index + 1), data_ + index, (count_ - index) * sizeof(T));
        data_[index] = value;
        count_++;
    }
    void erase(size_t index, size_t count) {
        std::memmove(static_cast<void *>(data_ + index), data_ + index + count, (count_ - index - count) * sizeof(T));
        count_ -= count;
    }

    void resize_down(size_t count) {
        count_ = count;
    }

    void release() {
        if (mapped_bytes_ != 0)
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

// Needed until the very last call of the process: no destructor at exit takes it away.
template <typename T> union Immortal {
    constexpr Immortal() : value() {}
    ~Immortal() {}
    T value;
};

} // namespace base
