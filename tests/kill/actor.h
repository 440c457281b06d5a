// actor: one thread's endless work in its own directory "w<actor>", step by step, each step
// one call: create, write, rename, remove the oldest, and so on. What the directory holds after any
// number of steps is known exactly. Now and then calls in a directory that all actors use.
#pragma once

#include "tests/kill/session.h"

#include <cstdint>
#include <random>
#include <string>

namespace kill_test {

std::string actor_directory(unsigned actor);

// Gives up when the step's call fails.
void make_step(Session &session, unsigned actor, uint64_t step);

// A call on a name in "shared" that others use too; it may fail.
void meet_others(Session &session, std::mt19937 &random);

// The actor was killed when `step` steps had returned, and its process has been settled: its
// directory is as after `step` steps, or one more. Says which; gives up when it is neither.
uint64_t settled_step(Session &session, unsigned actor, uint64_t step);

} // namespace kill_test
