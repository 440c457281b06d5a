// The ring as the kernel and libaio know it:
//
//   id count head tail magic ... │ event │ event │ event │ ...      event: data, iocb's address, result, result 2
//                     └ the next completion's ───┘
//
// The kernel keeps head and tail of its own, but reads an event's words from here when io_getevents takes it.
#include "posix-shim/calls/aio_ring.h"

#include "posix-shim/calls/path_call.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace shim {

namespace {

struct Header {
    uint32_t id, event_count, head, tail, magic, compatible_features, incompatible_features, header_bytes;
};
constexpr uint32_t magic = 0xa10a10a1;

} // namespace

void aio_ring_fail(long queue, const struct iocb *user, int error_number) {
    Header header;
    if (!copy_in(&header, reinterpret_cast<void *>(queue), sizeof header).ok() || header.magic != magic ||
        header.incompatible_features != 0 || header.tail >= header.event_count)
        return;
    for (uint32_t back = 1; back <= header.event_count; back++) {
        const uint32_t index = (header.tail + header.event_count - back) % header.event_count;
        const uint64_t address = static_cast<uint64_t>(queue) + header.header_bytes + index * sizeof(struct io_event);
        struct io_event event;
        if (!copy_in(&event, reinterpret_cast<void *>(address), sizeof event).ok())
            return;
        if (event.obj != reinterpret_cast<uint64_t>(user) || event.res != -EFAULT)
            continue;
        const int64_t result = -error_number;
        (void)copy_out(reinterpret_cast<void *>(address + offsetof(struct io_event, res)), &result, sizeof result).ok();
        return;
    }
}

} // namespace shim
