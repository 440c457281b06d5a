// Several processes work on one pool and are killed at random moments; others take their places.
//
//   parent               worker w, 2 threads: each makes step 1, 2, 3 … in its own directory,
//     kill -9 ─► look      noted in shared memory when the call has returned; and now and
//     restart ─► goes on   then calls in a directory that all share
//
//   phase 1, one by one:   the parent settles the dead and looks at their directories
//   phase 2, by meeting:   only those who meet a dead lock settle; some workers stay away for a while
//   phase 3, all at once:  nobody is left; the next attach recovers
//
// Beside them, in phases 1 and 2, a survivor that is never killed measures how long dead locks hold
// it up. Whatever a call returned from is there; the call in flight is wholly there or not at all;
// nobody waits for the dead; the checker finds nothing. `kill_test SECONDS`; PMEMFILE_TEST_SEED.
#include "libpmemfile/check/checker.h"
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/settle.h"
#include "tests/kill/actor.h"
#include "tests/kill/scoreboard.h"
#include "tests/kill/worker.h"
#include "tests/tools/test_directory.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kill_test {
namespace {

using namespace pmemfile;
using Clock = std::chrono::steady_clock;

// How long an actor may make no step. On a slow machine (tests/dax emulates one) more: so many times what it takes all
// of them, undisturbed, from their start to their first step.
constexpr std::chrono::seconds least_patience(10);
constexpr unsigned starts_of_patience = 20;
// Lives may be too short to come to a step, for a start takes long where processors are few and slow. Who has made
// none for this part of the patience is not killed until it has: the rest is one life, and what takes longer is stuck.
constexpr unsigned spared_part = 10;
constexpr unsigned survivor = worker_count; // its place in the table of processes

std::string describe_status(int status) {
    if (WIFSIGNALED(status))
        return std::string("killed by ") + strsignal(WTERMSIG(status));
    return "exit status " + std::to_string(WEXITSTATUS(status));
}

std::string seconds_text(Clock::duration time) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", std::chrono::duration<double>(time).count());
    return text;
}

class KillTest {
public:
    KillTest(double seconds, unsigned seed) : seconds_(seconds), random_(seed) {}
    void run();

private:
    struct Process {
        pid_t pid = 0; // 0: not running
        Clock::time_point watched_since;
        uint64_t own_steps[threads_per_worker] = {}; // at that time
        Clock::duration idle[threads_per_worker] = {};
    };

    void start(unsigned place, bool check);
    void expect_running(unsigned place);
    void kill_worker(unsigned worker);
    void watch(unsigned place);
    void watch_all();
    bool is_spared(unsigned place) const;
    void await_first_steps();
    void settle_actors(Session &session, unsigned worker);
    void kill_one_by_one(Session &session);
    void kill_by_meeting(Session &session);
    void end_survivor();
    void kill_all_workers();
    void kill_all_at_once();
    void check_settled(AttachedPool &pool);
    void check_claims(Segment &segment, const Superblock &superblock);
    void check();
    unsigned actors_of(unsigned place) const {
        return place == survivor ? 1 : threads_per_worker;
    }
    Clock::time_point phase_end(const char *name, double part) {
        phase_ = name;
        return Clock::now() +
               std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_ * part));
    }

    double seconds_;
    std::mt19937 random_;
    std::string path_ = tests::test_directory() + "/pmemfile-kill." + std::to_string(getpid());
    Scoreboard *scoreboard_ = nullptr;
    Process processes_[worker_count + 1];
    std::map<uint32_t, Death> deaths_;
    Clock::duration patience_ = std::chrono::hours(1); // until it is measured
    Clock::duration longest_idle_ = {};
    unsigned spared_ = 0;
    unsigned kills_ = 0;
    std::string phase_ = "start";
};

void KillTest::start(unsigned place, bool check) {
    const std::string number = std::to_string(place);
    const std::string seed = std::to_string(random_());
    const pid_t child = fork();
    if (child < 0) // and -1 must never come to kill()
        give_up(std::string("fork: ") + std::strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // also when the parent gives up
        const char *role = place == survivor ? "--survivor" : check ? "--checking-worker" : "--worker";
        // Not by its name: that may be a newer program by now, or none for a moment.
        execl("/proc/self/exe", "kill_test", role, path_.c_str(), number.c_str(), seed.c_str(), nullptr);
        std::perror("kill_test: exec");
        std::_Exit(1);
    }
    Process &process = processes_[place];
    process.pid = child;
    process.watched_since = Clock::now();
}

void KillTest::expect_running(unsigned place) {
    int status = 0;
    const pid_t ended = waitpid(processes_[place].pid, &status, WNOHANG);
    if (ended != 0)
        give_up((place == survivor ? "the survivor" : "worker " + std::to_string(place)) +
                " ended by itself: " + (ended < 0 ? std::strerror(errno) : describe_status(status)) + " (" + phase_ +
                ", after " + std::to_string(kills_) + " kills)");
}

