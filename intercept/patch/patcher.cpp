// patcher: stubs first, then the jumps to them.
//
//   text RX ─mprotect─► RWX ─ write a jump into each window ─mprotect─► RX
//
// X stays on in between since a signal handler may run in that very page. A
// failure at any step leaves the sites concerned as they were.
#include "intercept/patch/patcher.h"

#include "base/raw_syscall.h"
#include "intercept/arch/architecture.h"
#include "intercept/patch/forced_memory.h"

#include <cstring>
#include <linux/membarrier.h>
#include <sys/auxv.h>
#include <sys/mman.h>

namespace intercept {
namespace {

constexpr uint64_t cache_line_bytes = 64;
constexpr uint8_t breakpoint = 0xcc;
constexpr unsigned jump_bytes_max = 8;
constexpr size_t page_bytes_min = 4096;
constexpr size_t ready_piece_bytes = 8 * page_bytes_min; // of an arena
const Architecture &cpu = native_architecture;

bool to_patch(const SitePlan &site) {
    return site.state == INTERCEPT_SITE_BEFORE || site.state == INTERCEPT_SITE_OVER;
}

void fail(SitePlan &site, SiteReason reason) {
    site.state = INTERCEPT_SITE_FAILED;
    site.reason = reason;
}

uint64_t window_address(const Object &object, const SitePlan &site) {
    return object.base + site.site_offset - site.site_in_window;
}

// Another thread may be anywhere: then the store must replace exactly one
// instruction, and must not be seen half done (it stays within a cache line).
bool one_store_is_enough(const SitePlan &site, uint64_t window) {
    return site.instruction_count == 1 && window % cache_line_bytes <= cache_line_bytes - cpu.jump_bytes;
}

// Where an 8-byte store begins that has the jump in it and stays in its line.
uint64_t store_place(uint64_t window) {
    const uint64_t in_line = window % cache_line_bytes;
    const uint64_t last = cache_line_bytes - sizeof(uint64_t);
    return window - (in_line > last ? in_line - last : 0);
}

void store_jump(uint64_t window, const uint8_t *jump, const SitePlan &site, bool other_threads) {
    auto *text = reinterpret_cast<uint8_t *>(window);
    if (other_threads) {
        if (cpu.jump_bytes == sizeof(uint32_t)) { // the whole of an aligned instruction
            uint32_t whole;
            memcpy(&whole, jump, sizeof whole);
            __atomic_store_n(reinterpret_cast<uint32_t *>(text), whole, __ATOMIC_RELAXED);
            return;
        }
        auto *place = reinterpret_cast<uint8_t *>(store_place(window));
        uint8_t bytes[sizeof(uint64_t)];
        memcpy(bytes, place, sizeof bytes);
        memcpy(bytes + (text - place), jump, cpu.jump_bytes);
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        __atomic_store_n(reinterpret_cast<uint64_t *>(place), word, __ATOMIC_RELAXED);
        return;
    }
    memcpy(text, jump, cpu.jump_bytes);
    // Nothing leads here any more; if the proof were wrong, be loud.
    memset(text + cpu.jump_bytes, breakpoint, site.window_bytes - cpu.jump_bytes);
}

// The same where the text can not be made writable. Alone in the process.
bool force_jump(ForcedMemory &memory, uint64_t window, const uint8_t *jump, const SitePlan &site) {
    uint8_t bytes[window_bytes_max];
    memset(bytes, breakpoint, sizeof bytes);
    memcpy(bytes, jump, cpu.jump_bytes);
    return memory.write(window, bytes, site.window_bytes, site.bytes);
}

bool protect(const AddressRange &range, uint32_t protection) {
    return base::raw_syscall(SYS_mprotect, static_cast<long>(range.begin), static_cast<long>(range.end - range.begin),
                             static_cast<long>(protection)) == 0;
}

// The pages of a window and of its site.
AddressRange pages_of(const Object &object, const SitePlan &site, uint64_t page_bytes) {
    const uint64_t window = window_address(object, site);
    return {window & ~(page_bytes - 1),
            (window + known_bytes(site, cpu.system_call_bytes) + page_bytes - 1) & ~(page_bytes - 1)};
}

// The text's pages get copies of their own when they are written to: those that lie side by side at once, which
// is cheaper than a fault for each.
class PageCopies {
public:
    void add(const AddressRange &pages) {
        if (pages.begin > run_.end) {
            copy();
            run_ = pages;
        } else if (pages.end > run_.end) {
            run_.end = pages.end;
        }
    }
    void copy() const {
        if (run_.size() > page_bytes_min)
            base::raw_syscall(SYS_madvise, static_cast<long>(run_.begin), static_cast<long>(run_.size()),
                              MADV_POPULATE_WRITE);
    }

private:
    AddressRange run_;
};

// Patches sites[first, last), which lie in one segment.
void patch_run(const Object &object, SitePlan *sites, const uint64_t *stubs, size_t count, bool other_threads) {
    const uint64_t page_bytes = getauxval(AT_PAGESZ);
    const Segment *segment = nullptr;
    for (size_t i = 0; i < count; i++) {
        if (!to_patch(sites[i]) || stubs[i] == 0)
            continue;
        segment = object.segment_of(window_address(object, sites[i]));
    }
    if (segment == nullptr)
        return;
    // All of the segment: then the kernel need not split its mapping and join it again.
    const AddressRange pages = {segment->range.begin & ~(page_bytes - 1),
                                (segment->range.end + page_bytes - 1) & ~(page_bytes - 1)};
    bool writable = protect(pages, segment->protection | PROT_WRITE);
    ForcedMemory forced;
    if (!writable && !other_threads)
        forced.open();
    PageCopies copies;
    for (size_t i = 0; i < count && writable; i++)
        if (to_patch(sites[i]) && stubs[i] != 0)
            copies.add(pages_of(object, sites[i], page_bytes));
    copies.copy();
    for (size_t i = 0; i < count; i++) {
        if (!to_patch(sites[i]) || stubs[i] == 0)
            continue;
        uint64_t window = window_address(object, sites[i]);
        uint8_t jump[jump_bytes_max];
        if (!writable && !forced.is_open())
            fail(sites[i], SiteReason::not_writable);
        else if (other_threads && !one_store_is_enough(sites[i], window))
            fail(sites[i], SiteReason::other_threads);
        else if (!cpu.write_jump(window, stubs[i], jump))
            fail(sites[i], SiteReason::no_memory_near);
        else if (!writable) {
            if (!force_jump(forced, window, jump, sites[i]))
                fail(sites[i], SiteReason::not_writable);
        } else
            store_jump(window, jump, sites[i], other_threads);
    }
    if (writable)
        protect(pages, segment->protection);
    // Where instructions and data have caches of their own.
    __builtin___clear_cache(reinterpret_cast<char *>(pages.begin), reinterpret_cast<char *>(pages.end));
}

} // namespace

size_t patchable_sites(const Plan &plan) {
    size_t count = 0;
    for (const SitePlan &site : plan)
        count += to_patch(site) ? 1 : 0;
    return count;
}

void fail_sites(Plan &plan, SiteReason reason) {
    for (SitePlan &site : plan)
        if (to_patch(site))
            fail(site, reason);
}

void write_stubs(const Object &object, Plan &plan, Arena *arena, base::PageArray<uint64_t> &stubs) {
    bool memory = stubs.reserve(plan.size(), true);
    size_t ready_bytes = 0;
    for (SitePlan &site : plan) {
        size_t used = 0;
        uint64_t address = 0;
        if (arena != nullptr && memory && to_patch(site)) {
            // Some pages at a time: one call is cheaper than the faults of the first stores.
            if (arena->used_bytes + page_bytes_min > ready_bytes && ready_bytes < arena->size_bytes) {
                const size_t rest_bytes = arena->size_bytes - ready_bytes;
                const size_t piece_bytes = rest_bytes < ready_piece_bytes ? rest_bytes : ready_piece_bytes;
                base::raw_syscall(SYS_madvise, static_cast<long>(arena->address + ready_bytes),
                                  static_cast<long>(piece_bytes), MADV_POPULATE_WRITE);
                ready_bytes += piece_bytes;
            }
            address = arena->address + arena->used_bytes;
            used = cpu.write_stub(site, window_address(object, site), address, reinterpret_cast<uint8_t *>(address));
            arena->used_bytes += used;
        }
        if (to_patch(site) && used == 0)
            fail(site, SiteReason::no_memory_near);
        if (memory)
            stubs.push(used != 0 ? address : 0);
    }
}

void patch_sites(const Object &object, Plan &plan, const base::PageArray<uint64_t> &stubs, bool other_threads) {
    size_t first = 0;
    while (first < plan.size() && stubs.size() == plan.size()) {
        const Segment *segment = object.segment_of(object.base + plan[first].site_offset);
        size_t last = first + 1;
        while (last < plan.size() && object.segment_of(object.base + plan[last].site_offset) == segment)
            last++;
        patch_run(object, &plan[first], &stubs[first], last - first, other_threads);
        first = last;
    }
    if (other_threads) {
        base::raw_syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
        base::raw_syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    }
}

} // namespace intercept
