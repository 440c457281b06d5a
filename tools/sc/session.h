// session: one run of a command under the agent, from the segment to the exit code.
#pragma once

#include "tools/sc/clock_scale.h"
#include "tools/sc/decode/event.h"
#include "tools/sc/number_desk.h"
#include "tools/sc/ring_reader.h"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sc {

constexpr int own_error = 125; // as env(1) and timeout(1)
constexpr int not_executable = 126;
constexpr int not_found = 127;

// How a process ended, as waitpid says it; -1: nobody knows.
struct ProcessEnd {
    int32_t process;
    int status;
};

// Who gets what happens, in order of time. By itself it does not care.
struct Observer {
    virtual ~Observer() = default;
    // False: no more is wanted (the output is gone).
    virtual bool event(const Event &) {
        return true;
    }
    virtual void end(const ProcessEnd &) {}
    // Nothing happens at the moment: time to flush.
    virtual void idle() {}
};

class Session {
public:
    Session() = default;
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;
    ~Session();

    // Makes the segment with `settings` in it (ring_bytes, ring_count and what the agents are to
    // do; the rest is filled in here). False after a complaint.
    bool open(const Settings &settings);
    // Runs `words` and all that it starts, until the last has ended. The exit code to pass on:
    // the command's, or 128 + its signal; own_error and its neighbours after a complaint.
    int run(const std::vector<std::string> &words, Observer &observer);

    Segment &segment() {
        return *segment_;
    }
    ClockScale &clock() {
        return *clock_;
    }
    uint64_t lost() const {
        return reader_->lost();
    }
    // Nothing of it is left behind; agents that still run go on without us.
    void close();
    // If the command was ended by a signal: that one (or ours, if we did not wait for it), else 0.
    int end_signal() const {
        return end_signal_;
    }

private:
    bool start(const std::vector<std::string> &words);
    void pass_signal_on();
    void watch(int32_t process);
    void note(const Event &event);
    std::vector<ProcessEnd> collect_ends(int timeout_ms);
    void tell_ends(Observer &observer, bool is_last);
    void pass_on(Observer &observer, uint64_t until_ticks);

    std::string path_;
    NumberDesk desk_;
    int segment_file_ = -1; // locked while we live
    Segment *segment_ = nullptr;
    size_t segment_bytes_ = 0;
    std::unique_ptr<ClockScale> clock_;
    std::unique_ptr<RingReader> reader_;
    std::vector<Event> pending_;
    std::map<int32_t, int> watched_; // process → pidfd
    struct PendingEnd {
        ProcessEnd end;
        std::chrono::steady_clock::time_point since;
    };
    std::map<int32_t, int> exit_codes_; // as waitpid gives them
    std::vector<PendingEnd> ends_;
    int32_t child_ = 0;
    int child_status_ = 0;
    int end_signal_ = 0;
    int start_error_ = 0;
    int leave_signal_ = 0; // we were told to end
    std::chrono::steady_clock::time_point leave_at_;
    bool is_wanted_ = true;
};

// Prints "sc: ..." on standard error, one line.
void complain_line(const std::string &line);

} // namespace sc
