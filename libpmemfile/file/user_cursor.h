// user_cursor: walks once, front to back, over the application buffers of one call.
#pragma once

#include "base/user_copy.h"
#include "libpmemfile/file/data.h"

#include <algorithm>

namespace pmemfile {

// What a hole reads as.
alignas(64) inline constexpr std::byte zero_block[block_size_bytes] = {};

class UserCursor {
public:
    explicit UserCursor(const UserBuffers &buffers) : buffers_(buffers) {}

    // Bytes of the buffer under the cursor that are left; 0 at the end of all.
    size_t piece_bytes() {
        while (index_ < buffers_.count && used_ == buffers_.vectors[index_].iov_len) {
            ++index_;
            used_ = 0;
        }
        return index_ < buffers_.count ? buffers_.vectors[index_].iov_len - used_ : 0;
    }
    // Where that buffer goes on. piece_bytes() > 0.
    std::byte *piece() const {
        return static_cast<std::byte *>(buffers_.vectors[index_].iov_base) + used_;
    }
    void advance(size_t size_bytes) {
        used_ += size_bytes;
    }
    // Copies the next bytes to our memory. False: a bad address.
    bool copy_out(std::byte *to, size_t size_bytes) {
        while (size_bytes > 0) {
            size_t piece_size = std::min(piece_bytes(), size_bytes);
            if (piece_size == 0 || base_user_copy(to, piece(), piece_size) != 0)
                return false;
            advance(piece_size);
            to += piece_size;
            size_bytes -= piece_size;
        }
        return true;
    }
    // Copies from our memory to the application; returns how many bytes went
    // (whole pieces only; fewer than asked: a bad address or the end).
    size_t copy_in(const std::byte *from, size_t size_bytes) {
        size_t done = 0;
        while (done < size_bytes) {
            size_t piece_size = std::min(piece_bytes(), size_bytes - done);
            if (piece_size == 0 || base_user_copy(piece(), from + done, piece_size) != 0)
                break;
            advance(piece_size);
            done += piece_size;
        }
        return done;
    }

private:
    UserBuffers buffers_;
    unsigned index_ = 0;
    size_t used_ = 0;
};

// Sum of the buffers' lengths, cut where read(2) and write(2) cut it.
inline size_t total_bytes(const UserBuffers &buffers) {
    constexpr size_t transfer_max_bytes = 0x7ffff000; // MAX_RW_COUNT of Linux
    size_t total = 0;
    for (unsigned i = 0; i < buffers.count; ++i)
        total += std::min(buffers.vectors[i].iov_len, transfer_max_bytes - total);
    return total;
}

} // namespace pmemfile
