// The table of pending lines. A line's durable content is what the memory held when it was
// first stored to: the observer is told before the store happens.
#include "tests/crash/recorder.h"

#include <cstring>

namespace crash {

using pmemfile::cache_line_bytes;

Line Recorder::live(uint64_t line) const {
    Line content;
    std::memcpy(content.data(), base_ + line * cache_line_bytes, cache_line_bytes);
    return content;
}

void Recorder::on_store(pmemfile::PoolOffset target, const void *, size_t size_bytes, bool non_temporal) {
    if (size_bytes == 0)
        return;
    for (uint64_t line = target / cache_line_bytes; line <= (target + size_bytes - 1) / cache_line_bytes; ++line) {
        auto [touched, is_new] = touched_.try_emplace(line);
        if (is_new)
            touched->second = live(line);
        auto [found, is_pending] = pending_.try_emplace(line);
        if (is_pending)
            found->second.durable = live(line);
        else if (found->second.versions.size() < versions_max)
            found->second.versions.push_back(live(line));
        found->second.is_streamed = non_temporal;
    }
}

void Recorder::on_flush(pmemfile::PoolOffset target, size_t size_bytes) {
    if (size_bytes == 0)
        return;
    for (uint64_t line = target / cache_line_bytes; line <= (target + size_bytes - 1) / cache_line_bytes; ++line) {
        auto found = pending_.find(line);
        if (found == pending_.end())
            continue;
        found->second.flushed = live(line);
        found->second.is_flushed = true;
        found->second.versions_before_flush = found->second.versions.size();
    }
}

bool Recorder::is_lost(uint64_t line, const PendingLine &) const {
    const uint64_t offset = line * cache_line_bytes;
    const bool in_rings = offset >= rings_begin && offset < rings_end;
    return (fault == Fault::records_not_flushed && in_rings) || (fault == Fault::homes_not_flushed && !in_rings);
}

void Recorder::on_fence() {
    if (at_fence)
        at_fence();
    for (auto entry = pending_.begin(); entry != pending_.end();) {
        auto &[line, pending] = *entry;
        bool is_durable = false;
        if (is_lost(line, pending)) {
            // stays pending for ever
        } else if (pending.is_streamed) {
            const uint64_t offset = line * cache_line_bytes;
            const bool is_data = offset < rings_begin || offset >= rings_end;
            const bool is_late = fault == Fault::data_not_fenced && is_data && late_.insert(line).second;
            is_durable = !is_late;
        } else if (pending.is_flushed) {
            pending.durable = pending.flushed;
            pending.is_flushed = false;
            pending.versions.erase(pending.versions.begin(),
                                   pending.versions.begin() + static_cast<ptrdiff_t>(pending.versions_before_flush));
            pending.versions_before_flush = 0;
            is_durable = pending.durable == live(line);
        }
        if (is_durable) {
            late_.erase(line);
            entry = pending_.erase(entry);
        } else {
            ++entry;
        }
    }
}

} // namespace crash
