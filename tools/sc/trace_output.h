// trace_output: what `sc trace` prints of each event.
#pragma once

#include "tools/sc/descriptor_paths.h"
#include "tools/sc/selection.h"
#include "tools/sc/session.h"
#include "tools/sc/summary.h"

#include <cstdio>
#include <map>
#include <set>
#include <string>

namespace sc {

enum class TimeStyle { none, relative, clock, clock_micro, epoch_micro };

struct TraceOptions {
    Selection selection;
    TimeStyle time = TimeStyle::none;
    bool durations = false;
    bool json = false;
    bool paths = false;  // of descriptors, as <path>
    bool prefix = false; // the process always, else once there are several
    bool quiet = false;  // no +++ lines
    bool lines = true;   // false: only counted
    FILE *out = stderr;
};

class TraceOutput : public Observer {
public:
    TraceOutput(Session &session, TraceOptions options) : session_(session), options_(std::move(options)) {}

    bool event(const Event &event) override;
    void end(const ProcessEnd &end) override;
    void idle() override {
        fflush(options_.out);
    }
    // Calls that nobody came back from, and what was not seen. False: the output could not be written.
    bool finish();

    Summary &summary() {
        return summary_;
    }

private:
    bool is_selected(const Event &event);
    bool has_path(const Event &event);
    void show(const Event &event);
    void show_line(const Event &event);
    void show_json(const Event &event);
    void add_paths(std::string &line, const Event &event);
    std::string front(int32_t thread, uint64_t ticks);
    void settle_exec(int32_t process, int64_t result, uint64_t end_ticks);
    void write(const std::string &line);

    Session &session_;
    TraceOptions options_;
    Summary summary_;
    DescriptorPaths paths_;
    std::map<int32_t, Event> execs_; // by process: begun, and not known how it went
    std::set<int32_t> threads_;
    std::map<std::string, bool> untraced_; // programs that took the place of one of ours, unseen; by another user?
    uint64_t last_ticks_ = 0;
    bool is_broken_ = false;
};

} // namespace sc
