// persist: how bytes become durable. The only place that flushes or fences.
//
// Three media, decided once by the process that attaches first:
//   persistent_memory  clwb (or nothing, with eADR) + sfence
//   ordinary_file      msync of the pages; a "flush" only remembers the pages
//   volatile_memory    tmpfs and the like: nothing to flush. Atomic against
//                      the death of processes, not of the machine.
//
// Why not libpmem's functions here: libpmem brings libndctl, libudev and
// libcrypto into every preloaded program (2.0 ms per program start, measured),
// and its slow paths call malloc and stdio, which a hook must not. libpmem
// still decides what the media is (container floor).
#pragma once

#include "base/result.h"
#include "libpmemfile/format/format.h"

#include <cstddef>
#include <cstdint>

namespace pmemfile {

enum class Medium : uint32_t {
    persistent_memory = 1,
    persistent_memory_eadr = 2, // caches are in the persistence domain: fence alone
    ordinary_file = 3,
    volatile_memory = 4,
};

// What has been done since the thread began; bytes_to_media counts 64 per
// flushed line (and per non-temporal line).
struct PersistCounters {
    uint64_t fences = 0;
    uint64_t flushed_lines = 0; // clwb'd lines and non-temporally stored lines
    uint64_t bytes_to_media = 0;
};

// Sees every store to the pool, in order, before it happens (the crash
// explorer's recorder; tests only). Called by the storing thread.
class PersistObserver {
public:
    virtual void on_store(PoolOffset target, const void *bytes, size_t size_bytes, bool non_temporal) = 0;
    virtual void on_flush(PoolOffset target, size_t size_bytes) = 0;
    virtual void on_fence() = 0;

protected:
    ~PersistObserver() = default;
};

// The pool's bytes as one process sees them, and the way to store to them. One
// for each pool of a process; shared by its threads, all functions but the
// constructor-like `set_*` may be called by any thread.
class Persist {
public:
    Persist() = default;
    Persist(std::byte *base, uint64_t size_bytes, Medium medium);

    std::byte *base() const {
        return base_;
    }
    uint64_t size_bytes() const {
        return size_bytes_;
    }
    Medium medium() const {
        return medium_;
    }
    // False when flush() has nothing to do.
    bool has_write_back() const {
        return medium_ == Medium::persistent_memory || medium_ == Medium::ordinary_file || observer_ != nullptr;
    }
    // On tmpfs the first read of a page maps those beside it, too, for writing as well; the first write maps one page
    // alone. Set by who maps the file (fs/pool_file.h), before anybody else has it.
    void set_reads_map_around() {
        reads_map_around_ = true;
    }
    // Maps what is about to be written for the first time in this process, where that is cheaper than each page's fault
    // (1.7 us; 0.3 us so). Changes nothing. `target` and `size_bytes`: whole blocks.
    void map_around(PoolOffset target, size_t size_bytes) const {
        constexpr uint64_t around_bytes = 64 << 10; // Linux's fault_around_bytes
        if (!reads_map_around_)
            return;
        for (PoolOffset at = target; at < target + size_bytes; at = (at / around_bytes + 1) * around_bytes)
            static_cast<void>(*reinterpret_cast<const volatile std::byte *>(base_ + at));
    }
    PoolOffset offset_of(const void *address) const {
        return static_cast<uint64_t>(static_cast<const std::byte *>(address) - base_);
    }

    // Cached stores. Visible at once, durable after flush() and fence().
    void store(PoolOffset target, const void *bytes, size_t size_bytes);
    void store64(PoolOffset target, uint64_t value); // 8-aligned, not torn
    void store32(PoolOffset target, uint32_t value); // 4-aligned, not torn
    void zero(PoolOffset target, size_t size_bytes);
    // Atomic read-modify-write of a bitmap word (8-aligned).
    void or64(PoolOffset target, uint64_t bits);
    void and64(PoolOffset target, uint64_t bits);

    // Non-temporal stores: durable after fence(), and visible to other threads
    // only after it too. `target` 16-aligned; `size_bytes` any. Only for
    // bytes that nobody else reads yet (records, fresh blocks).
    void store_nt(PoolOffset target, const void *bytes, size_t size_bytes);
    void zero_nt(PoolOffset target, size_t size_bytes);
    // store_nt from application memory: false when it faulted (EFAULT).
    bool store_nt_from_user(PoolOffset target, const void *user, size_t size_bytes);
    // Cached store from application memory: false when it faulted.
    bool store_from_user(PoolOffset target, const void *user, size_t size_bytes);

    // Starts writing back the lines of a range; durable after the next fence()
    // of the same thread.
    void flush(PoolOffset target, size_t size_bytes);
    // All earlier flushes and non-temporal stores of this thread are durable
    // when it returns. On ordinary files: msync of what was flushed since.
    // False: the medium reported an error (the pool must be marked failed).
    bool fence();
    // Ordinary files: msync of the whole pool (the watermark's rule, hazard
    // 10); on other media a fence. False on an error of the medium.
    bool sync_all();

    // This thread's counters (built in with the option `counters`).
    static PersistCounters &counters();
    // One observer for the process, or none (option `recording`). Not while calls run.
    void set_observer(PersistObserver *observer) {
        observer_ = observer;
    }
    PersistObserver *observer() const {
        return observer_;
    }

private:
    std::byte *base_ = nullptr;
    uint64_t size_bytes_ = 0;
    Medium medium_ = Medium::volatile_memory;
    bool reads_map_around_ = false;
    PersistObserver *observer_ = nullptr;
};

} // namespace pmemfile
