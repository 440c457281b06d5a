// recorder: what of a pool in memory is not durable yet, line by line.
//
//   store ─► pending {durable: what the media had}     flush ─► {flushed: what is on its way}
//   fence ─► what was on its way is durable; the line leaves the table if nothing was stored since
//
// The memory itself holds the newest content. A crash leaves of each pending line one of the
// three, or what it held between two stores (a cache may evict it at any time), or a mixture in units of 8 bytes
// (docs/crash-consistency.md).
#pragma once

#include "libpmemfile/persist/persist.h"

#include <array>
#include <functional>
#include <map>
#include <set>
#include <vector>

namespace crash {

using Line = std::array<std::byte, pmemfile::cache_line_bytes>;

struct PendingLine {
    Line durable;
    Line flushed;
    // What it held between stores, oldest first, since it was last durable; the first
    // `versions_before_flush` of them cannot be seen once that flush is durable.
    std::vector<Line> versions;
    size_t versions_before_flush = 0;
    bool is_flushed = false;
    bool is_streamed = false; // non-temporal: on its way with what it holds at the fence
};

// More of them a line are not kept.
constexpr size_t versions_max = 8;

// Faults that the recorder can be told to see, to prove that the explorer notices them.
enum class Fault {
    none,
    records_not_flushed, // the fence does not make the journal's records durable
    homes_not_flushed,   // write-back of home locations never ends
    data_not_fenced,     // fresh data is durable one fence too late
};

class Recorder final : public pmemfile::PersistObserver {
public:
    explicit Recorder(std::byte *base) : base_(base) {}

    void on_store(pmemfile::PoolOffset target, const void *bytes, size_t size_bytes, bool non_temporal) override;
    void on_flush(pmemfile::PoolOffset target, size_t size_bytes) override;
    void on_fence() override;

    // Called at each fence before it acts.
    std::function<void()> at_fence;
    Fault fault = Fault::none;
    // Byte range of the journal's rings.
    uint64_t rings_begin = 0, rings_end = 0;

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
    }
    Line live(uint64_t line) const;

private:
    bool is_lost(uint64_t line, const PendingLine &pending) const;

    std::byte *base_;
    std::map<uint64_t, PendingLine> pending_;
    std::map<uint64_t, Line> touched_;
    std::set<uint64_t> late_; // Fault::data_not_fenced: streamed lines that one fence has passed
};

} // namespace crash
