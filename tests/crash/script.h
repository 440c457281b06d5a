// script: long runs of calls, each explored: what sequences of a few calls cannot reach.
#pragma once

#include "tests/crash/vocabulary.h"

namespace crash {

void names(Explorer &explorer);
void data(Explorer &explorer);
void attributes(Explorer &explorer);
// Extended attributes of all sizes; lists that are handed on.
void extended_attributes(Explorer &explorer);
// A pool that becomes larger between its calls.
void growth(Explorer &explorer);
// Room runs out half way: what there was room for is taken back.
void no_room(Explorer &explorer);
// Work that one record cannot hold.
void steps(Explorer &explorer);
// Leaves split, and the watermark goes round the small rings.
void many_names(Explorer &explorer, unsigned count);
// Two threads change the same files in turn, so that the order of records goes over both rings. One of
// them ends and another takes its slot; rings fill up while the other thread is idle.
void turns(Explorer &explorer, unsigned rounds);
// The second thread's calls in the middle of the first one's, at each fence.
void interleaved(Explorer &explorer, std::mt19937 &random, unsigned count);
// The second thread makes so many calls in the middle of one of the first that the watermark is raised.
void overtaking(Explorer &explorer);
// And so many that its ring goes round: the watermark passes the first thread's call by name.
void held_up(Explorer &explorer, unsigned rounds);
// One thread frees blocks that the other wants, in the middle of the call.
void reuse(Explorer &explorer);
// Both threads store to the same bytes in turn, each by its ring, and the watermark comes past.
void alternate(Explorer &explorer, unsigned rounds);
// Several calls in one record; the second thread's calls in between wait.
void clones(Explorer &explorer);
void transactions(Explorer &explorer);
// Writes to a file that is mapped shared and writable go in place.
void mapped(Explorer &explorer);
void gathered(Explorer &explorer);
// User memory that changes while it is written.
void flipping(Explorer &explorer);
// A ring is filled up, its start moves by a recovery or by another thread, and it is filled up again:
// records go over the old start.
void laps(Explorer &explorer, unsigned rounds);
// A thread ends and another one has its slot and its ring; what the first one flushed, nobody fences.
void succession(Explorer &explorer);
// The machine stops again and again.
void crashes(Explorer &explorer, std::mt19937 &random, unsigned count);

} // namespace crash
