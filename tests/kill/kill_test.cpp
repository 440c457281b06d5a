// Several processes work on one pool and are killed at random moments; others take their places.
//
//   parent (attached, looks)        worker i: step 1, 2, 3 … each a call in its own directory,
//     kill -9 ─► look at dir i        noted in shared memory when it has returned; and now and
//     restart ─► goes on              then calls in a directory that all share
//
// Whatever a call returned from is there; the call in flight is wholly there or not at all; nobody
// waits for a dead process; the checker finds nothing. `kill_test SECONDS`.
#include "libpmemfile/check/checker.h"
#include "libpmemfile/fs/attach.h"
#include "libpmemfile/fs/attribute_calls.h"
#include "libpmemfile/fs/mkfs.h"
#include "libpmemfile/fs/open_calls.h"
#include "libpmemfile/fs/orphan.h"
#include "libpmemfile/journal/settle.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace pmemfile;
using Clock = std::chrono::steady_clock;

constexpr unsigned worker_count = 4;
constexpr unsigned kept_files = 8; // each worker's newest
constexpr unsigned steps_per_file = 4;

// Steps that each worker has returned from; in a file, so that it outlives them.
struct Progress {
    std::atomic<uint64_t> step[worker_count];
};

uint64_t first_step = 0; // of this worker's life
uint64_t present_step = 0;

[[noreturn]] void give_up(const std::string &what) {
    std::fprintf(stderr, "kill_test: %s (step %lu, began at %lu)\n", what.c_str(),
                 static_cast<unsigned long>(present_step), static_cast<unsigned long>(first_step));
    std::_Exit(1);
}

class Session {
public:
    explicit Session(const std::string &path) : pool_(std::make_unique<Pool>()), thread_(std::make_unique<Thread>()) {
        AttachOptions options;
        options.container_open = container_open;
        ContainerMessage message;
        if (!pool_attach(*pool_, path.c_str(), options, &message).ok())
            give_up(std::string("attach: ") + message.text);
        if (!thread_register(*thread_, *pool_).ok())
            give_up("no thread slot");
    }
    ~Session() {
        thread_release(*thread_);
        pool_detach(*pool_);
    }
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;
    Thread &thread() {
        return *thread_;
    }
    Pool &pool() {
        return *pool_;
    }
    At at(const std::string &path) const {
        return {pool_->superblock().root_inode, path, 0};
    }

private:
    std::unique_ptr<Pool> pool_;
    std::unique_ptr<Thread> thread_;
};

std::string file_name(unsigned worker, uint64_t file, bool renamed) {
    return "w" + std::to_string(worker) + (renamed ? "/done-" : "/new-") + std::to_string(file);
}

// Sizes of all the ways that data goes: inline, in the record, fresh blocks.
size_t file_size(uint64_t file) {
    constexpr size_t sizes[] = {100, 1500, 4096, 20000, 64};
    return sizes[file % 5];
}

char file_fill(uint64_t file) {
    return static_cast<char>('a' + file % 26);
}

void expect_ok(const base::Status &status, const std::string &what) {
    if (!status.ok())
        give_up(what + ": " + std::strerror(status.error().number()));
}

