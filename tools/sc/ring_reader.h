// ring_reader: the consumer's end of the rings.
#pragma once

#include "tools/sc/decode/event.h"

#include <chrono>
#include <vector>

namespace sc {

class RingReader {
public:
    explicit RingReader(Segment &segment) : segment_(segment), stuck_(rings_max) {}

    // Appends what is whole in all rings, each ring's in its order. `is_last`: nobody writes any
    // more, so what was begun and not finished is given up at once.
    void read(std::vector<Event> &events, bool is_last);
    // Records that found no room, or were never finished.
    uint64_t lost() const;

private:
    // A record at the front of a ring that is not finished.
    struct Stuck {
        uint64_t position = 0;
        std::chrono::steady_clock::time_point since;
        bool is_set = false;
    };
    void read_ring(unsigned index, std::vector<Event> &events, bool is_last);
    bool give_up(unsigned index, Record &record, uint64_t position, bool is_last);

    Segment &segment_;
    std::vector<Stuck> stuck_;
    uint64_t abandoned_ = 0;
};

} // namespace sc
