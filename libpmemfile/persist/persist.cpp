// Three media behind one face. What a call costs is decided here, so the fast
// paths are a few instructions and everything else stands out of line:
//
//   cached store ──► cache line ──clwb──► media        (store, flush, fence)
//   movnt        ──► write-combining buffer ──► media  (store_nt, fence)
//   page of a file ──msync──► disk                     (ordinary files)
//
// "Flush" on an ordinary file only notes the pages; the fence syncs them.
#include "libpmemfile/persist/persist.h"

#include "base/cpu_feature.h"
#include "base/raw_syscall.h"
#include "base/user_copy.h"
#include "libpmemfile/persist/seeded_fault.h"

#include <cstring>
#include <emmintrin.h>
#include <sys/mman.h>

namespace pmemfile {
namespace {

// Pages of an ordinary file that this thread has dirtied since its last fence.
// When there are more separate ranges than fit, the last one grows to cover.
struct DirtyRanges {
    static constexpr unsigned capacity = 24;
    struct Range {
        uint64_t first, last; // page numbers, inclusive
    };
    Range ranges[capacity];
    unsigned count = 0;

    void add(uint64_t first, uint64_t last) {
        for (unsigned i = 0; i < count; i++) {
            if (first <= ranges[i].last + 1 && last + 1 >= ranges[i].first) {
                ranges[i].first = first < ranges[i].first ? first : ranges[i].first;
                ranges[i].last = last > ranges[i].last ? last : ranges[i].last;
                return;
            }
        }
        if (count < capacity) {
            ranges[count++] = {first, last};
            return;
        }
        Range &cover = ranges[capacity - 1];
        cover.first = first < cover.first ? first : cover.first;
        cover.last = last > cover.last ? last : cover.last;
    }
};

thread_local DirtyRanges dirty_ranges;
thread_local PersistCounters thread_counters;

enum class FlushInstruction { clflush, clflushopt, clwb };

FlushInstruction best_flush_instruction() {
    // As the loader has found it: in a virtual machine each cpuid is a trap of some microseconds.
    if (CPU_FEATURE_PRESENT(CLWB))
        return FlushInstruction::clwb;
    return CPU_FEATURE_PRESENT(CLFLUSHOPT) ? FlushInstruction::clflushopt : FlushInstruction::clflush;
}
const FlushInstruction flush_instruction = best_flush_instruction();

inline void flush_line(const void *line) {
    if (flush_instruction == FlushInstruction::clwb)
        asm volatile("clwb %0" : : "m"(*static_cast<const char *>(line)) : "memory");
    else if (flush_instruction == FlushInstruction::clflushopt)
        asm volatile("clflushopt %0" : : "m"(*static_cast<const char *>(line)) : "memory");
    else
        asm volatile("clflush %0" : : "m"(*static_cast<const char *>(line)) : "memory");
}

inline uint64_t lines_of(PoolOffset target, size_t size_bytes) {
    if (size_bytes == 0)
        return 0;
    return (target + size_bytes - 1) / cache_line_bytes - target / cache_line_bytes + 1;
}

inline void count_lines(uint64_t lines) {
#if PMEMFILE_COUNTERS
    thread_counters.flushed_lines += lines;
    thread_counters.bytes_to_media += lines * cache_line_bytes;
#else
    (void)lines;
#endif
}

inline bool is_pmem(Medium medium) {
    return medium == Medium::persistent_memory || medium == Medium::persistent_memory_eadr;
}

} // namespace

#if PMEMFILE_RECORDING
#define OBSERVE(call)                                                                                                  \
    do {                                                                                                               \
        if (__builtin_expect(observer_ != nullptr, 0))                                                                 \
            observer_->call;                                                                                           \
    } while (0)
#else
#define OBSERVE(call) (void)0
#endif

Persist::Persist(std::byte *base, uint64_t size_bytes, Medium medium)
    : base_(base), size_bytes_(size_bytes), medium_(medium) {}

PersistCounters &Persist::counters() {
    return thread_counters;
}

void Persist::store(PoolOffset target, const void *bytes, size_t size_bytes) {
    OBSERVE(on_store(target, bytes, size_bytes, false));
    std::memcpy(base_ + target, bytes, size_bytes);
}

void Persist::store64(PoolOffset target, uint64_t value) {
    OBSERVE(on_store(target, &value, sizeof value, false));
    __atomic_store_n(reinterpret_cast<uint64_t *>(base_ + target), value, __ATOMIC_RELEASE);
}

void Persist::store32(PoolOffset target, uint32_t value) {
    OBSERVE(on_store(target, &value, sizeof value, false));
    __atomic_store_n(reinterpret_cast<uint32_t *>(base_ + target), value, __ATOMIC_RELEASE);
}

void Persist::zero(PoolOffset target, size_t size_bytes) {
#if PMEMFILE_RECORDING
    if (observer_ != nullptr) {
        static constexpr std::byte zeros[block_size_bytes] = {};
        for (size_t done = 0; done < size_bytes; done += block_size_bytes) {
            const size_t rest = size_bytes - done;
            observer_->on_store(target + done, zeros, rest < block_size_bytes ? rest : block_size_bytes, false);
        }
    }
#endif
    std::memset(base_ + target, 0, size_bytes);
}

void Persist::or64(PoolOffset target, uint64_t bits) {
    auto *word = reinterpret_cast<uint64_t *>(base_ + target);
#if PMEMFILE_RECORDING
    if (__builtin_expect(observer_ != nullptr, 0)) {
        const uint64_t after = __atomic_load_n(word, __ATOMIC_RELAXED) | bits;
        observer_->on_store(target, &after, sizeof after, false);
    }
#endif
    __atomic_fetch_or(word, bits, __ATOMIC_RELEASE);
}

void Persist::and64(PoolOffset target, uint64_t bits) {
    auto *word = reinterpret_cast<uint64_t *>(base_ + target);
#if PMEMFILE_RECORDING
    if (__builtin_expect(observer_ != nullptr, 0)) {
        const uint64_t after = __atomic_load_n(word, __ATOMIC_RELAXED) & bits;
        observer_->on_store(target, &after, sizeof after, false);
    }
#endif
    __atomic_fetch_and(word, bits, __ATOMIC_RELEASE);
}

void Persist::store_nt(PoolOffset target, const void *bytes, size_t size_bytes) {
    OBSERVE(on_store(target, bytes, size_bytes, true));
    std::byte *to = base_ + target;
    const auto *from = static_cast<const std::byte *>(bytes);
    if (!is_pmem(medium_)) {
        std::memcpy(to, from, size_bytes);
        if (medium_ == Medium::ordinary_file)
            flush(target, size_bytes);
        return;
    }
    size_t streamed = size_bytes & ~size_t{15};
    for (size_t i = 0; i < streamed; i += 16) {
        const __m128i piece = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + i));
        _mm_stream_si128(reinterpret_cast<__m128i *>(to + i), piece);
    }
    count_lines(lines_of(target, streamed));
    if (streamed != size_bytes) { // a ragged end goes through the cache
        std::memcpy(to + streamed, from + streamed, size_bytes - streamed);
        flush(target + streamed, size_bytes - streamed);
    }
}