// Step s of a worker: create, write, rename, remove the oldest, and so on.
void make_step(Session &session, unsigned worker, uint64_t step) {
    const uint64_t file = step / steps_per_file;
    const std::string fresh = file_name(worker, file, false);
    switch (step % steps_per_file) {
    case 0: {
        auto id = fs_open(session.thread(), session.at(fresh), O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (!id.ok())
            give_up("create " + fresh + ": " + std::strerror(id.error().number()));
        fs_close(session.thread(), *id);
        break;
    }
    case 1: {
        auto id = fs_open(session.thread(), session.at(fresh), O_WRONLY, 0);
        if (!id.ok())
            give_up("open " + fresh + ": " + std::strerror(id.error().number()));
        std::string bytes(file_size(file), file_fill(file));
        struct iovec vector = {bytes.data(), bytes.size()};
        auto done = fs_pwrite(session.thread(), *id, {&vector, 1}, 0, UINT64_MAX);
        if (!done.ok() || *done != bytes.size())
            give_up("write " + fresh);
        fs_close(session.thread(), *id);
        break;
    }
    case 2: {
        const std::string done = file_name(worker, file, true);
        expect_ok(fs_rename(session.thread(), session.at(fresh), session.at(done), 0), "rename " + done);
        break;
    }
    default:
        if (file >= kept_files) {
            const std::string oldest = file_name(worker, file - kept_files, true);
            expect_ok(fs_unlink(session.thread(), session.at(oldest)), "unlink " + oldest);
        }
    }
}

// Calls on names that all workers use; any of them may fail.
void meet_others(Session &session, std::mt19937 &random) {
    const std::string a = "shared/" + std::to_string(random() % 20);
    const std::string b = "shared/" + std::to_string(random() % 20);
    switch (random() % 5) {
    case 0:
        static_cast<void>(fs_mkdir(session.thread(), session.at(a), 0755).ok());
        break;
    case 1:
        static_cast<void>(fs_rename(session.thread(), session.at(a), session.at(b), 0).ok());
        break;
    case 2:
        static_cast<void>(fs_rmdir(session.thread(), session.at(a)).ok());
        break;
    case 3:
        static_cast<void>(fs_unlink(session.thread(), session.at(a)).ok());
        break;
    default: {
        auto id = fs_open(session.thread(), session.at(a), O_CREAT | O_WRONLY | O_TRUNC, 0644);
        if (id.ok()) { // killed with it open, perhaps without a name: an orphan
            static_cast<void>(fs_unlink(session.thread(), session.at(a)).ok());
            fs_close(session.thread(), *id);
        }
    }
    }
}

[[noreturn]] void work(const std::string &path, Progress &progress, unsigned worker, unsigned seed) {
    Session session(path);
    std::mt19937 random(seed);
    first_step = progress.step[worker].load();
    for (uint64_t step = first_step;; ++step) {
        present_step = step;
        make_step(session, worker, step);
        progress.step[worker].store(step + 1);
        if (random() % 3 == 0)
            meet_others(session, random);
    }
}

// "" when the file is as the steps before `step` left it; else what is wrong.
std::string state_error(Session &session, unsigned worker, uint64_t step) {
    const uint64_t files = (step + steps_per_file - 1) / steps_per_file; // begun
    const uint64_t first = files > kept_files + 2 ? files - kept_files - 2 : 0;
    for (uint64_t file = first; file <= files; ++file) {
        const uint64_t done = step > file * steps_per_file ? step - file * steps_per_file : 0; // of its own steps
        const uint64_t removal = (file + kept_files) * steps_per_file + 3;
        const bool has_new = done >= 1 && done < 3;
        const bool has_done = done >= 3 && step <= removal;
        for (bool renamed : {false, true}) {
            const std::string name = file_name(worker, file, renamed);
            auto found = walk(session.thread(), session.pool().superblock().root_inode, name, 0);
            if (found.ok() != (renamed ? has_done : has_new))
                return name + (found.ok() ? " is there" : " is missing");
            if (!found.ok())
                continue;
            const size_t wanted = done >= 2 ? file_size(file) : 0;
            std::string bytes(wanted + 1, 0);
            struct iovec vector = {bytes.data(), bytes.size()};
            auto length = data_read(session.thread(), found->inode, 0, {&vector, 1});
            if (!length.ok() || *length != wanted)
                return name + " has another size";
            bytes.resize(wanted);
            if (bytes.find_first_not_of(file_fill(file)) != std::string::npos)
                return name + " has other content";
        }
    }
    return {};
}

// The killed worker's directory: as after its last returned step, or as after the next one. Says which.
uint64_t settled_step(Session &session, unsigned worker, uint64_t step) {
    // Else the call in flight may take effect later, when somebody meets its locks (docs/limits.md).
    settle_dead_processes(session.thread(), orphan_collect);
    const std::string before = state_error(session, worker, step);
    if (before.empty())
        return step;
    const std::string after = state_error(session, worker, step + 1);
    if (after.empty())
        return step + 1;
    give_up("worker " + std::to_string(worker) + " was killed in step " + std::to_string(step) + ": " + before +
            "; or: " + after);
}

class KillTest {
public:
    KillTest(const char *program, double seconds) : program_(program), seconds_(seconds) {}
    void run();

private:
    pid_t start(unsigned worker);
    void kill_worker(unsigned worker);
    void watch();
    void kill_one_by_one(Session &session);
    void kill_all_at_once();
    void check();

    const char *program_;
    double seconds_;
    std::string path_ = "/dev/shm/pmemfile-kill." + std::to_string(getpid());
    Progress *progress_ = nullptr;
    pid_t pids_[worker_count] = {};
    std::mt19937 random_{1};
    unsigned kills_ = 0;
    std::string phase_ = "one by one";
    uint64_t last_total_ = 0;
    Clock::time_point last_change_ = Clock::now();
};

pid_t KillTest::start(unsigned worker) {
    const std::string number = std::to_string(worker);
    const std::string seed = std::to_string(random_());
    const pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // also when the parent gives up
        execl(program_, program_, "--worker", path_.c_str(), number.c_str(), seed.c_str(), nullptr);
        std::_Exit(1);
    }
    return child;
}

