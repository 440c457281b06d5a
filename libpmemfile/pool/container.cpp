// The libpmemobj pool that holds our slabs:
//
//   [pmemobj header, lanes, heap][root: ContainerRoot][huge allocation = slab 0]…
//                                   │ slabs[i]: block-aligned inside ▲
//                                   └───────────────────────────────┘
//
// libpmemobj's huge allocations are not page-aligned, so each slab begins at
// the next 2 MiB border inside its allocation. All slabs are allocated in one
// transaction: a cut during mkfs leaves an empty container, not half of one.
#include "libpmemfile/pool/container.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <libpmem.h>
#include <libpmemobj.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pmemfile {
namespace {

constexpr uint64_t slab_alignment_bytes = uint64_t{2} << 20;
constexpr uint64_t slab_step_bytes = 256 * 1024;    // libpmemobj's chunk
constexpr uint64_t slab_max_bytes = 0x3FFDFFFC0ull; // its allocation limit: one zone
constexpr uint64_t slab_min_bytes = uint64_t{4} << 20;
constexpr uint64_t slab_type_number = 0x50464d53; // "SMFP"
constexpr long tmpfs_magic = 0x01021994;
constexpr long ramfs_magic = 0x858458f6;

template <typename... Arguments> void say(ContainerMessage *message, const char *format, Arguments... arguments) {
    if (message != nullptr)
        std::snprintf(message->text, sizeof message->text, format, arguments...);
}

uint64_t root_checksum(const ContainerRoot &root) {
    return XXH3_64bits(&root.slab_count, sizeof root - offsetof(ContainerRoot, slab_count));
}

// Why pmemobj_create has failed. On its way it asks libndctl for bad blocks, where a failed allocation
// comes out as an error of a device or as none at all.
int container_error() {
    const int number = errno;
    if (number > 0 && number != ENXIO && number != EFAULT)
        return number;
    void *probe = std::malloc(uint64_t{64} << 10);
    std::free(probe);
    return probe == nullptr ? ENOMEM : number > 0 ? number : number == 0 ? EINVAL : EIO;
}

// What the pool's bytes lie on. libpmem knows real persistent memory (and
// PMEM_IS_PMEM_FORCE); of the rest only memory filesystems need no msync.
base::Result<Medium> medium_of(const char *path, ContainerMessage *message) {
    size_t mapped_bytes = 0;
    int is_pmem = 0;
    void *address = pmem_map_file(path, 0, 0, 0, &mapped_bytes, &is_pmem);
    if (address == nullptr) {
        const int error_number = errno;
        say(message, "%s: cannot map: %s", path, std::strerror(error_number));
        return base::error(error_number);
    }
    pmem_unmap(address, mapped_bytes);
    if (is_pmem != 0)
        return pmem_has_auto_flush() == 1 ? Medium::persistent_memory_eadr : Medium::persistent_memory;
    struct statfs filesystem = {};
    if (statfs(path, &filesystem) == 0 && (filesystem.f_type == tmpfs_magic || filesystem.f_type == ramfs_magic))
        return Medium::volatile_memory;
    return Medium::ordinary_file;
}

// As many slabs as fit, the largest first; inside a transaction.
uint64_t allocate_slabs(ContainerRoot &root, uint64_t pool_bytes) {
    uint64_t count = 0;
    uint64_t left = pool_bytes;
    while (count < max_slabs && left >= slab_min_bytes) {
        uint64_t want = left < slab_max_bytes ? left : slab_max_bytes;
        PMEMoid slab = OID_NULL;
        while (want >= slab_min_bytes) {
            slab = pmemobj_tx_xalloc(want, slab_type_number, POBJ_XALLOC_NO_ABORT | POBJ_XALLOC_NO_FLUSH);
            if (!OID_IS_NULL(slab))
                break;
            want -= want % slab_step_bytes != 0 ? want % slab_step_bytes : slab_step_bytes;
        }
        if (OID_IS_NULL(slab))
            break;
        const uint64_t end = slab.off + pmemobj_alloc_usable_size(slab);
        const uint64_t begin = (slab.off + slab_alignment_bytes - 1) & ~(slab_alignment_bytes - 1);
        if (begin + block_size_bytes < end)
            root.slabs[count++] = {begin / block_size_bytes, (end - begin) / block_size_bytes};
        left = left > want ? left - want : 0;
    }
    return count;
}

int tx_fill_root(PMEMobjpool *pool, PMEMoid root_oid, uint64_t pool_bytes) {
    auto *root = static_cast<ContainerRoot *>(pmemobj_direct(root_oid));
    if (pmemobj_tx_begin(pool, nullptr, TX_PARAM_NONE) != 0)
        return errno;
    int error_number = pmemobj_tx_add_range(root_oid, 0, sizeof(ContainerRoot));
    if (error_number == 0) {
        root->slab_count = allocate_slabs(*root, pool_bytes);
        root->magic = container_magic;
        root->checksum = root_checksum(*root);
        if (root->slab_count == 0) {
            error_number = ENOSPC;
            pmemobj_tx_abort(error_number);
        } else {
            pmemobj_tx_commit();
        }
    }
    const int ended = pmemobj_tx_end();
    return error_number != 0 ? error_number : ended;
}

// libpmemobj keeps a pool's lock for the time between open and close.
class OpenContainer {
public:
    explicit OpenContainer(PMEMobjpool *pool) : pool_(pool) {}
    ~OpenContainer() {
        if (pool_ != nullptr)
            pmemobj_close(pool_);
    }
    OpenContainer(const OpenContainer &) = delete;
    OpenContainer &operator=(const OpenContainer &) = delete;
    PMEMobjpool *get() const {
        return pool_;
    }

private:
    PMEMobjpool *pool_;
};

base::Result<uint64_t> size_of(const char *path, ContainerMessage *message) {
    struct stat status = {};
    if (stat(path, &status) != 0) {
        const int error_number = errno;
        say(message, "%s: %s", path, std::strerror(error_number));
        return base::error(error_number);
    }
    if (S_ISDIR(status.st_mode)) {
        say(message, "%s: is a directory, not a pool", path);
        return base::error(EISDIR);
    }
    if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) {
        say(message, "%s: neither a file nor a device-dax", path);
        return base::error(EINVAL);
    }
    if (S_ISREG(status.st_mode))
        return static_cast<uint64_t>(status.st_size);
    size_t mapped_bytes = 0; // a device tells its size when it is mapped
    void *address = pmem_map_file(path, 0, 0, 0, &mapped_bytes, nullptr);
    if (address == nullptr) {
        say(message, "%s: cannot map: %s", path, pmem_errormsg());
        return base::error(errno);
    }
    pmem_unmap(address, mapped_bytes);
    return mapped_bytes;
}

