// A new filesystem, laid out in slab 0 from its start:
//
//   [superblock][group table][orphan table][ring table][rings …][group 0][group 1]…
//   slab 1…:                                                    [group n]…
//
// It is built in a new file beside the target and renamed over it at the end,
// so that a failure leaves what was there.
#include "libpmemfile/fs/mkfs.h"

#include "base/page_array.h"
#include "libpmemfile/fs/locate.h"
#include "libpmemfile/fs/pool_file.h"
#include "libpmemfile/journal/inode_checksum.h"
#include "libpmemfile/runtime/thread.h"
#include "libpmemfile/space/group.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pmemfile {
namespace {

constexpr uint64_t min_group_blocks = 64; // less is not worth its metadata

void say(ContainerMessage *message, const char *path, const char *text) {
    if (message != nullptr)
        std::snprintf(message->text, sizeof message->text, "%s: %s", path, text);
}

// Where everything goes; computed before anything is written. No allocation of the C++ library: one that fails
// would end the program.
struct Plan {
    Superblock superblock = {};
    base::PageArray<GroupDescriptor> groups;
    BlockNumber superblock_block = 0;
};

// Rings take at most about a fiftieth of the pool.
void choose_rings(uint64_t pool_bytes, Superblock &superblock) {
    constexpr uint64_t mib = uint64_t{1} << 20;
    if (pool_bytes < 64 * mib)
        superblock.ring_count = 8, superblock.ring_size_bytes = 64 * 1024;
    else if (pool_bytes < 512 * mib)
        superblock.ring_count = 16, superblock.ring_size_bytes = 128 * 1024;
    else if (pool_bytes < 4096 * mib)
        superblock.ring_count = 32, superblock.ring_size_bytes = 512 * 1024;
    else
        superblock.ring_count = 64, superblock.ring_size_bytes = mib;
}

// A pool that grows does so by whole groups: about a thousandth of what it can become, 4 to 128 MiB.
uint64_t growth_step_blocks(const MkfsOptions &options) {
    return std::clamp<uint64_t>(std::bit_ceil(options.max_size_bytes / 1024 / block_size_bytes), 1024,
                                max_blocks_per_group);
}

// What it can grow into begins behind libpmemobj's heap, on a border of huge pages.
BlockNumber tail_first_block(const MkfsOptions &options) {
    constexpr uint64_t huge_page_bytes = uint64_t{2} << 20;
    return (options.size_bytes + huge_page_bytes - 1) / huge_page_bytes * (huge_page_bytes / block_size_bytes);
}

bool add_groups(Plan &plan, uint64_t first_block, uint64_t block_count, uint64_t limit_blocks) {
    while (block_count >= min_group_blocks) {
        GroupDescriptor group = {};
        group.first_block = first_block;
        group.block_count = static_cast<uint32_t>(std::min(block_count, limit_blocks));
        group.metadata_blocks =
            static_cast<uint32_t>(group_metadata_blocks(group.block_count, plan.superblock.features));
        group.checksum = XXH3_64bits_withSeed(&group, offsetof(GroupDescriptor, checksum), plan.groups.size());
        if (!plan.groups.push(group))
            return false;
        first_block += group.block_count;
        block_count -= group.block_count;
    }
    return true;
}

base::Status make_plan(Plan &plan, const ContainerRoot &root, const ContainerInfo &info, const MkfsOptions &options) {
    Superblock &superblock = plan.superblock;
    superblock.magic = superblock_magic;
    superblock.version = format_version;
    superblock.block_size_log2 = 12;
    superblock.features.incompatible = options.share_counts ? features_of_mkfs : 0;
    superblock.pool_size_bytes = info.pool_size_bytes;
    std::strncpy(superblock.label, options.label, sizeof superblock.label - 1);
    if (getrandom(superblock.uuid, sizeof superblock.uuid, 0) != sizeof superblock.uuid ||
        getrandom(&superblock.journal_nonce, 8, 0) != 8)
        return base::error(EIO);
    if (options.journal_nonce != 0)
        superblock.journal_nonce = options.journal_nonce;
    superblock.uuid[6] = static_cast<uint8_t>((superblock.uuid[6] & 0x0f) | 0x40); // RFC 4122, version 4
    superblock.uuid[8] = static_cast<uint8_t>((superblock.uuid[8] & 0x3f) | 0x80);
    timespec now = {};
    clock_gettime(CLOCK_REALTIME, &now);
    superblock.created_ns = now.tv_sec * 1'000'000'000 + now.tv_nsec;
    choose_rings(options.max_size_bytes != 0 ? options.size_bytes : info.pool_size_bytes, superblock);

    uint64_t all_blocks = 0;
    for (uint64_t slab = 0; slab < root.slab_count; slab++)
        all_blocks += root.slabs[slab].block_count;
    const uint64_t most_groups = all_blocks / max_blocks_per_group + root.slab_count + 1 +
                                 options.max_size_bytes / block_size_bytes / growth_step_blocks(options) + 1;
    plan.superblock_block = root.slabs[0].first_block;
    uint64_t next = plan.superblock_block + 1;
    auto take = [&next](uint64_t blocks) {
        const uint64_t first = next;
        next += blocks;
        return first;
    };
    superblock.group_table_blocks = (most_groups * sizeof(GroupDescriptor) + block_size_bytes - 1) / block_size_bytes;
    superblock.group_table_block = take(superblock.group_table_blocks);
    const uint64_t orphan_blocks = std::clamp<uint64_t>(all_blocks / 4096, 1, 128);
    superblock.orphan_slots = orphan_blocks * block_size_bytes / sizeof(OrphanSlot);
    superblock.orphan_table_block = take(orphan_blocks);
    superblock.ring_table_block = take(1);
    superblock.ring_first_block = take(superblock.ring_count * superblock.ring_size_bytes / block_size_bytes);

    const uint64_t used = next - plan.superblock_block;
    if (root.slabs[0].block_count < used + min_group_blocks)
        return base::error(ENOSPC);
    bool has_room = add_groups(plan, next, root.slabs[0].block_count - used, max_blocks_per_group);
    for (uint64_t slab = 1; slab < root.slab_count && has_room; slab++)
        has_room = add_groups(plan, root.slabs[slab].first_block, root.slabs[slab].block_count, max_blocks_per_group);
    if (options.max_size_bytes != 0) {
        superblock.features.incompatible |= feature_growth;
        superblock.groups_in_use = groups_in_use_word(static_cast<uint32_t>(plan.groups.size()));
        const BlockNumber first = tail_first_block(options);
        const uint64_t end = options.max_size_bytes / block_size_bytes;
        if (end > first && has_room)
            has_room = add_groups(plan, first, end - first, growth_step_blocks(options));
    }
    if (!has_room)
        return base::error(ENOMEM);
    superblock.group_count = plan.groups.size();
    superblock.root_inode = (plan.groups[0].first_block + plan.groups[0].metadata_blocks) * inodes_per_block;
    for (unsigned i = 0; i < max_other_roots; i++)
        superblock.other_roots[i] = superblock.root_inode + 1 + i;
    superblock.checksum = XXH3_64bits(&superblock.version, superblock_checked_bytes - offsetof(Superblock, version));
    return {};
}

// All roots are in one inode block.
void write_root_directories(Persist &persist, const Plan &plan, const MkfsOptions &options) {
    const GroupDescriptor &group = plan.groups[0];
    const PoolOffset blocks = group.first_block * block_size_bytes;
    group_set_bit(persist, blocks, group.metadata_blocks);
    group_set_bit(persist, blocks + block_size_bytes, group.metadata_blocks);

    Inode root = {};
    root.magic = inode_magic;
    root.mode = S_IFDIR | (options.root_mode & 07777);
    root.uid = options.root_uid;
    root.gid = options.root_gid;
    root.link_count = 2;
    root.generation = 1;
    root.mtime_ns = root.ctime_ns = root.atime_ns = root.btime_ns = plan.superblock.created_ns;
    const PoolOffset block = plan.superblock.root_inode * inode_size_bytes;
    persist.zero(block, block_size_bytes);
    for_roots(plan.superblock, [&](InodeNumber number) {
        group_set_bit(persist, blocks + 2 * block_size_bytes, number - group.first_block * inodes_per_block);
        root.parent = number;
        root.checksum = inode_checksum(plan.superblock, number, root);
        persist.store(number * inode_size_bytes, &root, sizeof root);
    });
    persist.flush(blocks, group.metadata_blocks * block_size_bytes);
    persist.flush(block, block_size_bytes);
}

// Everything but the superblock, a fence, then the superblock. On a device a former one may stand there: after a cut in
// between it would be found, and tell of tables that are ours.
base::Status write_plan(Persist &persist, const Plan &plan, const MkfsOptions &options) {
    const Superblock &superblock = plan.superblock;
    const PoolOffset target = plan.superblock_block * block_size_bytes;
    persist.store64(target, 0);
    persist.flush(target, sizeof(uint64_t));
    if (!persist.fence())
        return base::error(EIO);
    const PoolOffset tables = superblock.group_table_block * block_size_bytes;
    const uint64_t tables_bytes = (superblock.ring_first_block - superblock.group_table_block) * block_size_bytes;
    persist.zero(tables, tables_bytes);
    persist.store(tables, plan.groups.data(), plan.groups.size() * sizeof(GroupDescriptor));
    persist.flush(tables, tables_bytes);
    for (uint64_t group = 0; group < groups_in_use(superblock); group++)
        group_write(persist, plan.groups[group]);
    write_root_directories(persist, plan, options);
    if (!persist.sync_all())
        return base::error(EIO);
    persist.store(target, &superblock, sizeof superblock);
    persist.flush(target, sizeof superblock);
    return persist.fence() ? base::Status() : base::Status(base::error(EIO));
}

base::Status fill_container(const char *path, const ContainerInfo &info, const MkfsOptions &options,
                            ContainerMessage *message) {
    const int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) {
        const int error_number = errno;
        say(message, path, std::strerror(error_number));
        return base::error(error_number);
    }
    base::Result<Persist> mapped = map_pool_file(descriptor, info.pool_size_bytes, info.medium);
    close(descriptor);
    if (!mapped.ok()) {
        say(message, path, "cannot map the pool");
        return mapped.error();
    }
    Persist persist = *mapped;
    const auto &root = *reinterpret_cast<const ContainerRoot *>(persist.base() + info.root_offset);
    Plan plan;
    base::Status written = make_plan(plan, root, info, options);
    if (written.ok())
        written = write_plan(persist, plan, options);
    unmap_pool_file(persist);
    if (!written.ok())
        say(message, path,
            written.error().number() == ENOSPC   ? "too small for a filesystem"
            : written.error().number() == ENOMEM ? "out of memory"
                                                 : "cannot write");
    return written;
}