void KillTest::kill_worker(unsigned worker) {
    int status = 0;
    if (waitpid(pids_[worker], &status, WNOHANG) != 0)
        give_up("worker " + std::to_string(worker) + " ended by itself, status " + std::to_string(status) + " (" +
                phase_ + ", after " + std::to_string(kills_) + " kills)");
    kill(pids_[worker], SIGKILL);
    waitpid(pids_[worker], &status, 0);
    ++kills_;
}

// Survivors must go on: nobody waits for a dead process for long.
void KillTest::watch() {
    uint64_t total = 0;
    for (const auto &step : progress_->step)
        total += step.load();
    const Clock::time_point now = Clock::now();
    if (total != last_total_)
        last_change_ = now;
    else if (now - last_change_ > std::chrono::seconds(10))
        give_up("no progress for 10 seconds");
    last_total_ = total;
}

void KillTest::kill_one_by_one(Session &session) {
    const auto end = Clock::now() + std::chrono::duration<double>(seconds_ / 2);
    while (Clock::now() < end) {
        usleep(500 + random_() % 20000);
        const unsigned worker = random_() % worker_count;
        kill_worker(worker);
        progress_->step[worker].store(settled_step(session, worker, progress_->step[worker].load()));
        pids_[worker] = start(worker);
        watch();
    }
}

// Nobody is left: the next attach recovers.
void KillTest::kill_all_at_once() {
    const auto end = Clock::now() + std::chrono::duration<double>(seconds_ / 2);
    phase_ = "all at once";
    while (Clock::now() < end) {
        usleep(20000 + random_() % 50000);
        for (unsigned worker = 0; worker < worker_count; ++worker)
            kill_worker(worker);
        check();
        for (unsigned worker = 0; worker < worker_count; ++worker)
            pids_[worker] = start(worker);
    }
    for (unsigned worker = 0; worker < worker_count; ++worker)
        kill_worker(worker);
    check();
}

void KillTest::check() {
    Session session(path_);
    for (unsigned worker = 0; worker < worker_count; ++worker)
        progress_->step[worker].store(settled_step(session, worker, progress_->step[worker].load()));
    const CheckReport report = check_pool(session.pool().persist, session.pool().superblock_offset, false);
    for (const CheckProblem &problem : report.problems)
        std::fprintf(stderr, "kill_test: %s: %s\n", problem.structure.c_str(), problem.text.c_str());
    if (!report.problems.empty() || report.blocks_leaked != 0 || report.orphans != 0)
        give_up("the checker found something");
}

void KillTest::run() {
    MkfsOptions options;
    options.size_bytes = 64ull << 20;
    options.replace = true;
    ContainerMessage message;
    if (!mkfs(path_.c_str(), options, &message).ok())
        give_up(message.text);
    const int file = open((path_ + ".progress").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (ftruncate(file, sizeof(Progress)) != 0)
        give_up("no progress file");
    progress_ = static_cast<Progress *>(mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    {
        Session session(path_);
        expect_ok(fs_mkdir(session.thread(), session.at("shared"), 0755), "mkdir");
        for (unsigned worker = 0; worker < worker_count; ++worker) {
            const std::string name = "w" + std::to_string(worker);
            expect_ok(fs_mkdir(session.thread(), session.at(name), 0755), "mkdir");
            pids_[worker] = start(worker);
        }
        kill_one_by_one(session);
    }
    kill_all_at_once();
    uint64_t total = 0;
    for (const auto &step : progress_->step)
        total += step.load();
    std::printf("%u kills, %lu calls, nothing lost\n", kills_, static_cast<unsigned long>(total));
    unlink(path_.c_str());
    unlink((path_ + ".progress").c_str());
}

} // namespace

int main(int argc, char **argv) {
    if (argc == 5 && std::string(argv[1]) == "--worker") {
        const std::string path = argv[2];
        const int file = open((path + ".progress").c_str(), O_RDWR);
        auto *progress =
            static_cast<Progress *>(mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
        work(path, *progress, static_cast<unsigned>(std::atoi(argv[3])), static_cast<unsigned>(std::atol(argv[4])));
    }
    KillTest(argv[0], argc > 1 ? std::atof(argv[1]) : 10).run();
    return 0;
}
