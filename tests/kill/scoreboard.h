// scoreboard: what workers have done; in a mapped file, so that it outlives them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
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

// The survivor met a lock whose holder was dead. Times are of CLOCK_MONOTONIC, in nanoseconds.
struct Meeting {
    uint32_t pid; // of the dead process
    int64_t call_ns;
    int64_t settle_ns; // it found the holder dead
    int64_t past_ns;   // the holder's call was settled
};

struct Scoreboard {
    ActorScore actors[actor_count];
    std::atomic<uint32_t> survivor_ends; // asked to leave
    std::atomic<uint32_t> meeting_count;
    Meeting meetings[max_meetings];
};

// Maps the scoreboard file, made anew when `create`. Gives up on failure.
Scoreboard &map_scoreboard(const std::string &path, bool create);

int64_t now_ns();

// When each process was sent SIGKILL, and was gone; by pid.
struct Death {
    int64_t sent_ns;
    int64_t gone_ns;
};

// How long each dead lock held the survivor up, for people.
std::string describe_meetings(const Scoreboard &scoreboard, const std::map<uint32_t, Death> &deaths);

} // namespace kill_test
