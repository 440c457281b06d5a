// A worker's thread notes each step on the scoreboard when its call has returned. The survivor
// stands itself between the engine's locks and the settling of a dead holder, with a clock:
//
//   robust_lock ─ holder dead ─► timed_settle ─► settle_thread ─► robust_lock goes on
#include "tests/kill/worker.h"

#include "libpmemfile/journal/settle.h"
#include "libpmemfile/runtime/robust_lock.h"
#include "tests/kill/actor.h"
#include "tests/kill/scoreboard.h"

#include <cstdlib>
#include <thread>
#include <vector>

namespace kill_test {
namespace {

Scoreboard *survivors_board = nullptr;
int64_t call_ns = 0; // when the survivor's present call began

void timed_settle(pmemfile::Thread &thread, uint32_t slot) {
    pmemfile::Segment &segment = *thread.pool->segment;
    Meeting meeting = {segment.processes()[segment.threads()[slot].process_slot.load()].pid.load(), call_ns, now_ns(),
                       0};
    pmemfile::settle_thread(thread, slot);
    meeting.past_ns = now_ns();
    const uint32_t index = survivors_board->meeting_count.fetch_add(1);
    if (index < max_meetings)
        survivors_board->meetings[index] = meeting;
}

void act(AttachedPool &pool, ActorScore &score, unsigned actor, unsigned seed) {
    Session session(pool);
    std::mt19937 random(seed);
    for (uint64_t step = score.step.load();; ++step) {
        make_step(session, actor, step);
        score.step.store(step + 1);
        score.own_steps.fetch_add(1);
        for (unsigned calls = random() % 4; calls > 0; --calls)
            meet_others(session, random);
    }
}

} // namespace

std::string scoreboard_path(const std::string &pool_path) {
    return pool_path + ".scoreboard";
}

void run_worker(const std::string &pool_path, unsigned worker, unsigned seed, bool check) {
    Scoreboard &scoreboard = map_scoreboard(scoreboard_path(pool_path), false);
    AttachedPool pool(pool_path);
    const unsigned first = worker * threads_per_worker;
    if (check) { // attaching has settled our former life
        Session session(pool);
        for (unsigned actor = first; actor < first + threads_per_worker; ++actor) {
            std::atomic<uint64_t> &step = scoreboard.actors[actor].step;
            step.store(settled_step(session, actor, step.load()));
        }
    }
    std::vector<std::thread> threads;
    for (unsigned actor = first; actor < first + threads_per_worker; ++actor)
        threads.emplace_back([&, actor] { act(pool, scoreboard.actors[actor], actor, seed + actor); });
    for (std::thread &thread : threads)
        thread.join();
    std::abort(); // they never end
}

void run_survivor(const std::string &pool_path, unsigned seed) {
    Scoreboard &scoreboard = map_scoreboard(scoreboard_path(pool_path), false);
    survivors_board = &scoreboard;
    {
        AttachedPool pool(pool_path);
        pmemfile::settle_thread_hook = timed_settle;
        Session session(pool);
        std::mt19937 random(seed);
        ActorScore &score = scoreboard.actors[survivor_actor];
        while (scoreboard.survivor_ends.load() == 0) {
            const uint64_t step = score.step.load();
            call_ns = now_ns();
            make_step(session, survivor_actor, step);
            score.step.store(step + 1);
            score.own_steps.fetch_add(1);
            for (unsigned calls = 0; calls < 8; ++calls) {
                call_ns = now_ns();
                meet_others(session, random);
            }
        }
    }
    std::exit(0);
}

} // namespace kill_test
