// arena: asks the kernel for a gap near the object, first where it likes best
// (just below the libraries), then in growing distances below and above.
#include "intercept/patch/arena.h"

#include "base/raw_syscall.h"
#include "intercept/arch/architecture.h"
#include "intercept/patch/forced_memory.h"
#include "intercept/trap/exempt_range.h"

#include <sys/auxv.h>
#include <sys/mman.h>

namespace intercept {
namespace {

constexpr uint64_t lowest_address = 0x10000;

size_t pages(size_t size_bytes) {
    const size_t page_bytes = getauxval(AT_PAGESZ);
    return (size_bytes + page_bytes - 1) & ~(page_bytes - 1);
}

bool within_reach(const AddressRange &span, uint64_t begin, uint64_t size_bytes) {
    uint64_t low = begin < span.begin ? begin : span.begin;
    uint64_t high = begin + size_bytes > span.end ? begin + size_bytes : span.end;
    return high - low < native_architecture.reach_bytes;
}

long map(uint64_t address, size_t size_bytes, int fixed) {
    return base::raw_syscall(SYS_mmap, static_cast<long>(address), static_cast<long>(size_bytes),
                             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
}

// The mapped address, or 0. An older kernel takes MAP_FIXED_NOREPLACE for a hint.
uint64_t map_at(uint64_t address, size_t size_bytes) {
    long result = map(address, size_bytes, MAP_FIXED_NOREPLACE);
    if (base::is_error(result))
        return 0;
    if (static_cast<uint64_t>(result) == address)
        return address;
    base::raw_syscall(SYS_munmap, result, static_cast<long>(size_bytes));
    return 0;
}

uint64_t map_near(const AddressRange &span, size_t size_bytes) {
    const uint64_t reach_bytes = native_architecture.reach_bytes;
    long result = map(0, size_bytes, 0);
    if (!base::is_error(result)) {
        if (within_reach(span, static_cast<uint64_t>(result), size_bytes))
            return static_cast<uint64_t>(result);
        base::raw_syscall(SYS_munmap, result, static_cast<long>(size_bytes));
    }
    // Below first: above the program lies the heap, which wants to grow.
    for (uint64_t distance = 0x10000; distance < reach_bytes; distance *= 2) {
        if (span.begin < distance + size_bytes + lowest_address)
            break;
        uint64_t address = (span.begin - distance - size_bytes) & ~uint64_t{0xfff};
        if (uint64_t got = map_at(address, size_bytes); got != 0 && within_reach(span, got, size_bytes))
            return got;
    }
    for (uint64_t distance = reach_bytes / 2; distance > 0x10000; distance /= 2) {
        uint64_t address = (span.end + distance) & ~uint64_t{0xfff};
        if (!within_reach(span, address, size_bytes))
            continue;
        if (uint64_t got = map_at(address, size_bytes); got != 0)
            return got;
    }
    return 0;
}

} // namespace

Arena *Arenas::create(const AddressRange &span, size_t size_bytes) {
    Arena *arena = nullptr;
    for (unsigned i = 0; i < count_ && arena == nullptr; i++)
        if (arenas_[i].address == 0)
            arena = &arenas_[i];
    if (arena == nullptr && count_ == arenas_max)
        return nullptr;
    size_t wanted = pages(size_bytes);
    // Level 2: where the kernel lets system calls through, if that is near enough.
    AddressRange exempt = exempt_range();
    uint64_t address =
        exempt.begin != 0 && within_reach(span, exempt.begin, exempt.end - exempt.begin) ? exempt_pages(wanted) : 0;
    bool reserved = address != 0;
    if (address == 0)
        address = map_near(span, wanted);
    if (address == 0)
        return nullptr;
    if (arena == nullptr)
        arena = &arenas_[count_++];
    arena->size_bytes = wanted;
    arena->used_bytes = 0;
    arena->reserved = reserved;
    __atomic_store_n(&arena->address, address, __ATOMIC_RELEASE);
    return arena;
}

bool Arenas::seal(Arena &arena) {
    __builtin___clear_cache(reinterpret_cast<char *>(arena.address),
                            reinterpret_cast<char *>(arena.address + arena.used_bytes));
    if (base::raw_syscall(SYS_mprotect, static_cast<long>(arena.address), static_cast<long>(arena.size_bytes),
                          PROT_READ | PROT_EXEC) == 0)
        return true;
    ForcedMemory forced;
    return !arena.reserved && forced.open() && forced.make_executable(arena.address, arena.size_bytes);
}

void Arenas::release(Arena &arena) {
    uint64_t address = __atomic_exchange_n(&arena.address, 0, __ATOMIC_SEQ_CST);
    if (!arena.reserved)
        base::raw_syscall(SYS_munmap, static_cast<long>(address), static_cast<long>(arena.size_bytes));
}

bool Arenas::contains(uint64_t address) const {
    for (unsigned i = 0; i < count_; i++) {
        uint64_t begin = __atomic_load_n(&arenas_[i].address, __ATOMIC_ACQUIRE);
        if (begin != 0 && address - begin < arenas_[i].size_bytes)
            return true;
    }
    return false;
}

} // namespace intercept