base::Status make_at(const char *path, uint64_t size_bytes, const MkfsOptions &options, ContainerMessage *message) {
    BASE_TRY_ASSIGN(ContainerInfo info, container_create(path, size_bytes, options.mode, message));
    if (options.max_size_bytes != 0) { // sparse
        if (truncate(path, static_cast<off_t>(options.max_size_bytes)) != 0) {
            const int error_number = errno;
            say(message, path, std::strerror(error_number));
            return base::error(error_number);
        }
        info.pool_size_bytes = options.max_size_bytes;
    }
    return fill_container(path, info, options, message);
}

// The host's filesystem has its name, or its size and blocks, on its medium.
base::Status sync_on_host(const char *path, int flags) {
    const int descriptor = open(path, flags | O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return base::error(errno);
    const int error_number = fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
    close(descriptor);
    return error_number == 0 ? base::Status() : base::Status(base::error(error_number));
}

} // namespace

namespace {

// Nothing stands where a container begins, nor a superblock where it would be found.
bool is_blank(const char *path) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    struct stat status = {};
    bool blank = fstat(descriptor, &status) == 0;
    static constexpr std::byte zeros[block_size_bytes] = {};
    if (blank && S_ISREG(status.st_mode)) {
        std::byte block[block_size_bytes] = {};
        blank = pread(descriptor, block, sizeof block, 0) >= 0 && std::memcmp(block, zeros, sizeof zeros) == 0 &&
                !pool_find_superblock(descriptor).ok();
    } else if (blank) {
        constexpr size_t looked_at_bytes = size_t{64} << 20; // a device has no read()
        void *mapped = mmap(nullptr, looked_at_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
        blank = mapped != MAP_FAILED && std::memcmp(mapped, zeros, sizeof zeros) == 0 &&
                !pool_find_superblock(static_cast<const std::byte *>(mapped), looked_at_bytes).ok();
        if (mapped != MAP_FAILED)
            munmap(mapped, looked_at_bytes);
    }
    close(descriptor);
    return blank;
}

// In the blank file that is there; it is one again on failure.
base::Status make_in_place(const char *path, uint64_t size_bytes, const MkfsOptions &options,
                           ContainerMessage *message) {
    base::Status made = make_at(path, 0, options, message);
    if (made.ok())
        made = sync_on_host(path, 0);
    if (!made.ok() && (truncate(path, 0) != 0 || truncate(path, static_cast<off_t>(size_bytes)) != 0))
        say(message, path, "cannot be made blank again");
    return made;
}

} // namespace

