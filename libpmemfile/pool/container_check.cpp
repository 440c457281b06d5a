// The copy is a sparse file in memory, with all that does not belong to our groups and tables:
//
//   pool   [pmemobj: header, lanes, heap, root]│superblock, tables, groups │[zone header]│ groups │…
//   copy   [            copied               ]│          hole             │[  copied   ]│  hole  │
//
// A copy, and not the pool mapped privately: a device-dax can be mapped shared only, a pool of many TiB
// mapped privately is more than the kernel will promise, and a pool may lie where nothing can be opened for writing.
#include "libpmemfile/pool/container_check.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <libpmemobj.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pmemfile {
namespace {

constexpr unsigned patience_seconds = 60; // opening takes some ten milliseconds

// One that is closed at the end.
class File {
public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    ~File() {
        if (descriptor_ >= 0)
            close(descriptor_);
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    int get() const {
        return descriptor_;
    }

private:
    int descriptor_;
};

struct Extent {
    uint64_t begin, end;
};

// Our blocks in ascending order, one extent at a time; false at the end, or where the tables make no sense.
class OurExtents {
public:
    OurExtents(const std::byte *base, uint64_t size_bytes, PoolOffset superblock_offset)
        : superblock_(*reinterpret_cast<const Superblock *>(base + superblock_offset)), size_bytes_(size_bytes),
          superblock_offset_(superblock_offset) {
        const uint64_t table = superblock_.group_table_block;
        const uint64_t blocks = size_bytes / block_size_bytes;
        is_sound_ = superblock_.checksum ==
                        XXH3_64bits(&superblock_.version, superblock_checked_bytes - offsetof(Superblock, version)) &&
                    table < blocks && superblock_.group_count != 0 &&
                    superblock_.group_count <= (blocks - table) * block_size_bytes / sizeof(GroupDescriptor);
        if (is_sound_)
            groups_ = reinterpret_cast<const GroupDescriptor *>(base + table * block_size_bytes);
        for (uint64_t i = 0, end = 0; is_sound_ && i < superblock_.group_count; i++) {
            const GroupDescriptor &group = groups_[i];
            is_sound_ = group.first_block >= end && group.first_block <= blocks &&
                        group.block_count <= blocks - group.first_block &&
                        group.checksum == XXH3_64bits_withSeed(&group, offsetof(GroupDescriptor, checksum), i);
            end = group.first_block + group.block_count;
        }
    }
    bool is_sound() const {
        return is_sound_;
    }
    bool next(Extent &extent) {
        if (next_group_ >= superblock_.group_count)
            return false;
        // The tables stand before group 0.
        extent.begin = next_group_ == 0 ? superblock_offset_ : groups_[next_group_].first_block * block_size_bytes;
        extent.end = (groups_[next_group_].first_block + groups_[next_group_].block_count) * block_size_bytes;
        next_group_++;
        return extent.begin < extent.end && extent.end <= size_bytes_;
    }

private:
    const Superblock &superblock_;
    uint64_t size_bytes_;
    PoolOffset superblock_offset_;
    const GroupDescriptor *groups_ = nullptr;
    uint64_t next_group_ = 0;
    bool is_sound_ = false;
};

// Holes stay holes.
bool copy_range(int to, const std::byte *base, uint64_t begin, uint64_t end) {
    static constexpr std::byte zeros[block_size_bytes] = {};
    while (begin < end) {
        const uint64_t length = std::min<uint64_t>(end - begin, block_size_bytes - begin % block_size_bytes);
        if (std::memcmp(base + begin, zeros, length) != 0 &&
            pwrite(to, base + begin, length, static_cast<off_t>(begin)) != static_cast<ssize_t>(length))
            return false;
        begin += length;
    }
    return true;
}

bool copy_container(int to, const std::byte *base, uint64_t size_bytes, OurExtents &ours) {
    uint64_t at = 0;
    Extent extent = {};
    while (ours.next(extent)) {
        if (!copy_range(to, base, at, extent.begin))
            return false;
        at = extent.end;
    }
    return copy_range(to, base, at, size_bytes);
}

bool root_is_sound(PMEMobjpool *pool) {
    const PMEMoid oid =
        pmemobj_root_size(pool) == sizeof(ContainerRoot) ? pmemobj_root(pool, sizeof(ContainerRoot)) : OID_NULL;
    if (OID_IS_NULL(oid))
        return false;
    const auto &root = *static_cast<const ContainerRoot *>(pmemobj_direct(oid));
    return root.magic == container_magic && root.slab_count != 0 && root.slab_count <= max_slabs &&
           root.checksum == XXH3_64bits(&root.slab_count, sizeof root - offsetof(ContainerRoot, slab_count));
}

// What the child tells.
struct Answer {
    ContainerLook look;
    int error_number = 0; // it could not look
};

// Without memory libpmemobj says of a sound pool that it is damaged. It maps the copy, and takes some MiB.
bool has_memory(uint64_t size_bytes) {
    constexpr uint64_t more_bytes = uint64_t{256} << 20;
    void *probe = mmap(nullptr, size_bytes + more_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    munmap(probe, size_bytes + more_bytes);
    return true;
}

ContainerLook open_copy(int copy) {
    ContainerLook look;
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
    PMEMobjpool *pool = pmemobj_open(path, container_layout);
    if (pool == nullptr) {
        look.is_damaged = true;
        // "PATH: what": the path is the copy's.
        const char *said = pmemobj_errormsg();
        const char *rest = std::strncmp(said, path, std::strlen(path)) == 0 ? said + std::strlen(path) : said;
        std::snprintf(look.text, sizeof look.text, "%s", rest + std::strspn(rest, ": "));
        return look;
    }
    if (!root_is_sound(pool)) {
        look.is_damaged = true;
        std::snprintf(look.text, sizeof look.text, "its root object is not ours");
    }
    pmemobj_close(pool);
    return look;
}

[[noreturn]] void run_child(int copy, uint64_t size_bytes, int answer) {
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM})
        std::signal(signal, SIG_DFL);
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    alarm(patience_seconds);
    Answer told_answer;
    if (!has_memory(size_bytes))
        told_answer.error_number = ENOMEM;
    else
        told_answer.look = open_copy(copy);
    const bool told = write(answer, &told_answer, sizeof told_answer) == static_cast<ssize_t>(sizeof told_answer);
    _exit(told ? 0 : 1);
}

} // namespace

