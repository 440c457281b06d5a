// segment: the shared memory between `sc` and the agents in the traced processes.
//
//   sc makes the file, fills in Settings, starts the command
//   agents map it and write: records into rings, counts into tallies
//   sc reads both, and never waits for a lock
//
// All references are offsets; both sides are built from this header, and the version
// is checked. The file is sparse: memory is used for what is touched.
#pragma once

#include "intercept/calls/call_number.h"
#include "tools/sc/agent/fault_rule.h"

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sc {

constexpr uint64_t segment_magic = 0x31746e6567616373; // "scagent1"
constexpr uint32_t segment_version = 2;
constexpr char segment_variable[] = "PMEMFILE_SC";
constexpr char number_socket_end[] = ".n"; // behind the segment's path

constexpr unsigned rings_max = 256;
constexpr uint32_t ring_bytes_min = 64 << 10;
constexpr uint32_t ring_bytes_max = 64 << 20;
constexpr unsigned record_unit_bytes = 32;
constexpr unsigned path_bytes_max = 4096;
constexpr unsigned text_bytes_max = 4096; // the most of a buffer that is kept of one call
constexpr unsigned tally_lanes = 8;
constexpr unsigned tally_buckets = 44;

// What the agents are to do; written by sc before the first process starts.
struct Settings {
    uint32_t trace_events;   // 1: a record for each call
    uint32_t tally;          // 1: counts and times for each call number
    uint32_t wait_if_full;   // 1: a full ring makes the program wait; 0: the record is lost, and counted
    uint32_t text_bytes;     // of strings and buffers kept
    uint32_t use_clock;      // 1: the time-stamp counter cannot be used; clock_gettime instead
    uint32_t follow;         // 1: children are traced too
    int32_t command_process; // sc, who empties the rings
    int32_t first_process;   // the one that it started
    uint64_t namespace_device, namespace_inode; // whose process numbers sc shows; 0: not known
    uint32_t ring_bytes;
    uint32_t ring_count;
    uint32_t rule_count;
    uint64_t base_ticks;
    uint64_t ticks_scale;                        // nanoseconds = ticks * ticks_scale >> 32
    uint8_t calls[intercept::call_number_limit]; // 1: wanted
    uint8_t unknown_calls;                       // 1: numbers beyond the list are wanted
    char agent_path[path_bytes_max];             // for LD_PRELOAD
    FaultRule rules[fault_rules_max];
};

enum class RecordState : uint8_t { none, busy, whole, padding, abandoned };

// Where a ring's record begins: the state, its size, and where in the life of the ring it
// stands, so that bytes of an earlier round cannot be taken for one.
constexpr uint64_t record_header(uint64_t position, uint64_t size_bytes, RecordState state) {
    return position / record_unit_bytes << 24 | size_bytes / record_unit_bytes << 4 | static_cast<uint64_t>(state);
}
constexpr RecordState header_state(uint64_t header) {
    return static_cast<RecordState>(header & 15);
}
constexpr uint64_t header_bytes(uint64_t header) {
    return (header >> 4 & 0xfffff) * record_unit_bytes;
}
constexpr bool header_is_at(uint64_t header, uint64_t position) {
    return header >> 24 == (position / record_unit_bytes & 0xffffffffff) && header_bytes(header) != 0;
}

enum class RecordType : uint8_t {
    call,  // with its result
    enter, // a call that does not come back (exit), or comes back elsewhere (exec)
    start, // a process has begun: number = its parent after a fork, 0 after an exec
};

enum RecordFlag : uint8_t {
    record_injected = 1,       // the result is a rule's
    record_delayed = 2,        // a rule made it wait
    record_shortened = 4,      // a rule changed its count
    record_unreadable = 8,     // a pointer that could not be followed
    record_other_numbers = 16, // process numbers in results are of another pid namespace
    record_unseen = 32,        // and so is the process itself: sc cannot watch it
    record_other_user = 64,    // an exec by another user than the one who could open the segment
};

// One event. Behind it: `part_count` Parts, each 8-aligned.
struct Record {
    std::atomic<uint64_t> header;
    int32_t process, thread;
    uint64_t begin_ticks, end_ticks;
    int32_t number;
    RecordType type;
    uint8_t flags;
    uint16_t part_count;
    int64_t args[6];
    int64_t result;
};
static_assert(sizeof(Record) == 96);

constexpr uint8_t part_number = 255;
struct Part {
    uint8_t argument;
    uint8_t index;   // several of one argument: vectors, strings; part_number: none, a number
    uint16_t is_cut; // there was more; or that number
    uint32_t size_bytes;
};

// What sc answers to who sends the number of a thread as its own namespace has it.
struct SeenNumbers {
    int32_t process, thread;
};

// A call that a thread is in. Only for what `sc` says at the end.
struct Current {
    std::atomic<int32_t> thread; // 0: none
    int32_t process;
    int32_t number;
    uint64_t begin_ticks;
    int64_t args[6];
};

// Many producers (usually one), one consumer. head and tail only grow.
struct Ring {
    alignas(64) std::atomic<uint64_t> head;
    alignas(64) std::atomic<uint64_t> tail;
    alignas(64) std::atomic<uint64_t> lost; // records that found no room
    alignas(64) Current current;
};

struct alignas(64) Tally {
    std::atomic<uint64_t> calls, errors, ticks, longest_ticks;
    std::atomic<uint64_t> buckets[tally_buckets]; // [i]: 2^i to 2^(i+1) ns; the last also above
};

struct Segment {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes; // sizeof(Segment)
    uint64_t size_bytes;   // of all
    Settings settings;
    alignas(64) std::atomic<uint32_t> next_ring; // rings that were given out, modulo ring_count
    std::atomic<uint32_t> attached;              // processes that found the segment
    std::atomic<uint32_t> detached;              // 1: sc is done, nobody may wait for it
    alignas(64) std::atomic<uint64_t> rule_matches[fault_rules_max];
    std::atomic<uint64_t> rule_hits[fault_rules_max];
    std::atomic<uint64_t> rule_random[fault_rules_max];
    Ring rings[rings_max];
    Tally tallies[tally_lanes][intercept::call_number_limit + 1]; // the last: unknown numbers
};

constexpr size_t rings_begin() {
    return (sizeof(Segment) + 4095) & ~size_t{4095};
}
inline size_t segment_bytes(const Settings &settings) {
    return rings_begin() + size_t{settings.ring_count} * settings.ring_bytes;
}
inline char *ring_data(Segment &segment, unsigned index) {
    return reinterpret_cast<char *>(&segment) + rings_begin() + size_t{index} * segment.settings.ring_bytes;
}

} // namespace sc
