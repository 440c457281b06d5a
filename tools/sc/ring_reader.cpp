#include "tools/sc/ring_reader.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>

namespace sc {
namespace {

// The thread ended, or it does not work on its record any more: it left the hook by a
// longjmp. A stopped one goes on some day.
bool will_not_finish(int32_t process, int32_t thread, std::chrono::steady_clock::duration waited) {
    const std::string path = "/proc/" + std::to_string(process) + "/task/" + std::to_string(thread) + "/stat";
    FILE *file = fopen(path.c_str(), "re");
    if (file == nullptr)
        return true;
    char state = 0;
    const int got = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return got != 1 || state == 'Z' || state == 'X' ||
           (state != 'T' && state != 't' && waited > std::chrono::seconds(2));
}

} // namespace

// True: the record is abandoned, its space may be passed.
bool RingReader::give_up(unsigned index, Record &record, uint64_t position, bool is_last) {
    Stuck &stuck = stuck_[index];
    const auto now = std::chrono::steady_clock::now();
    if (!stuck.is_set || stuck.position != position) {
        stuck = {position, now, true};
        if (!is_last)
            return false;
    }
    if (!is_last && (now - stuck.since < std::chrono::milliseconds(100) ||
                     !will_not_finish(record.process, record.thread, now - stuck.since)))
        return false;
    uint64_t header = record.header.load();
    return header_state(header) == RecordState::busy &&
           record.header.compare_exchange_strong(header,
                                                 record_header(position, header_bytes(header), RecordState::abandoned));
}

void RingReader::read_ring(unsigned index, std::vector<Event> &events, bool is_last) {
    Ring &ring = segment_.rings[index];
    const uint64_t ring_bytes = segment_.settings.ring_bytes;
    char *data = ring_data(segment_, index);
    uint64_t tail = ring.tail.load(std::memory_order_relaxed);
    const uint64_t head = ring.head.load(std::memory_order_acquire);
    while (tail < head) {
        auto &record = *reinterpret_cast<Record *>(data + tail % ring_bytes);
        const uint64_t header = record.header.load(std::memory_order_acquire);
        if (!header_is_at(header, tail)) {
            // Reserved, and not even begun. Only at the end it is sure that nobody is about to.
            if (!is_last)
                break;
            tail += record_unit_bytes;
            continue;
        }
        const uint64_t size = header_bytes(header);
        switch (header_state(header)) {
        case RecordState::busy:
            if (!give_up(index, record, tail, is_last)) {
                ring.tail.store(tail, std::memory_order_release);
                return;
            }
            abandoned_++;
            break;
        case RecordState::whole: {
            Event &event = events.emplace_back();
            event.type = record.type;
            event.flags = record.flags;
            event.part_count = record.part_count;
            event.process = record.process;
            event.thread = record.thread;
            event.number = record.number;
            event.begin_ticks = record.begin_ticks;
            event.end_ticks = record.end_ticks;
            std::copy(std::begin(record.args), std::end(record.args), event.args);
            event.result = record.result;
            event.bytes.assign(reinterpret_cast<const char *>(&record + 1),
                               size > sizeof(Record) ? size - sizeof(Record) : 0);
            break;
        }
        default:
            break;
        }
        tail += size;
        ring.tail.store(tail, std::memory_order_release);
    }
    ring.tail.store(tail, std::memory_order_release);
}

void RingReader::read(std::vector<Event> &events, bool is_last) {
    const unsigned used = std::min(segment_.next_ring.load(), segment_.settings.ring_count);
    for (unsigned index = 0; index < used; index++)
        read_ring(index, events, is_last);
}

uint64_t RingReader::lost() const {
    uint64_t lost = abandoned_;
    for (unsigned index = 0; index < segment_.settings.ring_count; index++)
        lost += segment_.rings[index].lost.load();
    return lost;
}

} // namespace sc
