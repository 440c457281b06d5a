#include "tools/sc/session.h"

#include "tools/sc/commands.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sc {
namespace {

constexpr char agent_name[] = "libpmemfile-sc-agent.so";
constexpr char segment_directory[] = "/dev/shm";
constexpr char segment_front[] = "pmemfile-sc-";
constexpr std::chrono::seconds seconds_to_end(3);

volatile sig_atomic_t signal_to_pass_on;

void note_signal(int number) {
    signal_to_pass_on = number;
}

// Beside us: in the build tree, or installed (bin/ and lib/ under one prefix).
std::string find_agent() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const auto directory = self.parent_path();
    for (const auto &candidate :
         {directory / agent_name, directory / "../lib" / agent_name, directory / "../lib/x86_64-linux-gnu" / agent_name,
          directory / "../lib64" / agent_name, std::filesystem::path(PMEMFILE_LIBDIR) / agent_name}) {
        auto whole = std::filesystem::canonical(candidate, error);
        if (!error)
            return whole.string();
    }
    return {};
}

// Segments of commands that were killed are taken away by the next one.
void remove_orphans() {
    std::error_code error;
    for (const auto &entry : std::filesystem::directory_iterator(segment_directory, error)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with(segment_front))
            continue;
        // Who made it may live in another pid namespace: then its number says nothing, but its lock does. An empty
        // one is not locked yet.
        const int process = atoi(name.c_str() + sizeof segment_front - 1);
        if (process <= 0 || kill(process, 0) == 0 || errno != ESRCH || !entry.is_regular_file(error) ||
            entry.file_size(error) == 0)
            continue;
        const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (file < 0)
            continue;
        if (flock(file, LOCK_EX | LOCK_NB) == 0) {
            std::filesystem::remove(entry.path(), error);
            std::filesystem::remove(entry.path().string() + number_socket_end, error);
        }
        ::close(file);
    }
}

int pidfd_of(int32_t process) {
    return static_cast<int>(syscall(SYS_pidfd_open, process, 0));
}

// What the kernel keeps of a process that its parent has not waited for yet. -1: gone.
int exit_status_of(int32_t process) {
    FILE *file = fopen(("/proc/" + std::to_string(process) + "/stat").c_str(), "re");
    if (file == nullptr)
        return -1;
    char line[2048] = {};
    const size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    const char *last = length == 0 ? nullptr : strrchr(line, ' ');
    return last == nullptr ? -1 : atoi(last + 1);
}

} // namespace

void complain_line(const std::string &line) {
    fprintf(stderr, "sc: %s\n", line.c_str());
}

Session::~Session() {
    close();
    if (segment_ != nullptr)
        munmap(segment_, segment_bytes_);
    for (auto [process, descriptor] : watched_)
        if (descriptor >= 0)
            ::close(descriptor);
}

void Session::close() {
    if (segment_ != nullptr)
        segment_->detached.store(1);
    desk_.close();
    if (!path_.empty())
        unlink(path_.c_str());
    path_.clear();
    if (segment_file_ >= 0)
        ::close(segment_file_);
    segment_file_ = -1;
}

bool Session::open(const Settings &settings) {
    const std::string agent = find_agent();
    if (agent.empty()) {
        complain("{} is neither beside this program nor in {}", agent_name, PMEMFILE_LIBDIR);
        return false;
    }
    if (agent.find_first_of(": ") != std::string::npos || agent.size() >= path_bytes_max) {
        complain("the path of the agent may not hold ':' or ' ': {}", agent);
        return false;
    }
    remove_orphans();
    std::string path = std::string(segment_directory) + "/" + segment_front + std::to_string(getpid()) + "-XXXXXX";
    const int file = mkostemp(path.data(), O_CLOEXEC);
    segment_bytes_ = segment_bytes(settings);
    if (file < 0 || flock(file, LOCK_EX) != 0 || ftruncate(file, static_cast<off_t>(segment_bytes_)) != 0) {
        complain("no shared memory in {}: {}", segment_directory, strerror(errno));
        if (file >= 0) {
            ::close(file);
            unlink(path.c_str());
        }
        return false;
    }
    path_ = path;
    segment_file_ = file;
    void *memory = mmap(nullptr, segment_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        complain("cannot map {} bytes of shared memory: {}", segment_bytes_, strerror(errno));
        return false;
    }
    segment_ = static_cast<Segment *>(memory);
    segment_->version = segment_version;
    segment_->header_bytes = sizeof(Segment);
    segment_->size_bytes = segment_bytes_;
    segment_->settings = settings;
    segment_->settings.command_process = getpid();
    if (struct stat status; stat("/proc/self/ns/pid", &status) == 0) {
        segment_->settings.namespace_device = status.st_dev;
        segment_->settings.namespace_inode = status.st_ino;
    }
    if (!desk_.open(path_ + number_socket_end)) {
        complain("no socket in {}: {}", segment_directory, strerror(errno));
        return false;
    }
    strcpy(segment_->settings.agent_path, agent.c_str());
    clock_ = std::make_unique<ClockScale>(segment_->settings);
    reader_ = std::make_unique<RingReader>(*segment_);
    segment_->magic = segment_magic;
    return true;
}

