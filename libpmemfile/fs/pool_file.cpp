// The mapping is made in two steps: reserve more address space than needed,
// then map the file at the first 2 MiB border inside it.
#include "libpmemfile/fs/pool_file.h"

#include "base/high_descriptor.h"
#include "base/raw_syscall.h"

#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

extern char **environ;

namespace pmemfile {
namespace {

constexpr uint64_t huge_page_bytes = uint64_t{2} << 20;

base::Errno errno_of(long result) {
    return base::error(static_cast<int>(-result));
}

// The end of `to` with `text` and NUL behind it.
char *append_text(char *to, const char *text) {
    while (*text != 0)
        *to++ = *text++;
    *to = 0;
    return to;
}

char *append_hex(char *to, uint64_t value) {
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[(value >> shift) & 15];
    return to;
}

} // namespace

// Read without libc: a preloaded program may replace getenv.
uint32_t environment_forces() {
    constexpr std::string_view name = "PMEM_IS_PMEM_FORCE=";
    for (char **variable = environ; variable != nullptr && *variable != nullptr; variable++)
        if (std::string_view(*variable).starts_with(name))
            return (*variable)[name.size()] == '1' ? 2 : 1;
    return 0;
}

base::Result<Persist> map_pool_file(int descriptor, uint64_t size_bytes, Medium medium) {
    const long reserved = base::raw_syscall(SYS_mmap, 0, static_cast<long>(size_bytes + huge_page_bytes), PROT_NONE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base::is_error(reserved))
        return errno_of(reserved);
    const auto begin = static_cast<uint64_t>(reserved);
    const uint64_t aligned = (begin + huge_page_bytes - 1) & ~(huge_page_bytes - 1);
    const bool wants_sync = medium == Medium::persistent_memory || medium == Medium::persistent_memory_eadr;
    long mapped = -EOPNOTSUPP;
    if (wants_sync)
        mapped = base::raw_syscall(SYS_mmap, static_cast<long>(aligned), static_cast<long>(size_bytes),
                                   PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC | MAP_FIXED, descriptor, 0);
    const bool is_dax = !base::is_error(mapped);
    if (!is_dax && wants_sync && environment_forces() != 2)
        medium = Medium::ordinary_file;
    if (base::is_error(mapped))
        mapped = base::raw_syscall(SYS_mmap, static_cast<long>(aligned), static_cast<long>(size_bytes),
                                   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0);
    if (base::is_error(mapped)) {
        base::raw_syscall(SYS_munmap, reserved, static_cast<long>(size_bytes + huge_page_bytes));
        return errno_of(mapped);
    }
    const uint64_t end = begin + size_bytes + huge_page_bytes;
    const uint64_t mapped_end = (aligned + size_bytes + block_size_bytes - 1) & ~(block_size_bytes - 1);
    if (aligned > begin)
        base::raw_syscall(SYS_munmap, reserved, static_cast<long>(aligned - begin));
    if (end > mapped_end)
        base::raw_syscall(SYS_munmap, static_cast<long>(mapped_end), static_cast<long>(end - mapped_end));
    Persist persist(reinterpret_cast<std::byte *>(mapped), size_bytes, medium);
    if (!is_dax && medium != Medium::ordinary_file)
        persist.set_reads_map_around();
    return persist;
}

void unmap_pool_file(Persist &persist) {
    if (persist.base() != nullptr)
        base::raw_syscall(SYS_munmap, base::as_long(persist.base()), static_cast<long>(persist.size_bytes()));
    persist = Persist();
}

bool is_pool_in_use(const char *path) {
    const long descriptor = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDONLY | O_CLOEXEC);
    if (base::is_error(descriptor))
        return false;
    const long locked = base::raw_syscall(SYS_flock, descriptor, LOCK_EX | LOCK_NB);
    base::raw_syscall(SYS_close, descriptor);
    return locked == -EWOULDBLOCK;
}

void name_runtime_files(Pool &pool, const struct stat &pool_status) {
    char *end = append_text(pool.segment_path, "/dev/shm/pmemfile-");
    end = append_hex(end, pool_status.st_dev);
    *end++ = '-';
    end = append_hex(end, pool_status.st_ino);
    *end = 0;
    append_text(append_text(pool.token_path, pool.segment_path), ".tokens");
}

namespace {

struct flock writer_lock(short type) {
    struct flock lock = {};
    lock.l_type = type;
    lock.l_len = 1;
    return lock;
}

} // namespace

void lock_as_writer(int pool_descriptor, short type) {
    struct flock lock = writer_lock(type);
    base::raw_syscall(SYS_fcntl, pool_descriptor, F_OFD_SETLK, base::as_long(&lock));
}

bool is_held_by_writer(int pool_descriptor) {
    struct flock lock = writer_lock(F_WRLCK);
    const long asked = base::raw_syscall(SYS_fcntl, pool_descriptor, F_OFD_GETLK, base::as_long(&lock));
    return base::is_error(asked) || lock.l_type != F_UNLCK;
}

void read_boot_id(uint8_t boot_id[16]) {
    char text[40] = {};
    const long descriptor =
        base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/proc/sys/kernel/random/boot_id"), O_RDONLY | O_CLOEXEC);
    if (!base::is_error(descriptor)) {
        base::raw_syscall(SYS_read, descriptor, base::as_long(text), sizeof text - 1);
        base::raw_syscall(SYS_close, descriptor);
    }
    unsigned digit = 0;
    for (unsigned i = 0; i < 16; i++)
        boot_id[i] = 0;
    for (char c : text) {
        const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value < 0 || digit == 32)
            continue;
        boot_id[digit / 2] = static_cast<uint8_t>(boot_id[digit / 2] << 4 | value);
        digit++;
    }
}

int move_descriptor_high(int descriptor, bool close_on_exec) {
    const long high = base::high_duplicate(descriptor, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD);
    if (base::is_error(high))
        return descriptor;
    base::raw_syscall(SYS_close, descriptor);
    return static_cast<int>(high);
}

} // namespace pmemfile
