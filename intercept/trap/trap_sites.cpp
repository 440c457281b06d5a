// An open-addressed table of two words an entry, and stubs made in advance. A trapped call may come from a signal
// handler that has interrupted any of this, or after the program has forbidden every other call: so no lock, and
// no system call but for more stubs, and that only while the program's seccomp filters let it.
#include "intercept/trap/trap_sites.h"
#include "intercept/arch/x86_64/trap_stub.h"

#include "intercept/trap/exempt_call.h"
#include "intercept/trap/exempt_range.h"
#include "intercept/trap/own_calls.h"

#include <atomic>
#include <sys/mman.h>

namespace intercept {
namespace {

constexpr size_t entries_max = 32768; // memory is used by the page, as it fills
constexpr size_t probes_max = 64;
constexpr uint64_t passes = uint64_t{1} << 63; // beside the address: its calls need not be asked about

struct Entry {
    std::atomic<uint64_t> address; // behind the call; 0 = free
    std::atomic<uint64_t> stub;    // 0: none so far
};
constinit Entry entries[entries_max];
constinit std::atomic<uint64_t> sites, without_stub;

// The code of all slots of a chunk is written when it is made, and never again; a slot becomes the stub of an
// address by its record, which is data.
constexpr size_t chunk_code_bytes = TRAP_RECORD_DISTANCE;
constexpr uint32_t chunk_slots = chunk_code_bytes / TRAP_SLOT_BYTES;
constexpr unsigned chunks_max = 128;
struct Chunk {
    std::atomic<uint64_t> code; // 0 = not made
    std::atomic<uint32_t> used;
};
enum ChunkKind : unsigned { hooked_chunks, guest_chunks, chunk_kinds };
constinit Chunk chunks[chunk_kinds][chunks_max];

ChunkKind chunks_of(TrapKind kind) {
    return kind == TrapKind::guest ? guest_chunks : hooked_chunks;
}

// Neighbours share pages of the table.
size_t first_probe(uint64_t address) {
    return static_cast<size_t>((address >> 1) ^ (address >> 16) ^ (address >> 31)) % entries_max;
}

// The entry of the address, taken for it if there was none; null if there is no room.
Entry *entry_of(uint64_t address, uint64_t flag) {
    size_t at = first_probe(address);
    for (size_t probe = 0; probe < probes_max; probe++, at = (at + 1) % entries_max) {
        uint64_t found = entries[at].address.load(std::memory_order_acquire);
        if (found == 0 && entries[at].address.compare_exchange_strong(found, address | flag))
            return &entries[at];
        if ((found & ~passes) == address)
            return &entries[at];
    }
    return nullptr;
}

bool add_chunk(ChunkKind kind) {
    if (!own_call_allowed(SYS_mprotect))
        return false;
    const uint64_t code = exempt_pages(chunk_code_bytes + TRAP_RECORD_DISTANCE);
    if (code == 0)
        return false;
    for (uint32_t slot = 0; slot < chunk_slots; slot++)
        write_trap_code(kind == guest_chunks ? TrapKind::guest : TrapKind::hooked,
                        reinterpret_cast<uint8_t *>(code + slot * TRAP_SLOT_BYTES));
    if (exempt_call(SYS_mprotect, static_cast<long>(code), chunk_code_bytes, PROT_READ | PROT_EXEC) != 0)
        return false;
    for (Chunk &chunk : chunks[kind])
        if (uint64_t none = 0; chunk.code.compare_exchange_strong(none, code))
            return true;
    return false;
}

// A slot that nobody has; 0: none left, and no more can be made.
uint64_t take_slot(ChunkKind kind) {
    for (Chunk &chunk : chunks[kind]) {
        uint64_t code = chunk.code.load(std::memory_order_acquire);
        if (code == 0 && add_chunk(kind))
            code = chunk.code.load(std::memory_order_acquire);
        if (code == 0)
            return 0;
        if (chunk.used.load(std::memory_order_relaxed) >= chunk_slots)
            continue;
        if (uint32_t slot = chunk.used.fetch_add(1); slot < chunk_slots)
            return code + slot * TRAP_SLOT_BYTES;
    }
    return 0;
}

} // namespace

uint64_t trap_stub_of(uint64_t return_address, TrapKind kind) {
    Entry *entry = entry_of(return_address, 0);
    if (entry == nullptr) {
        without_stub++;
        return 0;
    }
    uint64_t stub = entry->stub.load(std::memory_order_acquire);
    if (stub != 0)
        return stub;
    if ((entry->address.load(std::memory_order_relaxed) & passes) != 0)
        kind = TrapKind::pass;
    const uint64_t slot = take_slot(chunks_of(kind));
    if (slot == 0) {
        without_stub++;
        return 0;
    }
    const uint64_t made = fill_trap_record(kind, return_address, return_address, slot);
    // Another thread, or who interrupted us, may have been here first: then that slot is not used.
    if (!entry->stub.compare_exchange_strong(stub, made))
        return stub;
    sites++;
    return made;
}

bool trap_pass_at(uint64_t return_address) {
    return entry_of(return_address, passes) != nullptr;
}

bool trap_sites_prepare(TrapKind kind, unsigned count) {
    for (unsigned attempt = 0; attempt < chunks_max; attempt++) {
        unsigned left = 0;
        for (const Chunk &chunk : chunks[chunks_of(kind)])
            if (uint32_t used = chunk.used.load(); chunk.code.load() != 0 && used < chunk_slots)
                left += chunk_slots - used;
        if (left >= count)
            return true;
        if (!add_chunk(chunks_of(kind)))
            return false;
    }
    return false;
}

TrapCounts trap_counts() {
    return {sites.load(), without_stub.load()};
}

} // namespace intercept