// Forks and execs; a failed exec comes back through a pipe.
bool Session::start(const std::vector<std::string> &words) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        start_error_ = errno;
        return false;
    }
    struct sigaction ignore = {}, pass = {}, standard = {}, before[6];
    ignore.sa_handler = SIG_IGN;
    pass.sa_handler = note_signal;
    standard.sa_handler = SIG_DFL;
    const int ignored[] = {SIGINT, SIGQUIT, SIGPIPE}, passed[] = {SIGTERM, SIGHUP};
    for (int i = 0; i < 3; i++)
        sigaction(ignored[i], &ignore, &before[i]);
    for (int i = 0; i < 2; i++) {
        sigaction(passed[i], &pass, &before[3 + i]);
        if (before[3 + i].sa_handler == SIG_IGN) // nohup
            sigaction(passed[i], &ignore, nullptr);
    }
    // Where it is ignored, the kernel keeps nobody's exit code.
    sigaction(SIGCHLD, &standard, &before[5]);
    child_ = fork();
    if (child_ == 0) {
        sigaction(SIGCHLD, &before[5], nullptr);
        for (int i = 0; i < 3; i++)
            sigaction(ignored[i], &before[i], nullptr);
        for (int i = 0; i < 2; i++)
            sigaction(passed[i], &before[3 + i], nullptr);
        segment_->settings.first_process = getpid();
        const char *others = getenv("LD_PRELOAD");
        std::string preload = segment_->settings.agent_path;
        if (others != nullptr && *others != 0)
            preload += std::string(":") + others;
        setenv("LD_PRELOAD", preload.c_str(), 1);
        setenv(segment_variable, path_.c_str(), 1);
        std::vector<char *> arguments;
        for (const std::string &word : words)
            arguments.push_back(const_cast<char *>(word.c_str()));
        arguments.push_back(nullptr);
        execvp(arguments[0], arguments.data());
        const int reason = errno;
        (void)!write(report[1], &reason, sizeof reason);
        _exit(not_found);
    }
    if (child_ < 0)
        start_error_ = errno;
    ::close(report[1]);
    int reason = 0;
    if (child_ > 0 && read(report[0], &reason, sizeof reason) == sizeof reason) {
        waitpid(child_, nullptr, 0);
        start_error_ = reason;
    }
    ::close(report[0]);
    if (start_error_ == 0)
        watch(child_);
    return start_error_ == 0;
}

void Session::watch(int32_t process) {
    if (process > 0 && !watched_.contains(process))
        watched_[process] = pidfd_of(process);
}

// Which processes there are, and how they say they end.
void Session::note(const Event &event) {
    switch (event.type) {
    case RecordType::start:
        if ((event.flags & record_unseen) == 0)
            watch(event.process);
        break;
    case RecordType::enter:
        if (event.number == SYS_exit_group || (event.number == SYS_exit && event.process == event.thread))
            exit_codes_[event.process] = (static_cast<int>(event.args[0]) & 0xff) << 8;
        break;
    case RecordType::call:
        // A thread is no process; clone3's flags are in its structure. In another pid namespace the
        // numbers are not ours; its processes tell of themselves when they start.
        if (event.result <= 0 || (event.flags & record_other_numbers) != 0)
            break;
        if (event.number == SYS_wait4)
            if (auto status = event.part(1); status && status->bytes.size() == sizeof(int))
                exit_codes_[static_cast<int32_t>(event.result)] = *status->as<int>();
        if (event.number == SYS_fork || event.number == SYS_vfork ||
            (event.number == SYS_clone && (event.args[0] & CLONE_THREAD) == 0))
            watch(static_cast<int32_t>(event.result));
        else if (event.number == SYS_clone3)
            if (auto part = event.part(0);
                part && (part->as<uint64_t>().value_or(0) & static_cast<uint64_t>(CLONE_THREAD)) == 0)
                watch(static_cast<int32_t>(event.result));
        break;
    }
}

// The command gets it, and some time to end. Then, or when there is no command any more, or at the second
// one, we go, whoever is left.
void Session::pass_signal_on() {
    const int number = signal_to_pass_on;
    if (number == 0)
        return;
    signal_to_pass_on = 0;
    const auto now = std::chrono::steady_clock::now();
    const bool is_running = watched_.contains(child_);
    if (is_running)
        kill(child_, number);
    leave_at_ = is_running && leave_signal_ == 0 ? now + seconds_to_end : now;
    leave_signal_ = number;
}

