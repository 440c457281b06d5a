// Random calls by threads of several processes on one pool, against models in memory.
//
//   process 1: actor 0, 1     process 2: actor 2, 3      each: its own directory and its model,
//   ────────────────────────────────────────────────     calls on "shared", records to "log", locks of "gate"
//        ▲ all rest                   ▲ all rest
//   parent: each actor compares all; entries of "shared" = those made − those removed;
//           "log" holds each actor's records whole and in order; the checker finds nothing
//
// `model_test SECONDS [PROCESSES]` (1, 2 or 4); PMEMFILE_TEST_SEED.
#include "libpmemfile/check/checker.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/lock_calls.h"
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/runtime/space_map.h"
#include "tests/model/directory_model.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace model_test {
namespace {

using namespace pmemfile;
using kill_test::AttachedPool;
using kill_test::expect_ok;
using kill_test::give_up;
using kill_test::Session;
using Clock = std::chrono::steady_clock;

constexpr unsigned actor_count = 4; // threads, shared out among the processes
constexpr unsigned calls_per_round = 20'000;
#if defined(__SANITIZE_THREAD__) // a round takes more than a minute beside other work
constexpr std::chrono::seconds patience(300);
#else
constexpr std::chrono::seconds patience(60);
#endif

// Shared by all processes.
struct Meeting {
    std::atomic<unsigned> resting; // actors that have ended the round
    std::atomic<unsigned> round;   // that the actors may work in; 0: not yet
    std::atomic<bool> is_over;
    std::atomic<int64_t> shared_entries; // made − removed
    std::atomic<uint64_t> log_records[actor_count];
    std::atomic<unsigned> holders[3];      // who has each lock of "gate": its number and one; 0: nobody
    std::atomic<uint64_t> transactions[3]; // committed, aborted, refused
};

struct LogRecord {
    uint64_t actor, number, check, filler;
};
constexpr uint64_t log_check(uint64_t actor, uint64_t number) {
    return (actor + 1) * 0x9E3779B97F4A7C15u ^ number * 0xC2B2AE3D27D4EB4Fu;
}

// Names that all use. Each call's result says how many entries it has made.
void call_shared(Session &session, Meeting &meeting, std::mt19937 &random) {
    Thread &thread = session.thread();
    const std::string a = "shared/" + std::to_string(random() % 40);
    const std::string b = "shared/" + std::to_string(random() % 40);
    switch (random() % 6) {
    case 0: {
        auto id = fs_open(thread, session.at(a), O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (!id.ok())
            return;
        meeting.shared_entries.fetch_add(1);
        return fs_close(thread, *id);
    }
    case 1:
        meeting.shared_entries.fetch_add(fs_mkdir(thread, session.at(a), 0755).ok() ? 1 : 0);
        return;
    case 2:
        meeting.shared_entries.fetch_sub(fs_unlink(thread, session.at(a)).ok() ? 1 : 0);
        return;
    case 3:
        meeting.shared_entries.fetch_sub(fs_rmdir(thread, session.at(a)).ok() ? 1 : 0);
        return;
    case 4: {
        auto place = walk(thread, session.pool().superblock().root_inode, a, 0);
        if (place.ok())
            meeting.shared_entries.fetch_add(fs_link(thread, place->handle(), session.at(b)).ok() ? 1 : 0);
        return;
    }
    default: // neither changes the number of entries
        static_cast<void>(
            fs_rename(thread, session.at(a), session.at(b), random() % 2 == 0 ? RENAME_NOREPLACE : RENAME_EXCHANGE)
                .ok());
    }
}

void append_to_log(Session &session, Meeting &meeting, unsigned actor) {
    const uint64_t number = meeting.log_records[actor].load();
    LogRecord record = {actor, number, log_check(actor, number), ~number};
    auto id = fs_open(session.thread(), session.at("log"), O_WRONLY | O_APPEND, 0);
    if (!id.ok())
        give_up("open log");
    struct iovec vector = {&record, sizeof(record)};
    auto done = fs_write(session.thread(), *id, {&vector, 1}, UINT64_MAX);
    fs_close(session.thread(), *id);
    if (!done.ok() || *done != sizeof(record))
        give_up("append to log");
    meeting.log_records[actor].store(number + 1);
}

// Waits for a lock that all want, and sees whether it is alone: flock, a description's lock, the process's.
void pass_gate(Session &session, Meeting &meeting, unsigned actor, bool is_first_of_process, unsigned kind) {
    if (kind == 2 && !is_first_of_process)
        return; // the process's lock keeps out other processes, not its own threads
    auto id = fs_open(session.thread(), session.at("gate"), O_RDWR, 0);
    if (!id.ok())
        give_up("open gate");
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_start = kind;
    lock.l_len = 1;
    const auto set = [&](short type) {
        lock.l_type = type;
        return kind == 0   ? fs_flock(session.thread(), *id, type == F_WRLCK ? LOCK_EX : LOCK_UN, nullptr)
               : kind == 1 ? fs_lock_record(session.thread(), *id, F_OFD_SETLKW, lock, nullptr)
                           : fs_lock_record(session.thread(), *id, F_SETLKW, lock, nullptr);
    };
    expect_ok(set(F_WRLCK), "lock gate");
    if (meeting.holders[kind].exchange(actor + 1) != 0)
        give_up("two have the lock of the gate, kind " + std::to_string(kind));
    usleep(actor * 10);
    if (meeting.holders[kind].exchange(0) != actor + 1)
        give_up("another has come into the gate, kind " + std::to_string(kind));
    // Closing lets go of it as well; but a process's lock goes with any descriptor of the file.
    if (actor % 2 == 0 || kind == 2)
        expect_ok(set(F_UNLCK), "unlock gate");
    fs_close(session.thread(), *id, false);
}

void act(AttachedPool &pool, Meeting &meeting, unsigned actor, bool is_first_of_process, unsigned seed) {
    Session session(pool);
    std::mt19937 random(seed);
    DirectoryModel model(session, "a" + std::to_string(actor), static_cast<unsigned>(random()));
    for (unsigned round = 1;; ++round) {
        while (meeting.round.load() != round && !meeting.is_over.load())
            usleep(200);
        if (meeting.is_over.load()) {
            for (unsigned i = 0; i < 3; ++i)
                meeting.transactions[i].fetch_add(model.transactions()[i]);
            return;
        }
        for (unsigned i = 0; i < calls_per_round; ++i) {
            const unsigned choice = random() % 8;
            if (random() % 100 == 0)
                pass_gate(session, meeting, actor, is_first_of_process, random() % 3);
            if (choice < 5)
                model.call();
            else if (choice < 7)
                call_shared(session, meeting, random);
            else
                append_to_log(session, meeting, actor);
        }
        model.compare();
        meeting.resting.fetch_add(1);
    }
}

// Actors `first` and up, `count` of them.
[[noreturn]] void run_process(const std::string &path, Meeting &meeting, unsigned first, unsigned count,
                              unsigned seed) {
    {
        AttachedPool pool(path);
        std::vector<std::thread> threads;
        for (unsigned actor = first; actor < first + count; ++actor)
            threads.emplace_back(
                [&pool, &meeting, actor, first, seed] { act(pool, meeting, actor, actor == first, seed + actor); });
        for (std::thread &thread : threads)
            thread.join();
    }
    std::_Exit(0);
}

class ModelTest {
public:
    ModelTest(double seconds, unsigned processes, unsigned seed)
        : seconds_(seconds), process_count_(processes), seed_(seed) {}
    void run();

private:
    void make_pool();
    void start_processes();
    void wait_for_rest();
    void check_shared(Session &session);
    void check_log(Session &session);
    CheckReport check_pool_structure(AttachedPool &pool);
    void check_claims(Session &session, const CheckReport &report);

    double seconds_;
    unsigned process_count_;
    unsigned seed_;
    std::string path_ = "/dev/shm/pmemfile-model." + std::to_string(getpid());
    Meeting *meeting_ = nullptr;
    std::vector<pid_t> processes_;
};

void ModelTest::make_pool() {
    MkfsOptions options;
    options.size_bytes = 256ull << 20;
    options.replace = true;
    ContainerMessage message;
    if (!mkfs(path_.c_str(), options, &message).ok())
        give_up(message.text);
    kill_test::left_files = path_;
    AttachedPool pool(path_);
    Session session(pool);
    expect_ok(fs_mkdir(session.thread(), session.at("shared"), 0755), "mkdir");
    for (unsigned actor = 0; actor < actor_count; ++actor) {
        const std::string name = "a" + std::to_string(actor);
        expect_ok(fs_mkdir(session.thread(), session.at(name), 0755), "mkdir");
    }
    for (const char *name : {"log", "gate"}) {
        auto made = fs_open(session.thread(), session.at(name), O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (!made.ok())
            give_up(std::string("create ") + name);
        fs_close(session.thread(), *made);
    }
}

void ModelTest::start_processes() {
    const unsigned share = actor_count / process_count_;
    for (unsigned process = 0; process < process_count_; ++process) {
        const pid_t child = fork();
        if (child < 0)
            give_up(std::string("fork: ") + std::strerror(errno));
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            kill_test::left_files.clear(); // the parent tells
            run_process(path_, *meeting_, process * share, share, seed_);
        }
        processes_.push_back(child);
    }
}

void ModelTest::wait_for_rest() {
    const Clock::time_point start = Clock::now();
    while (meeting_->resting.load() != actor_count) {
        int status = 0;
        for (const pid_t process : processes_)
            if (waitpid(process, &status, WNOHANG) != 0)
                give_up("a process ended by itself, status " + std::to_string(status));
        if (Clock::now() - start > patience)
            give_up("the actors do not come to rest");
        usleep(500);
    }
    meeting_->resting.store(0);
}

void ModelTest::check_shared(Session &session) {
    auto id = fs_open(session.thread(), session.at("shared"), O_RDONLY | O_DIRECTORY, 0);
    if (!id.ok())
        give_up("open shared");
    int64_t entries = -2; // . and ..
    alignas(8) char buffer[4096];
    for (;;) {
        auto length = fs_getdents64(session.thread(), *id, buffer, sizeof(buffer));
        if (!length.ok())
            give_up("readdir shared");
        if (*length == 0)
            break;
        for (size_t at = 0; at < *length; at += reinterpret_cast<const struct dirent64 *>(buffer + at)->d_reclen)
            ++entries;
    }
    fs_close(session.thread(), *id);
    if (entries != meeting_->shared_entries.load())
        give_up("shared has " + std::to_string(entries) + " entries, expected " +
                std::to_string(meeting_->shared_entries.load()));
}

// Every record whole, once, and in its actor's order. Then the log begins anew.
void ModelTest::check_log(Session &session) {
    auto place = walk(session.thread(), session.pool().superblock().root_inode, "log", 0);
    if (!place.ok())
        give_up("no log");
    std::vector<LogRecord> records(session.pool().inode(place->inode)->size_bytes / sizeof(LogRecord) + 1);
    struct iovec vector = {records.data(), records.size() * sizeof(LogRecord)};
    auto length = data_read(session.thread(), place->inode, 0, {&vector, 1});
    if (!length.ok() || *length % sizeof(LogRecord) != 0)
        give_up("log has a part of a record");
    records.resize(*length / sizeof(LogRecord));
    uint64_t next[actor_count] = {};
    for (const LogRecord &record : records) {
        if (record.actor >= actor_count || record.check != log_check(record.actor, record.number) ||
            record.filler != ~record.number || record.number != next[record.actor]++)
            give_up("log has a wrong record of actor " + std::to_string(record.actor));
    }
    for (unsigned actor = 0; actor < actor_count; ++actor)
        if (next[actor] != meeting_->log_records[actor].exchange(0))
            give_up("log misses records of actor " + std::to_string(actor));
    expect_ok(fs_truncate(session.thread(), place->handle(), 0, false), "truncate log");
}

CheckReport ModelTest::check_pool_structure(AttachedPool &pool) {
    const CheckReport report = check_pool((*pool).persist, (*pool).superblock_offset, false);
    for (const CheckProblem &problem : report.problems)
        std::fprintf(stderr, "model_test: %s: %s\n", problem.structure.c_str(), problem.text.c_str());
    if (!report.problems.empty() || report.blocks_leaked != 0 || report.orphans != 0)
        give_up("the checker found something");
    return report;
}

// Nobody is in a call: what is free on the media is free to be claimed.
void ModelTest::check_claims(Session &session, const CheckReport &report) {
    const uint64_t free = space_map_free_blocks(session.thread());
    if (free != report.blocks_total - report.blocks_used)
        give_up(std::to_string(free) + " blocks can be claimed, " +
                std::to_string(report.blocks_total - report.blocks_used) + " are free");
}

void ModelTest::run() {
    meeting_ = static_cast<Meeting *>(
        mmap(nullptr, sizeof(Meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    make_pool();
    start_processes();
    const Clock::time_point end =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds_));
    uint64_t rounds = 0;
    {
        AttachedPool pool(path_);
        Session session(pool);
        while (Clock::now() < end) {
            meeting_->round.fetch_add(1);
            wait_for_rest();
            check_shared(session);
            check_log(session);
            check_claims(session, check_pool_structure(pool));
            ++rounds;
        }
        meeting_->is_over.store(true);
        for (const pid_t process : processes_) {
            int status = 0;
            waitpid(process, &status, 0);
            if (status != 0)
                give_up("a process ended with status " + std::to_string(status));
        }
    }
    AttachedPool pool(path_);
    check_pool_structure(pool);
    std::printf("%lu calls in %lu rounds by %u threads of %u processes: as the models say\n",
                static_cast<unsigned long>(rounds * calls_per_round * actor_count), static_cast<unsigned long>(rounds),
                actor_count, process_count_);
    const uint64_t committed = meeting_->transactions[0], aborted = meeting_->transactions[1],
                   refused = meeting_->transactions[2];
    std::printf("transactions: %lu committed, %lu aborted, %lu refused\n", static_cast<unsigned long>(committed),
                static_cast<unsigned long>(aborted), static_cast<unsigned long>(refused));
    if (rounds != 0 && (committed <= refused || aborted == 0))
        give_up("hardly any transaction is committed");
    unlink(path_.c_str());
}

} // namespace
} // namespace model_test

int main(int argc, char **argv) {
    umask(022); // as the threads of a pool have it
    const unsigned seed = kill_test::chosen_seed();
    std::printf("model_test: PMEMFILE_TEST_SEED=%u\n", seed);
    std::fflush(stdout); // before any fork
    const int processes = argc > 2 ? std::atoi(argv[2]) : 2;
    if (processes != 1 && processes != 2 && processes != 4) {
        std::fprintf(stderr, "usage: model_test [SECONDS [1|2|4]]\n");
        return 2;
    }
    model_test::ModelTest(argc > 1 ? std::atof(argv[1]) : 5, static_cast<unsigned>(processes), seed).run();
    return 0;
}