base::Status mkfs(const char *path, const MkfsOptions &options, ContainerMessage *message) {
    if (std::strlen(options.label) >= sizeof(Superblock::label)) {
        say(message, path, "the label is longer than 63 bytes");
        return base::error(EINVAL);
    }
    struct stat status = {};
    const bool exists = stat(path, &status) == 0;
    if (!exists && errno != ENOENT) {
        const int error_number = errno;
        say(message, path, std::strerror(error_number));
        return base::error(error_number);
    }
    if (exists && S_ISDIR(status.st_mode)) {
        say(message, path, "is a directory");
        return base::error(EISDIR);
    }
    if (exists && !S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) { // to open a fifo would wait
        say(message, path, "neither a file nor a device-dax");
        return base::error(EINVAL);
    }
    if (!exists && lstat(path, &status) == 0) {
        say(message, path, "is a symlink that leads nowhere");
        return base::error(ENOENT);
    }
    const bool takes_blank = exists && !options.replace && options.size_bytes == 0;
    if (exists && !options.replace && !(takes_blank && is_blank(path))) {
        say(message, path, takes_blank ? "is not blank: a pool or other data stands in it" : "exists already");
        return base::error(EEXIST);
    }
    if (options.max_size_bytes != 0 && (options.max_size_bytes < options.size_bytes || options.size_bytes == 0 ||
                                        (exists && S_ISCHR(status.st_mode)))) {
        say(message, path, "a pool that can grow takes a size, a larger one to grow to, and a file");
        return base::error(EINVAL);
    }
    if (exists && is_pool_in_use(path)) {
        say(message, path, "the pool is in use");
        return base::error(EBUSY);
    }
    if (exists && S_ISCHR(status.st_mode)) // a device-dax is formatted where it is
        return make_at(path, 0, options, message);
    const uint64_t size_bytes = options.size_bytes != 0 ? options.size_bytes : exists ? status.st_size : 0;
    if (!exists && size_bytes == 0) {
        say(message, path, "is not there, and no size is given");
        return base::error(ENOENT);
    }
    if (size_bytes < pool_min_bytes) {
        say(message, path, "a pool takes at least 16 MiB");
        return base::error(EINVAL);
    }
    if (std::max(size_bytes, options.max_size_bytes) > pool_max_bytes) {
        say(message, path, "a pool has at most 40 TiB: more cannot be mapped twice");
        return base::error(EFBIG);
    }
    if (takes_blank)
        return make_in_place(path, size_bytes, options, message);
    // The new file is renamed over the old one: over a symlink, it would lie on another filesystem.
    char target[path_max_bytes];
    static_assert(sizeof(target) >= PATH_MAX);
    if (exists && realpath(path, target) == nullptr) {
        const int error_number = errno;
        say(message, path, std::strerror(error_number));
        return base::error(error_number);
    }
    const char *place = exists ? target : path;
    char beside[path_max_bytes];
    if (std::snprintf(beside, sizeof beside, "%s.new-%d", place, getpid()) >= static_cast<int>(sizeof beside)) {
        say(message, path, std::strerror(ENAMETOOLONG));
        return base::error(ENAMETOOLONG);
    }
    base::Status made = make_at(beside, size_bytes, options, message);
    if (made.ok())
        made = sync_on_host(beside, 0);
    if (!made.ok()) {
        unlink(beside);
        return made;
    }
    if (rename(beside, place) != 0) {
        const int error_number = errno;
        unlink(beside);
        say(message, path, std::strerror(error_number));
        return base::error(error_number);
    }
    // Else the old pool could be back after a power cut, and with the new one all that was acknowledged in it is gone.
    char *slash = std::strrchr(beside, '/');
    if (slash != nullptr)
        slash[1] = 0;
    return sync_on_host(slash != nullptr ? beside : ".", O_DIRECTORY);
}

} // namespace pmemfile
