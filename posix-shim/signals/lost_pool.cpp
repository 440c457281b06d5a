#include "posix-shim/signals/lost_pool.h"

#include "base/raw_syscall.h"
#include "libpmemfile/mapping/bounds.h"
#include "posix-shim/descriptors/fork_gate.h"
#include "posix-shim/process/context.h"
#include "posix-shim/signals/deferral.h"
#include "posix-shim/process/handover_lock.h"
#include "posix-shim/table/escape.h"

#include <fcntl.h>
#include <sys/mman.h>

namespace shim {
namespace {

Mount *mount_with(uint64_t address) {
    for (unsigned i = 0; i < mount_count; i++) {
        const pmemfile::Pool &pool = mounts[i].pool;
        const auto lies_in = [address](const void *begin, uint64_t size_bytes) {
            return begin != nullptr && address - reinterpret_cast<uint64_t>(begin) < size_bytes;
        };
        // Of a lost one the segment's size cannot be read; it is not in the way of anything else.
        if (lies_in(pool.persist.base(), pool.persist.size_bytes()) ||
            (mounts[i].is_lost.load() && lies_in(pool.segment, mounts[i].segment_size_bytes)))
            return &mounts[i];
    }
    return nullptr;
}

bool is_nothing_mapped() {
    return pmemfile::mapping_high.load() <= pmemfile::mapping_low.load();
}

void take_away(const void *memory, uint64_t size_bytes) {
    base::raw_syscall(SYS_mmap, base::as_long(memory), static_cast<long>(size_bytes), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

// The number stays taken: it is one that the program may not have.
void empty_descriptor(int descriptor) {
    const long nothing = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long("/dev/null"), O_RDWR | O_CLOEXEC);
    if (base::is_error(nothing)) {
        base::raw_syscall(SYS_close, descriptor);
        return;
    }
    base::raw_syscall(SYS_dup3, nothing, descriptor, O_CLOEXEC);
    base::raw_syscall(SYS_close, nothing);
}

// In this order: nothing of ours reaches the pool or the segment any more when others see that we are gone.
void lose(Mount &mount) {
    const pmemfile::Pool &pool = mount.pool;
    mount.segment_size_bytes = pool.segment->segment_size_bytes;
    if (mount.is_lost.exchange(true))
        return;
    take_away(pool.persist.base(), pool.persist.size_bytes());
    take_away(pool.segment, mount.segment_size_bytes);
    empty_descriptor(pool.pool_descriptor);
    empty_descriptor(pool.liveness_descriptor);
}

} // namespace

bool lost_pool_is_there() {
    bool is_there = false;
    for (unsigned i = 0; i < mount_count; i++)
        is_there = is_there || mounts[i].is_lost.load(std::memory_order_relaxed);
    return is_there;
}

bool lost_pool_escape(ThreadContext &context, bool is_sigbus, uint64_t address, ucontext_t *interrupted) {
    Mount *mount = mount_with(address);
    if (mount == nullptr || context.escape == nullptr || context.is_vfork_child)
        return false;
    if (!mount->is_lost.load() && (!is_sigbus || !is_nothing_mapped()))
        return false;
    if (!mount->is_lost.load())
        lose(*mount);
    handover_unlock(context);
    forks_wait_end(context);
    greg_t *registers = interrupted->uc_mcontext.gregs;
    registers[REG_RSP] = reinterpret_cast<greg_t>(context.escape);
    registers[REG_RIP] = reinterpret_cast<greg_t>(shim_escape);
    return true;
}

} // namespace shim
