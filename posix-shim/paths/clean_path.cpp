#include "posix-shim/paths/clean_path.h"

#include <cstring>
#include <emmintrin.h>

namespace shim {

size_t clean_path(char *buffer, size_t size_bytes, std::string_view base, std::string_view path, bool *exact) {
    *exact = true;
    size_t length = 0;
    size_t names = 0; // of `path`, in the buffer
    if (!path.starts_with('/') && base != "/") {
        if (base.size() >= size_bytes)
            return 0;
        std::memcpy(buffer, base.data(), base.size());
        length = base.size();
    }
    size_t at = 0;
    while (at < path.size()) {
        while (at < path.size() && path[at] == '/')
            at++;
        size_t end = at;
        while (end < path.size() && path[end] != '/')
            end++;
        std::string_view name = path.substr(at, end - at);
        at = end;
        if (name.empty() || name == ".")
            continue;
        if (name == "..") {
            if (names > 0) {
                names--;
                *exact = false;
            }
            while (length > 0 && buffer[--length] != '/')
                ;
            continue;
        }
        if (length + 1 + name.size() + 1 > size_bytes)
            return 0;
        buffer[length++] = '/';
        std::memcpy(buffer + length, name.data(), name.size());
        length += name.size();
        names++;
    }
    if (length == 0)
        buffer[length++] = '/';
    buffer[length] = 0;
    return length;
}

// Sixteen bytes at a time; what is behind the end is read, but does not count.
bool is_clean(std::string_view path) {
    constexpr size_t lane_bytes = sizeof(__m128i);
    const __m128i slash = _mm_set1_epi8('/');
    const __m128i dot = _mm_set1_epi8('.');
    unsigned behind_slash = path[0] == '/' ? 0 : 1; // the places that a name begins at
    for (size_t at = 0; at < path.size(); at += lane_bytes) {
        const __m128i lane = _mm_loadu_si128(reinterpret_cast<const __m128i *>(path.data() + at));
        const size_t left = path.size() - at;
        const unsigned counted = left < lane_bytes ? (1u << left) - 1 : 0xffffu;
        const auto slashes = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(lane, slash))) & counted;
        const auto dots = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(lane, dot))) & counted;
        if (((behind_slash | slashes << 1) & (slashes | dots)) != 0)
            return false;
        behind_slash = slashes >> (lane_bytes - 1);
    }
    return path.back() != '/';
}

} // namespace shim