base::Result<ContainerLook> container_look(const std::byte *base, uint64_t size_bytes, PoolOffset superblock_offset) {
    OurExtents ours(base, size_bytes, superblock_offset);
    if (!ours.is_sound())
        return ContainerLook();
    const File copy(memfd_create("pmemfile-container", MFD_CLOEXEC));
    if (copy.get() < 0 || ftruncate(copy.get(), static_cast<off_t>(size_bytes)) != 0 ||
        !copy_container(copy.get(), base, size_bytes, ours))
        return base::error(errno);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return base::error(errno);
    const File from_child(ends[0]);
    Answer said;
    pid_t child = -1;
    {
        const File answer(ends[1]);
        child = fork();
        if (child < 0)
            return base::error(errno);
        if (child == 0)
            run_child(copy.get(), size_bytes, answer.get());
    }
    const bool told = read(from_child.get(), &said, sizeof said) == static_cast<ssize_t>(sizeof said);
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        return base::error(errno);
    if (told && said.error_number != 0)
        return base::error(said.error_number);
    if (told)
        return said.look;
    ContainerLook look;
    look.is_damaged = true;
    std::snprintf(look.text, sizeof look.text, "libpmemobj dies of it: %s",
                  WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "it does not come to an end"
                  : WIFSIGNALED(status)                              ? strsignal(WTERMSIG(status))
                                                                     : "it ends the process");
    return look;
}

} // namespace pmemfile
