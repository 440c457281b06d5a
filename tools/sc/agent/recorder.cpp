#include "tools/sc/agent/recorder.h"

#include "tools/sc/agent/own_number.h"

#include <cerrno>
#include <csignal>

namespace sc {
namespace {

Ring &ring_of(ThreadState &state) {
    if (state.ring_plus_one == 0)
        thread_begin(state);
    return segment->rings[state.ring_plus_one - 1];
}

// sc may have been killed: then nobody empties the ring any more.
bool command_lives(const ThreadState &state) {
    if (segment->detached.load(std::memory_order_relaxed) != 0)
        return false;
    return state.number_flags != 0 ? sc_listens()
                                   : base::raw_syscall(SYS_kill, segment->settings.command_process, 0) != -ESRCH;
}

// False: give up.
bool wait_for_room(const ThreadState &state, unsigned round) {
    if (segment->settings.wait_if_full == 0)
        return false;
    if (round < 4) {
        base::raw_syscall(SYS_sched_yield);
        return true;
    }
    timespec nap = {0, 200000};
    base::raw_syscall(SYS_nanosleep, base::as_long(&nap));
    return round % 64 != 0 || command_lives(state);
}

} // namespace

Reserved reserve_record(ThreadState &state, size_t parts_bytes) {
    Ring &ring = ring_of(state);
    const uint64_t ring_bytes = segment->settings.ring_bytes;
    const uint64_t size = (sizeof(Record) + parts_bytes + record_unit_bytes - 1) & ~uint64_t{record_unit_bytes - 1};
    char *data = ring_data(*segment, state.ring_plus_one - 1);
    uint64_t head = ring.head.load(std::memory_order_relaxed);
    for (unsigned round = 0;;) {
        const uint64_t offset = head % ring_bytes;
        const uint64_t padding = offset + size > ring_bytes ? ring_bytes - offset : 0;
        if (head + padding + size - ring.tail.load(std::memory_order_acquire) > ring_bytes) {
            if (size > ring_bytes / 2 || !wait_for_room(state, round++)) {
                ring.lost.fetch_add(1, std::memory_order_relaxed);
                return {};
            }
            head = ring.head.load(std::memory_order_relaxed);
            continue;
        }
        if (!ring.head.compare_exchange_weak(head, head + padding + size, std::memory_order_acq_rel))
            continue;
        if (padding != 0)
            reinterpret_cast<Record *>(data + offset)
                ->header.store(record_header(head, padding, RecordState::padding), std::memory_order_release);
        Reserved reserved{nullptr, head + padding, size};
        reserved.record = reinterpret_cast<Record *>(data + reserved.position % ring_bytes);
        reserved.record->process = state.process;
        reserved.record->thread = state.thread;
        reserved.record->header.store(record_header(reserved.position, size, RecordState::busy),
                                      std::memory_order_release);
        return reserved;
    }
}

void commit_record(const Reserved &reserved) {
    // Fails if sc has given the record up meanwhile.
    uint64_t busy = record_header(reserved.position, reserved.size_bytes, RecordState::busy);
    reserved.record->header.compare_exchange_strong(
        busy, record_header(reserved.position, reserved.size_bytes, RecordState::whole), std::memory_order_release,
        std::memory_order_relaxed);
}

void enter_call(ThreadState &state, int32_t number, const long *args, uint64_t begin_ticks) {
    Current &current = ring_of(state).current;
    current.process = state.process;
    current.number = number;
    current.begin_ticks = begin_ticks;
    for (int i = 0; i < 6; i++)
        current.args[i] = args[i];
    current.thread.store(state.thread, std::memory_order_release);
}

void leave_call(ThreadState &state) {
    if (state.ring_plus_one != 0)
        segment->rings[state.ring_plus_one - 1].current.thread.store(0, std::memory_order_relaxed);
}

} // namespace sc