std::vector<ProcessEnd> Session::collect_ends(int timeout_ms) {
    std::vector<pollfd> polled;
    std::vector<int32_t> processes;
    std::vector<ProcessEnd> ends;
    for (auto [process, descriptor] : watched_) {
        polled.push_back({descriptor, POLLIN, 0});
        processes.push_back(process);
        if (descriptor < 0)
            timeout_ms = 0; // gone before we could look
    }
    polled.push_back({desk_.descriptor(), POLLIN, 0});
    poll(polled.data(), polled.size(), timeout_ms);
    if (polled.back().revents != 0)
        desk_.answer();
    polled.pop_back();
    pass_signal_on();
    for (size_t i = 0; i < polled.size(); i++) {
        if (polled[i].fd >= 0 && polled[i].revents == 0)
            continue;
        int status = -1;
        if (processes[i] == child_) {
            if (waitpid(child_, &status, 0) == child_)
                child_status_ = status;
        } else {
            status = exit_status_of(processes[i]);
        }
        ends.push_back({processes[i], status});
        if (polled[i].fd >= 0)
            ::close(polled[i].fd);
        watched_.erase(processes[i]);
    }
    return ends;
}

// Hands on what is older than `until_ticks`, in order of the ends of the calls.
void Session::pass_on(Observer &observer, uint64_t until_ticks) {
    std::stable_sort(pending_.begin(), pending_.end(),
                     [](const Event &a, const Event &b) { return a.end_ticks < b.end_ticks; });
    size_t done = 0;
    for (; done < pending_.size() && pending_[done].end_ticks <= until_ticks; done++)
        if (is_wanted_ && !observer.event(pending_[done])) {
            is_wanted_ = false;
            segment_->detached.store(1);
        }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<long>(done));
}

// How a process ended that somebody else has waited for stands in that one's records, which may
// come a little later.
void Session::tell_ends(Observer &observer, bool is_last) {
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(ends_, [&](PendingEnd &pending) {
        ProcessEnd &end = pending.end;
        auto code = exit_codes_.find(end.process);
        if (end.status == -1 && code != exit_codes_.end())
            end.status = code->second;
        if (end.status == -1 && !is_last && now - pending.since < std::chrono::milliseconds(50))
            return false;
        if (code != exit_codes_.end())
            exit_codes_.erase(code);
        if (is_wanted_)
            observer.end(end);
        return true;
    });
}

int Session::run(const std::vector<std::string> &words, Observer &observer) {
    if (!start(words)) {
        complain("cannot run {}: {}", words[0], strerror(start_error_));
        return start_error_ == ENOENT ? not_found : not_executable;
    }
    int pause_ms = 0, idle_rounds = 0;
    bool is_left = false;
    while (!watched_.empty() && !is_left) {
        std::vector<ProcessEnd> ends = collect_ends(pause_ms);
        const uint64_t until = clock_->now_ticks();
        const size_t before = pending_.size();
        // A process that has ended has written all of its records: they are read now, and do not
        // bring it back.
        auto note_from = [&](size_t first) {
            for (size_t i = first; i < pending_.size(); i++)
                note(pending_[i]);
            for (const ProcessEnd &end : ends)
                if (auto again = watched_.find(end.process); again != watched_.end()) {
                    if (again->second >= 0)
                        ::close(again->second);
                    watched_.erase(again);
                }
        };
        reader_->read(pending_, false);
        note_from(before);
        pause_ms = pending_.size() == before ? 1 : 0;
        if (pause_ms != 0 && ++idle_rounds == 20)
            observer.idle();
        if (pause_ms == 0)
            idle_rounds = 0;
        is_left = leave_signal_ != 0 && std::chrono::steady_clock::now() >= leave_at_;
        if (is_left && !watched_.empty()) {
            segment_->detached.store(1);
            complain("told to end by {}: {} processes go on untraced", strsignal(leave_signal_), watched_.size());
        }
        const bool is_last = watched_.empty() || is_left;
        if (is_last) {
            const size_t last = pending_.size();
            reader_->read(pending_, true);
            note_from(last);
        }
        pass_on(observer, is_last ? UINT64_MAX : until);
        for (const ProcessEnd &end : ends)
            ends_.push_back({end, std::chrono::steady_clock::now()});
        tell_ends(observer, is_last);
    }
    if (watched_.contains(child_)) {
        end_signal_ = leave_signal_;
        return 128 + end_signal_;
    }
    if (WIFSIGNALED(child_status_)) {
        end_signal_ = WTERMSIG(child_status_);
        return 128 + end_signal_;
    }
    return WEXITSTATUS(child_status_);
}

} // namespace sc
