// recorder: records into the thread's ring.
//
//   reserve: head += size (one compare-and-swap)  ─► fill ─► commit: one store
//
// A signal handler that makes calls of its own in between, and a thread that shares the
// ring, take the space behind: nobody waits for anybody. Only a full ring waits for sc, if
// the settings say so.
#pragma once

#include "tools/sc/agent/agent.h"

namespace sc {

struct Reserved {
    Record *record = nullptr; // null: no room, counted
    uint64_t position = 0;
    uint64_t size_bytes = 0;
};

// Room for a record with `parts_bytes` behind it. The header is in place; the rest is not.
Reserved reserve_record(ThreadState &state, size_t parts_bytes);
void commit_record(const Reserved &reserved);

// What the thread is doing, for the case that it never comes back.
void enter_call(ThreadState &state, int32_t number, const long *args, uint64_t begin_ticks);
void leave_call(ThreadState &state);

} // namespace sc