void KillTest::kill_worker(unsigned worker) {
    Process &process = processes_[worker];
    if (process.pid == 0)
        return;
    expect_running(worker);
    watch(worker);
    if (is_spared(worker)) {
        ++spared_;
        return;
    }
    int status = 0;
    Death &death = deaths_[static_cast<uint32_t>(process.pid)];
    death.sent_ns = now_ns();
    kill(process.pid, SIGKILL);
    waitpid(process.pid, &status, 0);
    death.gone_ns = now_ns();
    process.pid = 0;
    ++kills_;
}

// Each actor must go on by itself: its time without a step of its own is added up over its lives.
void KillTest::watch(unsigned place) {
    Process &process = processes_[place];
    const Clock::time_point now = Clock::now();
    for (unsigned thread = 0; thread < actors_of(place); ++thread) {
        const unsigned actor = place * threads_per_worker + thread;
        const uint64_t own_steps = scoreboard_->actors[actor].own_steps.load();
        if (own_steps != process.own_steps[thread])
            process.idle[thread] = {};
        else
            process.idle[thread] += now - process.watched_since;
        process.own_steps[thread] = own_steps;
        longest_idle_ = std::max(longest_idle_, process.idle[thread]);
        if (process.idle[thread] > patience_)
            give_up("actor " + std::to_string(actor) + " made no step for " + seconds_text(patience_) +
                    " seconds, the last of them in one life (" + phase_ + ")");
    }
    process.watched_since = now;
}

void KillTest::watch_all() {
    for (unsigned place = 0; place <= survivor; ++place) {
        if (processes_[place].pid == 0)
            continue;
        expect_running(place);
        watch(place);
    }
}

bool KillTest::is_spared(unsigned place) const {
    const Process &process = processes_[place];
    return std::any_of(process.idle, process.idle + actors_of(place),
                       [&](Clock::duration idle) { return idle > patience_ / spared_part; });
}

// How fast this machine is: nobody is killed yet.
void KillTest::await_first_steps() {
    const Clock::time_point start = Clock::now();
    const auto all_have_begun = [this] {
        return std::all_of(std::begin(scoreboard_->actors), std::end(scoreboard_->actors),
                           [](const ActorScore &score) { return score.own_steps.load() != 0; });
    };
    for (; !all_have_begun(); usleep(1000)) {
        for (unsigned place = 0; place <= survivor; ++place)
            expect_running(place);
        if (Clock::now() - start > std::chrono::minutes(2))
            give_up("the first steps take more than two minutes");
    }
    patience_ = std::max<Clock::duration>(least_patience, starts_of_patience * (Clock::now() - start));
    for (Process &process : processes_)
        process.watched_since = Clock::now();
}

void KillTest::settle_actors(Session &session, unsigned worker) {
    for (unsigned actor = worker * threads_per_worker; actor < (worker + 1) * threads_per_worker; ++actor) {
        std::atomic<uint64_t> &step = scoreboard_->actors[actor].step;
        step.store(settled_step(session, actor, step.load()));
    }
}

void KillTest::kill_one_by_one(Session &session) {
    const Clock::time_point end = phase_end("one by one", 0.4);
    while (Clock::now() < end) {
        usleep(500 + random_() % 20000);
        const unsigned worker = random_() % worker_count;
        kill_worker(worker);
        if (processes_[worker].pid != 0) { // spared
            watch_all();
            continue;
        }
        // Else the call in flight may take effect later, when somebody meets its locks (docs/limits.md).
        orphan_settle_dead(session.thread());
        settle_actors(session, worker);
        start(worker, false);
        watch_all();
    }
}

// The parent looks at the dead without settling them: a call in flight may be there now or later.
void KillTest::kill_by_meeting(Session &session) {
    const Clock::time_point end = phase_end("by meeting", 0.3);
    while (Clock::now() < end) {
        usleep(500 + random_() % 20000);
        const unsigned count = 1 + random_() % worker_count;
        for (unsigned i = 0; i < count; ++i)
            kill_worker(random_() % worker_count);
        usleep(random_() % 5000); // the survivor goes on, perhaps alone
        for (unsigned worker = 0; worker < worker_count; ++worker) {
            if (processes_[worker].pid != 0)
                continue;
            for (unsigned thread = 0; thread < threads_per_worker; ++thread) {
                const unsigned actor = worker * threads_per_worker + thread;
                settled_step(session, actor, scoreboard_->actors[actor].step.load());
            }
            start(worker, true);
        }
        watch_all();
    }
}

void KillTest::end_survivor() {
    Process &process = processes_[survivor];
    watch_all();
    scoreboard_->survivor_ends.store(1);
    int status = 0;
    for (const Clock::time_point start = Clock::now(); waitpid(process.pid, &status, WNOHANG) == 0; usleep(1000))
        if (Clock::now() - start > patience_)
            give_up("the survivor does not end");
    if (status != 0)
        give_up("the survivor: " + describe_status(status));
    process.pid = 0;
}

