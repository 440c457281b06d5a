// In pieces that do not cross a page border: a string may end right before a
// page that is not mapped, and must not be refused for that. Most paths are one piece.
#include "posix-shim/paths/user_string.h"

#include "base/user_copy.h"

#include <cstdint>
#include <cstring>

namespace shim {

base::Result<size_t> copy_user_string(char *buffer, size_t size_bytes, const char *user) {
    constexpr size_t piece_bytes = 64;
    constexpr size_t page_bytes = 4096;
    size_t length = 0;
    while (length < size_bytes) {
        const char *from = user + length;
        const size_t left_of_page = page_bytes - reinterpret_cast<uintptr_t>(from) % page_bytes;
        size_t piece = left_of_page < piece_bytes ? left_of_page : piece_bytes;
        if (piece > size_bytes - length)
            piece = size_bytes - length;
        if (base_user_copy(buffer + length, from, piece) != 0)
            return base::error(EFAULT);
        if (const void *end = std::memchr(buffer + length, 0, piece))
            return static_cast<size_t>(static_cast<const char *>(end) - buffer);
        length += piece;
    }
    return base::error(ENAMETOOLONG);
}

} // namespace shim
