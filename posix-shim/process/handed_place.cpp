#include "posix-shim/process/handed_place.h"

#include "base/raw_syscall.h"
#include "libpmemfile/runtime/liveness.h"
#include "libpmemfile/runtime/segment.h"

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

namespace {

bool is_same_file(int descriptor, const char *path) {
    struct stat held = {};
    struct stat named = {};
    return !base::is_error(base::raw_syscall(SYS_fstat, descriptor, base::as_long(&held))) &&
           !base::is_error(base::raw_syscall(SYS_stat, base::as_long(path), base::as_long(&named))) &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

// Both descriptors are those of the pool that had this segment.
bool holds_pool(const pmemfile::PoolPlace &place, uint64_t nonce) {
    using pmemfile::Segment;
    constexpr size_t head_bytes = offsetof(Segment, pool_inode) + sizeof(uint64_t);
    alignas(Segment) char head[head_bytes];
    struct stat pool = {};
    if (base::raw_syscall(SYS_pread64, place.liveness_descriptor, base::as_long(head), head_bytes, 0) != head_bytes ||
        base::is_error(base::raw_syscall(SYS_fstat, place.pool_descriptor, base::as_long(&pool))))
        return false;
    auto word = [&](size_t offset) {
        uint64_t value;
        std::memcpy(&value, head + offset, sizeof value);
        return value;
    };
    return word(offsetof(Segment, nonce)) == nonce && word(offsetof(Segment, pool_device)) == pool.st_dev &&
           word(offsetof(Segment, pool_inode)) == pool.st_ino;
}

} // namespace

uint64_t pools_mark(std::string_view pools) {
    uint64_t mark = 0xcbf29ce484222325; // FNV-1a
    for (const char character : pools)
        mark = (mark ^ static_cast<unsigned char>(character)) * 0x100000001b3;
    return mark;
}

const pmemfile::PoolPlace *handed_place(const Handover &handover, unsigned index, uint64_t mark, const char *path) {
    if (index >= handover.place_count)
        return nullptr;
    const pmemfile::PoolPlace &place = handover.places[index];
    // With other mounts than the giver's, the path tells whether this one is the same.
    return holds_pool(place, handover.nonces[index]) &&
                   (handover.pools_mark == mark || is_same_file(place.pool_descriptor, path))
               ? &place
               : nullptr;
}

bool is_handed_pool(const Handover &handover, const Mount &mount, unsigned index) {
    return index < handover.place_count && mount.pool.segment->nonce == handover.nonces[index];
}

void close_foreign_places(const Handover &handover) {
    for (unsigned i = 0; i < handover.place_count && i < mount_count; i++) {
        const pmemfile::PoolPlace &place = handover.places[i];
        const pmemfile::Pool &pool = mounts[i].pool;
        char runtime[pmemfile::runtime_file_path_bytes];
        pmemfile::runtime_file_path(pool, runtime);
        if (place.liveness_descriptor != pool.liveness_descriptor && is_same_file(place.liveness_descriptor, runtime))
            base::raw_syscall(SYS_close, place.liveness_descriptor);
        struct stat own = {};
        struct stat other = {};
        base::raw_syscall(SYS_fstat, pool.pool_descriptor, base::as_long(&own));
        if (place.pool_descriptor != pool.pool_descriptor &&
            !base::is_error(base::raw_syscall(SYS_fstat, place.pool_descriptor, base::as_long(&other))) &&
            own.st_dev == other.st_dev && own.st_ino == other.st_ino)
            base::raw_syscall(SYS_close, place.pool_descriptor);
    }
}

} // namespace shim