// The spared ones as soon as they have made their step.
void KillTest::kill_all_workers() {
    const auto is_running = [](const Process &process) { return process.pid != 0; };
    for (;; usleep(1000)) {
        for (unsigned worker = 0; worker < worker_count; ++worker)
            kill_worker(worker);
        if (std::none_of(processes_, processes_ + worker_count, is_running))
            return;
    }
}

// Nobody is left: the next attach recovers.
void KillTest::kill_all_at_once() {
    const Clock::time_point end = phase_end("all at once", 0.3);
    while (Clock::now() < end) {
        for (unsigned worker = 0; worker < worker_count; ++worker)
            start(worker, false);
        usleep(20000 + random_() % 50000);
        kill_all_workers();
        check();
    }
}

void KillTest::check_settled(AttachedPool &pool) {
    const CheckReport report = check_pool((*pool).persist, (*pool).superblock_offset, false);
    for (const CheckProblem &problem : report.problems)
        std::fprintf(stderr, "kill_test: %s: %s\n", problem.structure.c_str(), problem.text.c_str());
    if (!report.problems.empty() || report.blocks_leaked != 0 || report.orphans != 0)
        give_up("the checker found something (" + phase_ + "): " + std::to_string(report.problems.size()) +
                " problems, " + std::to_string(report.blocks_leaked) + " blocks leaked, " +
                std::to_string(report.orphans) + " orphans");
}

// Of orphan slots: claims of the dead would keep slots from everybody for as long as anybody stays attached.
void KillTest::check_claims(Segment &segment, const Superblock &superblock) {
    for (uint64_t slot = 0; slot < superblock.orphan_slots; ++slot)
        if (segment.orphan_claims()[slot].load() != 0)
            give_up("orphan slot " + std::to_string(slot) + " is claimed by nobody that lives");
}

// Nobody works. Twice: as recovery and settling left it, and after an attach with nothing to do.
void KillTest::check() {
    for (int round = 0; round < 2; ++round) {
        AttachedPool pool(path_);
        Session session(pool);
        orphan_settle_dead(session.thread());
        for (unsigned worker = 0; worker < worker_count; ++worker)
            settle_actors(session, worker);
        const uint64_t steps = scoreboard_->actors[survivor_actor].step.load();
        if (settled_step(session, survivor_actor, steps) != steps)
            give_up("the survivor's directory is ahead of its steps");
        check_settled(pool);
    }
}

void KillTest::run() {
    MkfsOptions options;
    options.size_bytes = 64ull << 20;
    options.replace = true;
    ContainerMessage message;
    if (!mkfs(path_.c_str(), options, &message).ok())
        give_up(message.text);
    left_files = path_ + " " + scoreboard_path(path_);
    scoreboard_ = &map_scoreboard(scoreboard_path(path_), true);
    {
        AttachedPool pool(path_);
        left_files += std::string(" ") + (*pool).segment_path;
        Session session(pool);
        expect_ok(fs_mkdir(session.thread(), session.at("shared"), 0755), "mkdir");
        for (unsigned actor = 0; actor < actor_count; ++actor) {
            const std::string name = actor_directory(actor);
            expect_ok(fs_mkdir(session.thread(), session.at(name), 0755), "mkdir");
        }
        for (unsigned place = 0; place <= survivor; ++place)
            start(place, false);
        await_first_steps();
        kill_one_by_one(session);
        kill_by_meeting(session);
        kill_all_workers();
        end_survivor();
        orphan_settle_dead(session.thread());
        for (unsigned worker = 0; worker < worker_count; ++worker)
            settle_actors(session, worker);
        check_settled(pool); // without a first attach, which would collect what settling has forgotten
        check_claims(*(*pool).segment, (*pool).superblock());
    }
    check();
    kill_all_at_once();
    uint64_t total = 0;
    for (const ActorScore &score : scoreboard_->actors)
        total += score.own_steps.load();
    std::printf("%u kills, %lu steps, nothing lost; longest without a step %s of %s s, %u times spared for that; %s\n",
                kills_, static_cast<unsigned long>(total), seconds_text(longest_idle_).c_str(),
                seconds_text(patience_).c_str(), spared_, describe_meetings(*scoreboard_, deaths_).c_str());
    unlink(path_.c_str());
    unlink(scoreboard_path(path_).c_str());
}

} // namespace
} // namespace kill_test

int main(int argc, char **argv) {
    using namespace kill_test;
    if (argc == 5) {
        const std::string role = argv[1];
        const auto worker = static_cast<unsigned>(std::atoi(argv[3]));
        const auto seed = static_cast<unsigned>(std::strtoul(argv[4], nullptr, 10));
        if (role == "--survivor")
            run_survivor(argv[2], seed);
        run_worker(argv[2], worker, seed, role == "--checking-worker");
    }
    const unsigned seed = chosen_seed();
    std::printf("kill_test: PMEMFILE_TEST_SEED=%u\n", seed);
    std::fflush(stdout); // before any fork
    KillTest(argc > 1 ? std::atof(argv[1]) : 10, seed).run();
    return 0;
}
