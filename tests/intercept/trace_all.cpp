// trace_all: a preload library that records every call on its way in and out, in
// memory that all processes of a run share, and destroys the vector state both
// times. It makes no system call of its own once it has started.
//
//   TRACE_ALL_RECORD  an existing file of trace_record_bytes; without it nothing starts
#include "base/raw_syscall.h"
#include "intercept/include/pmemfile-intercept.h"
#include "tests/intercept/vector_spoiler.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace {

struct Event {
    std::atomic<uint64_t> sequence; // of the call that it holds
    long nr;
    long first_argument;
    long result;
};

constexpr uint64_t event_count = 32768;

// What programs/compare.sh reads: eight figures, then the events.
struct Record {
    std::atomic<uint64_t> processes;   // that started with the library
    std::atomic<uint64_t> not_started; // of those: nothing could be patched
    std::atomic<uint64_t> hooks;       // calls on their way in
    std::atomic<uint64_t> posts;       // and back
    std::atomic<uint64_t> mismatches;  // a post that is not that of its hook
    std::atomic<uint64_t> unaligned;   // a hook on a stack that the ABI does not allow
    std::atomic<uint64_t> unused[2];
    Event events[event_count];
};

Record *record = nullptr;

bool makes_process(long nr) {
    for (long one : intercept::process_kind_numbers)
        if (nr == one)
            return true;
    return false;
}

int trace_hook(intercept_call *call) {
    uint64_t sequence = record->hooks++;
    Event &event = record->events[sequence % event_count];
    event.sequence = sequence;
    event.nr = call->nr;
    event.first_argument = call->args[0];
    event.result = 0;
    if (reinterpret_cast<uint64_t>(__builtin_frame_address(0)) % 16 != 0)
        record->unaligned++;
    call->opaque = reinterpret_cast<const void *>(sequence);
    spoil_vectors();
    return INTERCEPT_PASS_POST;
}

void trace_post(intercept_call *call) {
    record->posts++;
    if (!makes_process(call->nr)) { // there nothing is kept over the call
        auto sequence = reinterpret_cast<uint64_t>(call->opaque);
        Event &event = record->events[sequence % event_count];
        bool overwritten = event.sequence != sequence;
        if (!overwritten && (event.nr != call->nr || event.first_argument != call->args[0]))
            record->mismatches++;
        if (!overwritten)
            event.result = call->result;
    }
    spoil_vectors();
}

__attribute__((constructor)) void start() {
    const char *path = getenv("TRACE_ALL_RECORD");
    if (path == nullptr)
        return;
    long file = base::raw_syscall(SYS_openat, AT_FDCWD, base::as_long(path), O_RDWR | O_CLOEXEC);
    if (base::is_error(file))
        return;
    long memory = base::raw_syscall(SYS_mmap, 0, sizeof(Record), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    base::raw_syscall(SYS_close, file);
    if (base::is_error(memory))
        return;
    record = reinterpret_cast<Record *>(memory);
    record->processes++;
    intercept_hook hook{nullptr, trace_hook, trace_post, 0, nullptr, 0};
    intercept_add(&hook);
    if (intercept_start() != 0)
        record->not_started++;
}

} // namespace
