// recorder: what of a pool in memory is not durable yet, store by store.
//
//   line   durable │ store 1 │ store 2 │ store 3 ...      (oldest first; the memory holds the last)
//                  └─ flushed by thread t ─┘
//
// What a crash may leave of a line (docs/crash-consistency.md):
//   - cached stores reach the media in order, since a cache line is written back whole: a prefix
//     of them; of the last of the prefix any of its 8-byte words, since a copy is many stores
//   - streamed (non-temporal) words each on their own
// A fence of thread t makes durable what t has flushed and what t has streamed, nothing else.
#pragma once

#include "libpmemfile/persist/persist.h"

#include <array>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace crash {

using Line = std::array<std::byte, pmemfile::cache_line_bytes>;

constexpr unsigned words_per_line = 8;
constexpr unsigned recorded_threads_max = 5;
// More stores a line are not told apart: the oldest are joined.
constexpr size_t stores_per_line_max = 12;

struct PendingStore {
    Line after;    // the line behind this store
    uint8_t words; // which words it changed, a bit each
    uint8_t thread;
    bool is_streamed;
};

struct PendingLine {
    Line durable;
    std::vector<PendingStore> stores;
    // So many of `stores` has each thread flushed.
    std::array<size_t, recorded_threads_max> flushed = {};

    // What the media hold when the first `count` stores got there, whole.
    Line prefix(size_t count) const;
    // One of the contents that a crash may leave, drawn.
    Line draw(std::mt19937 &random) const;
};

class Recorder final : public pmemfile::PersistObserver {
public:
    explicit Recorder(std::byte *base) : base_(base) {}

    void on_store(pmemfile::PoolOffset target, const void *bytes, size_t size_bytes, bool non_temporal) override;
    void on_flush(pmemfile::PoolOffset target, size_t size_bytes) override;
    void on_fence() override;

    // Called at each fence before it acts.
    std::function<void()> at_fence;
    // Called at each store before it acts.
    std::function<void()> at_store;
    // Who stores, flushes and fences from here on; below recorded_threads_max.
    void set_thread(unsigned thread) {
        thread_ = static_cast<uint8_t>(thread);
    }
    unsigned thread() const {
        return thread_;
    }

    const std::map<uint64_t, PendingLine> &pending() const {
        return pending_;
    }
    // Lines stored to since forget_durable, and those pending, with what they held before.
    const std::map<uint64_t, Line> &touched() const {
        return touched_;
    }
    void forget_durable() {
        std::erase_if(touched_, [&](const auto &entry) { return !pending_.contains(entry.first); });
    }
    // Everything is durable from here on.
    void settle() {
        pending_.clear();
        touched_.clear();
    }
    // All lines stored to since the recorder was made or forget_changed.
    const std::set<uint64_t> &changed() const {
        return changed_;
    }
    void forget_changed() {
        changed_.clear();
    }
    Line live(uint64_t line) const;

private:
    void complete(PendingLine &pending) const;

    std::byte *base_;
    uint8_t thread_ = 0;
    std::map<uint64_t, PendingLine> pending_;
    std::map<uint64_t, Line> touched_;
    std::set<uint64_t> changed_;
};

} // namespace crash