void Persist::zero_nt(PoolOffset target, size_t size_bytes) {
    alignas(16) static constexpr std::byte zeros[256] = {};
    for (size_t done = 0; done < size_bytes; done += sizeof zeros) {
        const size_t rest = size_bytes - done;
        store_nt(target + done, zeros, rest < sizeof zeros ? rest : sizeof zeros);
    }
}

bool Persist::store_nt_from_user(PoolOffset target, const void *user, size_t size_bytes) {
    const size_t streamed = is_pmem(medium_) && observer_ == nullptr ? size_bytes & ~size_t{15} : 0;
    if (streamed != 0) {
        if (base_user_copy_nt(base_ + target, user, streamed) != 0)
            return false;
        count_lines(lines_of(target, streamed));
    }
    if (streamed == size_bytes)
        return true;
    // The rest through the cache; all of it where there is nothing to stream to.
    if (!store_from_user(target + streamed, static_cast<const std::byte *>(user) + streamed, size_bytes - streamed))
        return false;
    if (!is_seeded(SeededFault::user_data_not_flushed))
        flush(target + streamed, size_bytes - streamed);
    return true;
}

bool Persist::store_from_user(PoolOffset target, const void *user, size_t size_bytes) {
    OBSERVE(on_store(target, user, size_bytes, false));
    return base_user_copy(base_ + target, user, size_bytes) == 0;
}

void Persist::flush(PoolOffset target, size_t size_bytes) {
    if (size_bytes == 0)
        return;
    OBSERVE(on_flush(target, size_bytes));
    if (medium_ == Medium::persistent_memory) {
        const PoolOffset first = target & ~(cache_line_bytes - 1);
        const PoolOffset last = (target + size_bytes - 1) & ~(cache_line_bytes - 1);
        for (PoolOffset line = first; line <= last; line += cache_line_bytes)
            flush_line(base_ + line);
        count_lines((last - first) / cache_line_bytes + 1);
    } else if (medium_ == Medium::ordinary_file) {
        dirty_ranges.add(target / block_size_bytes, (target + size_bytes - 1) / block_size_bytes);
    }
}

bool Persist::fence() {
    OBSERVE(on_fence());
    if (medium_ == Medium::volatile_memory) {
        asm volatile("" ::: "memory");
        return true;
    }
#if PMEMFILE_COUNTERS
    thread_counters.fences++;
#endif
    if (is_pmem(medium_)) {
        _mm_sfence();
        return true;
    }
    bool is_durable = true;
    for (unsigned i = 0; i < dirty_ranges.count; i++) {
        const auto &range = dirty_ranges.ranges[i];
        const long result =
            base::raw_syscall(SYS_msync, base::as_long(base_ + range.first * block_size_bytes),
                              static_cast<long>((range.last - range.first + 1) * block_size_bytes), MS_SYNC);
        is_durable = is_durable && !base::is_error(result);
    }
    dirty_ranges.count = 0;
    return is_durable;
}

bool Persist::sync_all() {
    if (medium_ != Medium::ordinary_file)
        return fence();
    dirty_ranges.count = 0;
    dirty_ranges.add(0, size_bytes_ / block_size_bytes - 1);
    return fence();
}

} // namespace pmemfile
