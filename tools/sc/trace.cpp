// sc trace: the system calls of a command and of all that it starts, without a system call
// of its own for each.
#include "tools/sc/commands.h"
#include "tools/sc/fault_text.h"
#include "tools/sc/trace_output.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/syscall.h>
#include <unistd.h>

namespace sc {
namespace {

struct Options {
    std::vector<std::string> expressions, paths, faults, words;
    std::string output;
    std::string order = "time";
    uint32_t text_bytes = 32;
    uint32_t ring_kilobytes = 1024;
    int clock_count = 0;
    bool relative = false, durations = false, json = false, count = false, count_too = false, drop = false,
         no_follow = false, follow = false, show_paths = false, quiet = false, only_failed = false,
         only_successful = false;
};

// The calls that tell which file a descriptor is.
void add_descriptor_calls(Settings &settings) {
    for (long number : {SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl, SYS_close,
                        SYS_chdir, SYS_fchdir, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3})
        settings.calls[number] = 1;
}

bool write_summary(Session &session, const Options &options, const Selection &selection, Summary &summary, FILE *out) {
    if (session.segment().settings.tally != 0)
        summary.add_tallies(session.segment(), session.clock(), selection.calls);
    const std::string text = options.json ? summary.json().dump() + "\n" : summary.table(options.order);
    if (fwrite(text.data(), 1, text.size(), out) != text.size() || fflush(out) != 0) {
        complain("the output cannot be written: {}", strerror(errno));
        return false;
    }
    return true;
}

int trace(const Options &options) {
    TraceOptions shown;
    auto settings = std::make_unique<Settings>();
    try {
        for (const std::string &text : options.expressions)
            if (text.starts_with("inject=") || text.starts_with("fault="))
                add_fault(*settings, text.substr(text.find('=') + 1), text.starts_with("fault="));
            else
                add_expression(shown.selection, text);
        for (const std::string &text : options.faults)
            add_fault(*settings, text, false);
        for (const std::string &path : options.paths)
            shown.selection.paths.push_back(absolute(path));
    } catch (const BadExpression &error) {
        complain("{}", error.what());
        return own_error;
    }
    if (options.only_failed && options.only_successful) {
        complain("-z and -Z exclude each other");
        return own_error;
    }
    shown.selection.only_failed = options.only_failed;
    shown.selection.only_successful = options.only_successful;
    const Selection &selection = shown.selection;
    const bool is_filtered = !selection.paths.empty() || !selection.descriptors.empty() ||
                             !selection.processes.empty() || selection.only_failed || selection.only_successful;
    // Counting alone is done by the agents, without an event for each call.
    const bool tallies = options.count && !options.count_too && !is_filtered;
    settings->trace_events = tallies ? 0 : 1;
    settings->tally = tallies ? 1 : 0;
    settings->wait_if_full = options.drop ? 0 : 1;
    settings->text_bytes = std::min(options.text_bytes, text_bytes_max);
    settings->follow = options.no_follow ? 0 : 1;
    settings->ring_bytes = std::clamp(options.ring_kilobytes << 10, ring_bytes_min, ring_bytes_max);
    settings->ring_count = rings_max;
    for (unsigned number = 0; number < intercept::call_number_limit; number++)
        settings->calls[number] = selection.calls.calls[number] ? 1 : 0;
    settings->unknown_calls = selection.calls.unknown ? 1 : 0;
    if (!selection.paths.empty() || options.show_paths)
        add_descriptor_calls(*settings);

    shown.time = options.relative           ? TimeStyle::relative
                 : options.clock_count == 0 ? TimeStyle::none
                 : options.clock_count == 1 ? TimeStyle::clock
                 : options.clock_count == 2 ? TimeStyle::clock_micro
                                            : TimeStyle::epoch_micro;
    shown.durations = options.durations;
    shown.json = options.json;
    shown.paths = options.show_paths;
    shown.quiet = options.quiet;
    shown.prefix = !options.output.empty() && !options.no_follow;
    shown.lines = !options.count || options.count_too;
    if (!options.output.empty()) {
        shown.out = fopen(options.output.c_str(), "we");
        if (shown.out == nullptr) {
            complain("cannot write {}: {}", options.output, strerror(errno));
            return own_error;
        }
    }
    Session session;
    if (!session.open(*settings))
        return own_error;
    TraceOutput output(session, shown);
    std::vector<char> buffer(1 << 16);
    const bool is_terminal = isatty(fileno(shown.out)) != 0;
    setvbuf(shown.out, buffer.data(), is_terminal ? _IOLBF : _IOFBF, buffer.size());
    const int code = session.run(options.words, output);
    bool is_written = true;
    const bool has_run = code != not_found && code != not_executable;
    if (has_run || session.segment().attached.load() != 0) {
        is_written = output.finish();
        if (is_written && (options.count || options.count_too))
            is_written = write_summary(session, options, selection, output.summary(), shown.out);
    }
    fputs(faults_as_text(session.segment()).c_str(), stderr);
    if (shown.out == stderr) {
        setvbuf(stderr, nullptr, _IONBF, 0);
    } else if (fclose(shown.out) != 0 && is_written) {
        complain("the output cannot be written: {}", strerror(errno));
        is_written = false;
    }
    return is_written ? end_as(session, code) : own_error;
}

} // namespace

void add_trace(CLI::App &app, Action &action) {
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("trace", "Show the system calls of a command");
    command
        ->add_option("-e,--expression", options->expressions,
                     "trace=SET, fd=N,.., pid=N,.., path=PATH, inject=RULE; SET alone is trace=SET (repeatable)")
        ->allow_extra_args(false);
    command
        ->add_option("-P,--trace-path", options->paths, "Only calls that name PATH or a descriptor of it (repeatable)")
        ->allow_extra_args(false);
    command->add_option("--inject", options->faults, "A rule of `sc inject`")->allow_extra_args(false);
    command->add_option("-o,--output", options->output, "Write to FILE instead of standard error");
    command->add_option("-s,--string-limit", options->text_bytes, "Show the first N bytes of strings (32)")
        ->check(CLI::NonNegativeNumber);
    command->add_option("-S,--summary-sort-by", options->order, "Order of -c: time, calls, errors, name")
        ->check(CLI::IsMember({"time", "calls", "errors", "name"}));
    command->add_option("--ring-size", options->ring_kilobytes, "KiB of memory for each thread's events (1024)")
        ->check(CLI::Range(64, 65536));
    command->add_flag("-t", options->clock_count, "Time of day; -tt with microseconds, -ttt since 1970");
    command->add_flag("-r,--relative-timestamps", options->relative, "Time since the call before");
    command->add_flag("-T,--syscall-times", options->durations, "Time spent in each call");
    command->add_flag("-c,--summary-only", options->count, "Only count calls, errors and time");
    command->add_flag("-C,--summary", options->count_too, "Show the calls, then the counts");
    command->add_flag("-y,--decode-fds", options->show_paths, "Show the paths of descriptors");
    command->add_flag("-z,--successful-only", options->only_successful, "Only calls that succeeded");
    command->add_flag("-Z,--failed-only", options->only_failed, "Only calls that failed");
    command->add_flag("-j,--json", options->json, "One JSON object a line");
    command->add_flag("-f,--follow-forks", options->follow, "Children are traced (the default)");
    command->add_flag("--no-follow", options->no_follow, "Children are not traced");
    command->add_flag("-q,--quiet", options->quiet, "No lines about processes that end");
    command->add_flag("--drop", options->drop, "Lose events rather than let the program wait when they come too fast");
    add_words(*command, options->words);
    command->footer("Exit code: the command's own; 125 when sc fails, 126 when the command cannot be executed,\n"
                    "127 when it is not found.");
    command->callback([options, &action] { action = [options] { return trace(*options); }; });
}

} // namespace sc
