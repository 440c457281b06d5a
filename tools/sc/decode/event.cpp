#include "tools/sc/decode/event.h"

namespace sc {

std::optional<EventPart> Event::part(unsigned argument, unsigned index) const {
    size_t at = 0;
    for (unsigned i = 0; i < part_count && at + sizeof(Part) <= bytes.size(); i++) {
        Part part;
        memcpy(&part, bytes.data() + at, sizeof part);
        at += sizeof part;
        if (part.size_bytes > bytes.size() - at)
            break;
        if (part.argument == argument && part.index == index)
            return EventPart{part.argument, part.index, part.is_cut, {bytes.data() + at, part.size_bytes}};
        at += (part.size_bytes + 7) & ~size_t{7};
    }
    return std::nullopt;
}

} // namespace sc
