// event: one record as sc holds it, apart from the ring that it came from.
#pragma once

#include "tools/sc/agent/segment.h"

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace sc {

struct EventPart {
    uint8_t argument, index;
    uint16_t is_cut; // or the number of part_number
    std::string_view bytes;

    // The first bytes as a T, if there are enough.
    template <typename T> std::optional<T> as(size_t offset = 0) const {
        T value;
        if (bytes.size() < offset + sizeof value)
            return std::nullopt;
        memcpy(&value, bytes.data() + offset, sizeof value);
        return value;
    }
};

struct Event {
    RecordType type;
    uint8_t flags;
    uint16_t part_count;
    int32_t process, thread, number;
    uint64_t begin_ticks, end_ticks;
    int64_t args[6];
    int64_t result;
    std::string bytes; // the parts as they came

    bool has_failed() const {
        return result < 0 && result >= -4095;
    }
    std::optional<EventPart> part(unsigned argument, unsigned index = 0) const;
};

} // namespace sc
