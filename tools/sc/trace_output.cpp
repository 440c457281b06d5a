#include "tools/sc/trace_output.h"

#include "tools/sc/commands.h"
#include "tools/sc/decode/call_text.h"
#include "tools/sc/decode/names.h"
#include "tools/sc/decode/struct_text.h"

#include "intercept/calls/call_description.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace sc {

using intercept::ArgumentKind;

namespace {

constexpr size_t result_column = 40; // as strace

bool is_exec(const Event &event) {
    return event.number == SYS_execve || event.number == SYS_execveat;
}

} // namespace

bool TraceOutput::has_path(const Event &event) {
    const intercept::CallDescription *call = intercept::call_description(event.number);
    if (call == nullptr)
        return false;
    for (unsigned i = 0; i < call->argument_count; i++) {
        std::string path;
        if (call->kinds[i] == ArgumentKind::path_)
            path = paths_.path_argument(event, i);
        else if (call->kinds[i] == ArgumentKind::fd_)
            path = paths_.path_of(event.process, static_cast<int>(event.args[i]));
        for (const std::string &wanted : options_.selection.paths)
            if (!path.empty() && path == wanted)
                return true;
    }
    return false;
}

bool TraceOutput::is_selected(const Event &event) {
    const Selection &selection = options_.selection;
    if (!selection.calls.contains(event.number))
        return false;
    if (!selection.processes.empty() && !selection.processes.contains(event.process) &&
        !selection.processes.contains(event.thread))
        return false;
    if ((selection.only_failed && !event.has_failed()) ||
        (selection.only_successful && (event.has_failed() || event.type == RecordType::enter)))
        return false;
    if (!selection.descriptors.empty()) {
        const intercept::CallDescription *call = intercept::call_description(event.number);
        bool found = false;
        for (unsigned i = 0; call != nullptr && i < call->argument_count; i++)
            found |= (call->kinds[i] == ArgumentKind::fd_ || call->kinds[i] == ArgumentKind::dirfd_) &&
                     selection.descriptors.contains(static_cast<int>(event.args[i]));
        if (!found)
            return false;
    }
    return selection.paths.empty() || has_path(event);
}

void TraceOutput::write(const std::string &line) {
    if (is_broken_)
        return;
    if (fwrite(line.data(), 1, line.size(), options_.out) != line.size() || ferror(options_.out) != 0) {
        complain("the output cannot be written: {}", strerror(errno));
        is_broken_ = true;
    }
}

std::string TraceOutput::front(int32_t thread, uint64_t ticks) {
    threads_.insert(thread);
    std::string text;
    if (options_.prefix)
        text = fmt::format("{:<5} ", thread);
    else if (threads_.size() > 1)
        text = fmt::format("[pid {:>5}] ", thread);
    if (options_.time == TimeStyle::relative) {
        const uint64_t passed = last_ticks_ == 0 || ticks < last_ticks_ ? 0 : ticks - last_ticks_;
        text += fmt::format("{:12.6f} ", static_cast<double>(session_.clock().nanoseconds(passed)) / 1e9);
        last_ticks_ = ticks;
    } else if (options_.time != TimeStyle::none) {
        const int64_t real_ns = session_.clock().real_time_ns(ticks);
        const time_t seconds = real_ns / 1000000000;
        const auto micro = real_ns % 1000000000 / 1000;
        if (options_.time == TimeStyle::epoch_micro) {
            text += fmt::format("{}.{:06} ", seconds, micro);
        } else {
            tm parts;
            localtime_r(&seconds, &parts);
            text += fmt::format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
            text += options_.time == TimeStyle::clock_micro ? fmt::format(".{:06} ", micro) : " ";
        }
    }
    return text;
}

// "3" becomes "3</path>" for descriptors that are known.
void TraceOutput::add_paths(std::string &line, const Event &event) {
    const intercept::CallDescription *call = intercept::call_description(event.number);
    if (call == nullptr || call->argument_count == 0)
        return;
    // Descriptors are where the arguments begin; only the first is looked for in the text.
    if (call->kinds[0] != ArgumentKind::fd_ && call->kinds[0] != ArgumentKind::dirfd_)
        return;
    const std::string path = paths_.path_of(event.process, static_cast<int>(event.args[0]));
    const size_t end = line.find_first_of(",)", call->name.size() + 1);
    if (!path.empty() && end != std::string::npos)
        line.insert(end, "<" + path + ">");
}

void TraceOutput::show_line(const Event &event) {
    std::string line;
    append_call(line, event);
    if (options_.paths)
        add_paths(line, event);
    if (line.size() < result_column - 1)
        line.resize(result_column - 1, ' ');
    line += ' ';
    append_result(line, event);
    if (options_.paths && !event.has_failed() &&
        (event.number == SYS_open || event.number == SYS_openat || event.number == SYS_creat)) {
        if (std::string path = paths_.path_of(event.process, static_cast<int>(event.result)); !path.empty())
            line += "<" + path + ">";
    }
    if (options_.durations && event.type == RecordType::call)
        line += fmt::format(
            " <{:.6f}>", static_cast<double>(session_.clock().nanoseconds(event.end_ticks - event.begin_ticks)) / 1e9);
    line += '\n';
    write(front(event.thread, event.begin_ticks) + line);
}

