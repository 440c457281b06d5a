// A bit for each number, and one for whether there has been any. What the three directories are is asked when the
// first directory is met: all of /proc is one device, and of the others the inode tells.
#include "posix-shim/descriptors/near_proc.h"

#include "base/raw_syscall.h"
#include "posix-shim/descriptors/descriptor_table.h"

#include <atomic>
#include <fcntl.h>
#include <sys/stat.h>

namespace shim {

namespace {

constexpr int bits_of_word = 64;

struct Identity {
    std::atomic<uint64_t> device = 0, inode = 0; // 0: not there
};

constinit Identity proc, dev, root;
constinit std::atomic<bool> are_known = false;
constinit std::atomic<bool> is_any = false;
constinit std::atomic<uint64_t> near[descriptor_table_size / bits_of_word];

void learn(Identity &identity, const char *path) {
    struct stat status;
    if (base::is_error(base::raw_syscall(SYS_newfstatat, AT_FDCWD, base::as_long(path), base::as_long(&status), 0)))
        return;
    identity.device.store(status.st_dev);
    identity.inode.store(status.st_ino);
}

bool is_of(const Identity &identity, uint64_t device, uint64_t inode) {
    return identity.inode.load() == inode && identity.device.load() == device;
}

bool in_table(long descriptor) {
    return descriptor >= 0 && descriptor < descriptor_table_size;
}

} // namespace

void near_proc_note(int descriptor, uint64_t device, uint64_t inode) {
    if (!in_table(descriptor))
        return;
    if (!are_known.load(std::memory_order_acquire)) {
        learn(proc, "/proc");
        learn(dev, "/dev");
        learn(root, "/");
        are_known.store(true, std::memory_order_release);
    }
    std::atomic<uint64_t> &word = near[descriptor / bits_of_word];
    const uint64_t bit = uint64_t{1} << descriptor % bits_of_word;
    if (device == proc.device.load() || is_of(root, device, inode) || is_of(dev, device, inode)) {
        word.fetch_or(bit);
        is_any.store(true);
    } else if (is_any.load()) {
        word.fetch_and(~bit);
    }
}

bool near_proc_is(long register_value) {
    const auto descriptor = static_cast<int>(register_value);
    return is_any.load(std::memory_order_relaxed) && in_table(descriptor) &&
           (near[descriptor / bits_of_word].load(std::memory_order_relaxed) >> descriptor % bits_of_word & 1) != 0;
}

} // namespace shim