// libpmemobj takes a device only where no header stands on it. (A file is made anew.)
base::Status forget_former_pool(const char *path, ContainerMessage *message) {
    struct stat status = {};
    if (stat(path, &status) != 0 || !S_ISCHR(status.st_mode))
        return {};
    size_t mapped_bytes = 0;
    void *address = pmem_map_file(path, 0, 0, 0, &mapped_bytes, nullptr);
    if (address == nullptr) {
        const int error_number = errno;
        say(message, "%s: cannot map: %s", path, std::strerror(error_number));
        return base::error(error_number);
    }
    pmem_memset_persist(address, 0, block_size_bytes);
    pmem_unmap(address, mapped_bytes);
    return {};
}

} // namespace

base::Result<ContainerInfo> container_create(const char *path, uint64_t size_bytes, unsigned mode,
                                             ContainerMessage *message) {
    BASE_TRY(forget_former_pool(path, message));
    PMEMobjpool *created = pmemobj_create(path, container_layout, size_bytes, mode);
    if (created == nullptr) {
        const int error_number = container_error();
        say(message, "%s: cannot create the pool: %s", path, std::strerror(error_number));
        return base::error(error_number);
    }
    PMEMoid root = OID_NULL;
    {
        OpenContainer container(created);
        root = pmemobj_root(created, sizeof(ContainerRoot));
        const int error_number = OID_IS_NULL(root) ? errno : 0;
        BASE_TRY_ASSIGN(const uint64_t pool_bytes, size_of(path, message));
        const int filled = error_number != 0 ? error_number : tx_fill_root(created, root, pool_bytes);
        if (filled != 0) {
            say(message, "%s: cannot allocate the slabs: %s", path, std::strerror(filled));
            return base::error(filled);
        }
    }
    BASE_TRY_ASSIGN(ContainerInfo info, container_describe(path, message));
    info.root_offset = root.off;
    return info;
}

base::Result<ContainerInfo> container_describe(const char *path, ContainerMessage *message) {
    ContainerInfo info;
    BASE_TRY_ASSIGN(info.pool_size_bytes, size_of(path, message));
    if (info.pool_size_bytes < block_size_bytes) {
        say(message, "%s: not a pmemfile pool", path);
        return base::error(EINVAL);
    }
    BASE_TRY_ASSIGN(info.medium, medium_of(path, message));
    return info;
}

} // namespace pmemfile

extern "C" __attribute__((visibility("default"))) int
pmemfile_container_describe(const char *path, pmemfile::ContainerInfo *info, pmemfile::ContainerMessage *message) {
    const base::Result<pmemfile::ContainerInfo> opened = pmemfile::container_describe(path, message);
    if (opened.ok())
        *info = *opened;
    return opened.error().number();
}
