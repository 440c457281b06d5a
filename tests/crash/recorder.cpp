// The table of pending stores. The observer is told before a store happens and is shown its
// bytes, so a line's durable content is what the memory held at its first pending store.
#include "tests/crash/recorder.h"

#include <algorithm>
#include <cstring>

namespace crash {
namespace {

using pmemfile::cache_line_bytes;

void copy_words(Line &to, const Line &from, unsigned words) {
    for (unsigned word = 0; word < words_per_line; ++word)
        if ((words >> word & 1) != 0)
            std::memcpy(to.data() + word * 8, from.data() + word * 8, 8);
}

} // namespace

Line PendingLine::prefix(size_t count) const {
    Line content = durable;
    for (size_t i = 0; i < count; ++i)
        copy_words(content, stores[i].after, stores[i].words);
    return content;
}

Line PendingLine::draw(std::mt19937 &random) const {
    const size_t count = random() % (stores.size() + 1);
    const bool is_torn = random() % 2 == 0;
    Line content = durable;
    for (size_t i = 0; i < stores.size(); ++i) {
        unsigned words = stores[i].words;
        if (stores[i].is_streamed)
            words &= is_torn ? random() : i < count ? 0xff : 0;
        else if (i + 1 == count)
            words &= is_torn ? random() : 0xff;
        else if (i >= count)
            words = 0;
        copy_words(content, stores[i].after, words);
    }
    return content;
}

Line Recorder::live(uint64_t line) const {
    Line content;
    std::memcpy(content.data(), base_ + line * cache_line_bytes, cache_line_bytes);
    return content;
}

void Recorder::on_store(pmemfile::PoolOffset target, const void *bytes, size_t size_bytes, bool non_temporal) {
    if (at_store)
        at_store();
    const auto *from = static_cast<const std::byte *>(bytes);
    const uint64_t end = target + size_bytes;
    for (uint64_t at = target; at < end;) {
        const uint64_t line = at / cache_line_bytes;
        const size_t begin = at % cache_line_bytes;
        const size_t count = std::min(cache_line_bytes - begin, end - at);
        const Line before = live(line);
        PendingStore store{before, 0, thread_, non_temporal};
        std::memcpy(store.after.data() + begin, from + (at - target), count);
        for (size_t word = begin / 8; word <= (begin + count - 1) / 8; ++word)
            store.words |= static_cast<uint8_t>(1u << word);
        changed_.insert(line);
        touched_.try_emplace(line, before);
        auto [entry, is_new] = pending_.try_emplace(line);
        PendingLine &pending = entry->second;
        if (is_new)
            pending.durable = before;
        if (pending.stores.size() >= stores_per_line_max && !pending.stores[0].is_streamed &&
            !pending.stores[1].is_streamed) {
            pending.stores[1].words |= pending.stores[0].words;
            pending.stores.erase(pending.stores.begin());
            for (size_t &flushed : pending.flushed)
                flushed -= flushed == 0 ? 0 : 1;
        }
        pending.stores.push_back(store);
        at += count;
    }
}

void Recorder::on_flush(pmemfile::PoolOffset target, size_t size_bytes) {
    if (size_bytes == 0)
        return;
    const uint64_t last = (target + size_bytes - 1) / cache_line_bytes;
    for (auto entry = pending_.lower_bound(target / cache_line_bytes); entry != pending_.end() && entry->first <= last;
         ++entry)
        entry->second.flushed[thread_] = entry->second.stores.size();
}

// What this thread flushed or streamed is durable.
void Recorder::complete(PendingLine &pending) const {
    const size_t flushed = pending.flushed[thread_];
    std::vector<PendingStore> rest;
    std::array<size_t, recorded_threads_max> rest_flushed = {};
    for (size_t i = 0; i < pending.stores.size(); ++i) {
        const PendingStore &store = pending.stores[i];
        if (store.is_streamed ? store.thread == thread_ : i < flushed) {
            copy_words(pending.durable, store.after, store.words);
            for (PendingStore &earlier : rest) // of one word the later store stays
                earlier.words &= static_cast<uint8_t>(~store.words);
            continue;
        }
        rest.push_back(store);
        for (unsigned thread = 0; thread < recorded_threads_max; ++thread)
            if (thread != thread_ && i < pending.flushed[thread])
                rest_flushed[thread] = rest.size();
    }
    std::erase_if(rest, [](const PendingStore &store) { return store.words == 0; });
    for (size_t &count : rest_flushed)
        count = std::min(count, rest.size());
    pending.stores = std::move(rest);
    pending.flushed = rest_flushed;
}

void Recorder::on_fence() {
    if (const std::function<void()> look = at_fence) // a copy: it may put another in its place
        look();
    for (auto entry = pending_.begin(); entry != pending_.end();) {
        complete(entry->second);
        entry = entry->second.stores.empty() ? pending_.erase(entry) : std::next(entry);
    }
}

} // namespace crash
