#include "posix-shim/paths/host_path.h"

#include "base/user_copy.h"
#include "posix-shim/descriptors/descriptor_table.h"
#include "posix-shim/descriptors/near_proc.h"
#include "posix-shim/paths/host_walk.h"
#include "posix-shim/process/mount.h"
#include "posix-shim/process/working_directory.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <emmintrin.h>
#include <fcntl.h>
#include <string_view>

namespace shim {

namespace {

constexpr size_t text_bytes = 64;
constexpr size_t lane_bytes = sizeof(__m128i);

uint64_t head_of(const char *text) {
    uint64_t head = 0;
    std::memcpy(&head, text, sizeof head);
    return head;
}

// Up to 8 bytes that a path may begin with.
struct Front {
    uint64_t bytes = 0;
    uint64_t mask = 0;

    explicit consteval Front(std::string_view text) {
        for (unsigned i = 0; i < sizeof bytes && i < text.size(); i++) {
            bytes |= static_cast<uint64_t>(static_cast<unsigned char>(text[i])) << 8 * i;
            mask |= uint64_t{0xff} << 8 * i;
        }
    }
    bool is_of(uint64_t head) const {
        return ((head ^ bytes) & mask) == 0;
    }
};

// May the path lie in a mount? Its first and last eight bytes are compared: where that is not enough, the long way is.
// Behind the path's end anything may stand, for no mount's path has a NUL in it.
bool is_near_mount(const char (&text)[text_bytes], uint64_t head) {
    for (unsigned i = 0; i < mount_count; i++) {
        const std::string_view mount = mounts[i].path(); // with zeros behind it
        if (mount.size() < sizeof head) {
            if (((head ^ head_of(mount.data())) & ((uint64_t{1} << 8 * mount.size()) - 1)) == 0)
                return true;
            continue;
        }
        const size_t tail = mount.size() - sizeof head;
        if (head == head_of(mount.data()) &&
            (mount.size() > text_bytes || head_of(text + tail) == head_of(mount.data() + tail)))
            return true;
    }
    return false;
}

// Without ".." and symlinks, what begins there stays on the host.
bool begins_on_host(const ThreadContext &context, long register_value) {
    const auto dirfd = static_cast<int>(register_value);
    if (context.is_vfork_child)
        return false;
    if (dirfd == AT_FDCWD)
        return host_cwd_is_far() && working_directory().mount < 0;
    return dirfd >= 0 && dirfd < descriptor_table_size &&
           descriptor_words[dirfd].load(std::memory_order_acquire) == descriptor_host && !near_proc_is(dirfd);
}

} // namespace

bool is_plainly_of_host(const ThreadContext &context, long dirfd, const char *user_path) {
    constexpr uintptr_t page_bytes = 4096;
    alignas(lane_bytes) char text[text_bytes];
    if (reinterpret_cast<uintptr_t>(user_path) % page_bytes > page_bytes - text_bytes ||
        root_was_changed.load(std::memory_order_relaxed) || base_user_copy(text, user_path, text_bytes) != 0)
        return false;
    const uint64_t head = head_of(text);
    const bool is_relative = text[0] != '/';
    if (is_relative ? text[0] == 0 || !begins_on_host(context, dirfd)
                    : is_near_mount(text, head) || Front("/proc").is_of(head) || Front("/dev").is_of(head) ||
                          Front("/etc/mtab").is_of(head) || text[1] == 0)
        return false;
    uint64_t ends = 0;
    uint64_t slashes = 0;
    uint64_t dots = 0;
    for (size_t at = 0; at < text_bytes; at += lane_bytes) {
        const __m128i lane = _mm_load_si128(reinterpret_cast<const __m128i *>(text + at));
        const auto bits = [&](char character) {
            const __m128i equal = _mm_cmpeq_epi8(lane, _mm_set1_epi8(character));
            return static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(equal))) << at;
        };
        ends |= bits(0);
        slashes |= bits('/');
        dots |= bits('.');
        if (ends != 0)
            break;
    }
    if (ends == 0)
        return false;
    const uint64_t counted = (uint64_t{1} << std::countr_zero(ends)) - 1;
    slashes &= counted;
    dots &= counted;
    const uint64_t begins = slashes << 1 | (is_relative ? 1u : 0u); // of names
    const uint64_t closes = slashes | ~counted;
    return (begins & slashes) == 0 && (begins & dots & (closes >> 1 | dots >> 1)) == 0;
}

} // namespace shim
