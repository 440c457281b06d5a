// The note stands on the line of the superblock that each first attach stamps, and goes
// by that stamp: a runtime nonce of 0 says that nobody is or was attached since.
//
//   first attach: nonce := n   …   last detach: device, inode, medium := ours, nonce := 0
//
// The superblock itself stands at the first 2 MiB boundary with its magic; bring_up judges what it says.
#include "libpmemfile/fs/locate.h"

#include "base/raw_syscall.h"
#include "libpmemfile/fs/bring_up.h"
#include "libpmemfile/fs/pool_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <sys/file.h>
#include <sys/mman.h>

namespace pmemfile {
namespace {

constexpr uint64_t slab_alignment_bytes = uint64_t{2} << 20;
constexpr uint64_t last_offset_bytes = 32 * slab_alignment_bytes; // libpmemobj's own part is smaller
constexpr size_t looked_at_bytes = 576;                           // up to the line of the note
static_assert(offsetof(Superblock, watermark) == looked_at_bytes);

bool is_whole(const Superblock &superblock, const struct stat &pool_status) {
    return superblock.magic == superblock_magic && superblock.version == format_version &&
           (superblock.features.incompatible & ~features_of_mkfs) == 0 &&
           superblock.pool_size_bytes == static_cast<uint64_t>(pool_status.st_size) &&
           superblock.checksum ==
               XXH3_64bits(&superblock.version, superblock_checked_bytes - offsetof(Superblock, version));
}

// Reads the head of the superblock and where it stands. Only its fields are looked at, and less stack is
// taken than by the whole block, which is why the sanitizer's object-size check is not asked by the readers.
base::Result<PoolOffset> read_head(int descriptor, std::byte (&head)[looked_at_bytes]) {
    for (uint64_t offset = slab_alignment_bytes; offset <= last_offset_bytes; offset += slab_alignment_bytes) {
        const long length =
            base::raw_syscall(SYS_pread64, descriptor, base::as_long(head), sizeof(head), static_cast<long>(offset));
        if (length != static_cast<long>(sizeof(head)))
            break;
        uint64_t magic = 0;
        std::memcpy(&magic, head, sizeof(magic));
        if (magic == superblock_magic)
            return offset;
    }
    return base::error(EINVAL);
}

// Is the file on a filesystem that is mounted with DAX (by now)?
bool is_mapped_synchronously(int descriptor) {
    const long mapped = base::raw_syscall(SYS_mmap, 0, static_cast<long>(block_size_bytes), PROT_READ,
                                          MAP_SHARED_VALIDATE | MAP_SYNC, descriptor, 0);
    if (base::is_error(mapped))
        return false;
    base::raw_syscall(SYS_munmap, mapped, static_cast<long>(block_size_bytes));
    return true;
}

// Fills `location` from the note; false when there is none that holds.
__attribute__((no_sanitize("object-size"))) bool read_note(int descriptor, const struct stat &pool_status,
                                                           PoolLocation &location) {
    alignas(Superblock) std::byte head[looked_at_bytes];
    const base::Result<PoolOffset> offset =
        S_ISREG(pool_status.st_mode) ? read_head(descriptor, head) : base::Result<PoolOffset>(base::error(EINVAL));
    if (!offset.ok())
        return false;
    const auto &superblock = *reinterpret_cast<const Superblock *>(head);
    if (!is_whole(superblock, pool_status) || superblock.runtime_nonce != 0 ||
        superblock.note_device != pool_status.st_dev || superblock.note_inode != pool_status.st_ino ||
        superblock.note_forced != environment_forces() ||
        superblock.note_medium < static_cast<uint32_t>(Medium::persistent_memory) ||
        superblock.note_medium > static_cast<uint32_t>(Medium::volatile_memory))
        return false;
    location = {*offset, superblock.pool_size_bytes, static_cast<Medium>(superblock.note_medium)};
    // Where the note says persistent memory and that is so no more, map_pool_file() sees it.
    return location.medium != Medium::ordinary_file || !is_mapped_synchronously(descriptor);
}

} // namespace

base::Result<PoolOffset> pool_find_superblock(int descriptor) {
    alignas(Superblock) std::byte head[looked_at_bytes];
    return read_head(descriptor, head);
}

base::Result<PoolOffset> pool_find_superblock(const std::byte *base, uint64_t size_bytes) {
    for (uint64_t offset = slab_alignment_bytes;
         offset <= last_offset_bytes && offset + sizeof(Superblock) <= size_bytes; offset += slab_alignment_bytes) {
        uint64_t magic = 0;
        std::memcpy(&magic, base + offset, sizeof(magic));
        if (magic == superblock_magic)
            return offset;
    }
    return base::error(EINVAL);
}

base::Result<PoolLocation> pool_locate(const char *path, const AttachOptions &options, int descriptor,
                                       const struct stat &pool_status, ContainerMessage *message) {
    PoolLocation location;
    if (read_note(descriptor, pool_status, location))
        return location;
    BASE_TRY_ASSIGN(const ContainerInfo info, options.container_describe(path, message));
    base::Result<PoolOffset> superblock = base::error(EINVAL);
    if (S_ISCHR(pool_status.st_mode)) {
        BASE_TRY_ASSIGN(Persist device, map_pool_file(descriptor, info.pool_size_bytes, info.medium));
        superblock = pool_find_superblock(device.base(), device.size_bytes());
        unmap_pool_file(device);
    } else {
        superblock = pool_find_superblock(descriptor);
    }
    if (!superblock.ok())
        return attach_failure(message, path, "not a pmemfile pool, or its superblock is damaged",
                              superblock.error().number());
    location = {*superblock, info.pool_size_bytes, info.medium};
    return location;
}

void pool_note_location(Pool &pool) {
    struct stat pool_status;
    if (pool.read_only || pool.segment->failed.load() != 0 ||
        base::is_error(base::raw_syscall(SYS_fstat, pool.pool_descriptor, base::as_long(&pool_status))))
        return;
    const PoolOffset superblock = pool.superblock_offset;
    pool.persist.store64(superblock + offsetof(Superblock, note_device), pool_status.st_dev);
    pool.persist.store64(superblock + offsetof(Superblock, note_inode), pool_status.st_ino);
    const uint64_t medium = static_cast<uint64_t>(pool.persist.medium());
    pool.persist.store64(superblock + offsetof(Superblock, note_medium), medium | uint64_t{environment_forces()} << 32);
    // One line: what stands in it is seen in this order, so the nonce vouches for the rest.
    pool.persist.store64(superblock + offsetof(Superblock, runtime_nonce), 0);
    pool.persist.flush(superblock + offsetof(Superblock, attach_generation), cache_line_bytes);
    static_cast<void>(pool.persist.fence()); // not durable: the next attach asks libpmem
}

} // namespace pmemfile
