// An open-addressed table of two words an entry; the address is stored last.
#include "intercept/trap/trap_sites.h"
#include "intercept/arch/x86_64/trap_stub.h"

#include "base/spin_lock.h"
#include "intercept/trap/exempt_range.h"
#include "intercept/trap/trap.h"

#include <atomic>

namespace intercept {
namespace {

constexpr size_t entries_max = 32768; // memory is used by the page, as it fills
constexpr size_t probes_max = 64;
constexpr uint64_t pass_without_stub = 1; // the stub of such an entry is made when a call comes

struct Entry {
    std::atomic<uint64_t> return_address; // 0 = free
    std::atomic<uint64_t> stub;
};
constinit Entry entries[entries_max];
constinit base::SpinLock lock;
constinit std::atomic<uint64_t> sites, without_stub;

// Neighbours share pages of the table.
size_t first_probe(uint64_t return_address) {
    return static_cast<size_t>((return_address >> 1) ^ (return_address >> 16) ^ (return_address >> 31)) % entries_max;
}

// The entry of the address, or the free one where it would go; null if there is neither.
Entry *find(uint64_t return_address) {
    size_t at = first_probe(return_address);
    for (size_t probe = 0; probe < probes_max; probe++, at = (at + 1) % entries_max) {
        uint64_t found = entries[at].return_address.load(std::memory_order_acquire);
        if (found == return_address || found == 0)
            return &entries[at];
    }
    return nullptr;
}

uint64_t make_stub(uint64_t return_address, TrapKind kind) {
    uint8_t *memory = exempt_memory(trap_stub_bytes_max);
    if (memory == nullptr || !exempt_memory_write(memory, trap_stub_bytes_max, true))
        return 0;
    write_trap_stub(kind, return_address, return_address, memory);
    exempt_memory_write(memory, trap_stub_bytes_max, false);
    return reinterpret_cast<uint64_t>(memory);
}

} // namespace

uint64_t trap_stub_of(uint64_t return_address, TrapKind kind) {
    Entry *entry = find(return_address);
    if (entry != nullptr && entry->return_address.load(std::memory_order_relaxed) != 0)
        if (uint64_t stub = entry->stub.load(std::memory_order_relaxed); stub > pass_without_stub)
            return stub;
    AllSignalsBlocked blocked;
    const base::SpinGuard held(lock);
    entry = find(return_address);
    if (entry == nullptr) {
        without_stub++;
        return 0;
    }
    uint64_t stub = entry->stub.load(std::memory_order_relaxed);
    if (stub > pass_without_stub)
        return stub;
    stub = make_stub(return_address, stub == pass_without_stub ? TrapKind::pass : kind);
    if (stub == 0) {
        without_stub++;
        return 0;
    }
    entry->stub.store(stub, std::memory_order_relaxed);
    entry->return_address.store(return_address, std::memory_order_release);
    sites++;
    return stub;
}

bool trap_pass_at(uint64_t return_address) {
    AllSignalsBlocked blocked;
    const base::SpinGuard held(lock);
    Entry *entry = find(return_address);
    if (entry == nullptr)
        return false;
    if (entry->return_address.load(std::memory_order_relaxed) == 0) {
        entry->stub.store(pass_without_stub, std::memory_order_relaxed);
        entry->return_address.store(return_address, std::memory_order_release);
    }
    return true;
}

TrapCounts trap_counts() {
    return {sites.load(), without_stub.load()};
}

void trap_sites_after_fork() {
    lock.reset_after_fork();
}

} // namespace intercept