void TraceOutput::show_json(const Event &event) {
    nlohmann::ordered_json object;
    object["time_ns"] = session_.clock().real_time_ns(event.begin_ticks);
    object["process"] = event.process;
    object["thread"] = event.thread;
    object.update(call_as_json(event));
    if (event.type == RecordType::call)
        object["duration_ns"] = session_.clock().nanoseconds(event.end_ticks - event.begin_ticks);
    write(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void TraceOutput::show(const Event &event) {
    if (options_.json)
        show_json(event);
    else
        show_line(event);
}

// An exec that was begun is shown when it is known how it went.
void TraceOutput::settle_exec(int32_t process, int64_t result, uint64_t end_ticks) {
    auto found = execs_.find(process);
    if (found == execs_.end())
        return;
    Event event = std::move(found->second);
    execs_.erase(found);
    event.type = RecordType::call;
    event.result = result;
    event.end_ticks = end_ticks;
    if (!is_selected(event))
        return;
    summary_.add(event.number, session_.clock().nanoseconds(event.end_ticks - event.begin_ticks), event.has_failed());
    if (options_.lines)
        show(event);
}

bool TraceOutput::event(const Event &event) {
    if (event.type == RecordType::start) {
        settle_exec(event.process, 0, event.end_ticks);
        paths_.note(event);
        return !is_broken_;
    }
    if (is_exec(event)) {
        if (event.type == RecordType::enter)
            execs_[event.process] = event;
        else
            settle_exec(event.process, event.result, event.end_ticks);
        return !is_broken_;
    }
    // While the descriptor is still open.
    const bool is_selected = this->is_selected(event);
    if (event.number != SYS_close)
        paths_.note(event);
    if (is_selected || (!options_.selection.paths.empty() && this->is_selected(event))) {
        summary_.add(event.number,
                     event.type == RecordType::call ? session_.clock().nanoseconds(event.end_ticks - event.begin_ticks)
                                                    : 0,
                     event.type == RecordType::call && event.has_failed());
        if (options_.lines)
            show(event);
    }
    if (event.number == SYS_close)
        paths_.note(event);
    return !is_broken_;
}

void TraceOutput::end(const ProcessEnd &end) {
    if (auto exec = execs_.find(end.process); exec != execs_.end()) {
        // It went well, for the process did not go on; and what it became was not traced.
        if (const auto path = exec->second.part(exec->second.number == SYS_execve ? 0 : 1))
            untraced_[std::string(path->bytes)] |= (exec->second.flags & record_other_user) != 0;
        settle_exec(end.process, 0, exec->second.begin_ticks);
    }
    if (options_.quiet || !options_.lines ||
        (!options_.selection.processes.empty() && !options_.selection.processes.contains(end.process)))
        return;
    std::string text;
    if (end.status == -1)
        text = "ended";
    else if (WIFSIGNALED(end.status))
        text = fmt::format("killed by {}{}", signal_name(WTERMSIG(end.status)),
                           WCOREDUMP(end.status) ? " (core dumped)" : "");
    else
        text = fmt::format("exited with {}", WEXITSTATUS(end.status));
    // What it was in when it was killed.
    for (const Ring &ring : session_.segment().rings) {
        const Current &current = ring.current;
        if (options_.json || current.process != end.process || current.thread.load() == 0 || !WIFSIGNALED(end.status))
            continue;
        Event event{};
        event.type = RecordType::enter;
        event.number = current.number;
        event.process = current.process;
        event.thread = current.thread.load();
        std::copy(std::begin(current.args), std::end(current.args), event.args);
        event.result = -EFAULT; // nothing was copied: pointers are shown as such
        if (!is_selected(event))
            continue;
        std::string line;
        append_call(line, event);
        line.back() = ' '; // the bracket
        write(front(event.thread, current.begin_ticks) + line + "<unfinished ...>) = ?\n");
    }
    if (options_.json) {
        nlohmann::ordered_json object;
        object["process"] = end.process;
        object["event"] = end.status == -1 ? "ended" : WIFSIGNALED(end.status) ? "killed" : "exited";
        if (end.status != -1)
            object["status"] = WIFSIGNALED(end.status) ? nlohmann::json(signal_name(WTERMSIG(end.status)))
                                                       : nlohmann::json(WEXITSTATUS(end.status));
        write(object.dump() + "\n");
        return;
    }
    write(front(end.process, session_.clock().now_ticks()) + "+++ " + text + " +++\n");
}

bool TraceOutput::finish() {
    if (!is_broken_ && fflush(options_.out) != 0) {
        complain("the output cannot be written: {}", strerror(errno));
        is_broken_ = true;
    }
    for (const auto &[program, is_by_other_user] : untraced_)
        complain("not traced: {} ({})", program,
                 is_by_other_user ? "run by another user, who cannot open sc's shared memory"
                                  : "linked statically, with other rights, or for another processor");
    if (session_.segment().attached.load() == 0)
        complain("the command was not traced: it is linked statically, runs with other rights, or took the agent out "
                 "of its environment");
    if (const uint64_t lost = session_.lost(); lost != 0)
        complain("{} calls were lost because nobody could take them in time", lost);
    return !is_broken_;
}

} // namespace sc
