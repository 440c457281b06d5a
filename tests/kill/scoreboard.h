// scoreboard: what workers have done; in a mapped file, so that it outlives them.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace kill_test {

constexpr unsigned worker_count = 4; // processes that are killed
constexpr unsigned threads_per_worker = 2;
constexpr unsigned survivor_actor = worker_count * threads_per_worker;
constexpr unsigned actor_count = survivor_actor + 1; // an actor: one thread with a directory of its own
constexpr unsigned max_meetings = 1u << 16;

struct ActorScore {
    std::atomic<uint64_t> step;      // steps whose calls have returned; the parent corrects it after a kill
    std::atomic<uint64_t> own_steps; // made by the actor itself; for the watchdog
};

// The survivor met a lock whose holder was dead.
struct Meeting {
    uint32_t settle_ns; // from finding the holder dead to having its call settled
    uint32_t call_ns;   // the survivor's whole call
};

struct Scoreboard {
    ActorScore actors[actor_count];
    std::atomic<uint32_t> survivor_ends; // asked to leave
    std::atomic<uint32_t> meeting_count;
    Meeting meetings[max_meetings];
};

// Maps the scoreboard file, made anew when `create`. Gives up on failure.
Scoreboard &map_scoreboard(const std::string &path, bool create);

// The distribution of the survivor's meetings, for people.
std::string describe_meetings(const Scoreboard &scoreboard);

} // namespace kill_test
