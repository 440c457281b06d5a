// sc lat: how long the system calls of a command take, as histograms.
#include "tools/sc/commands.h"
#include "tools/sc/histogram_chart.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

namespace sc {
namespace {

struct Options {
    std::vector<std::string> words;
    std::string calls = "all", output, picture;
    size_t most_calls = 12;
    bool json = false, no_follow = false;
};

bool write_file(const std::string &path, const std::string &text) {
    FILE *out = path.empty() ? stderr : fopen(path.c_str(), "we");
    if (out != nullptr && fwrite(text.data(), 1, text.size(), out) == text.size() &&
        (out == stderr ? fflush(out) : fclose(out)) == 0)
        return true;
    complain("cannot write {}: {}", path.empty() ? "the report" : path, strerror(errno));
    return false;
}

int measure(const Options &options) {
    auto settings = std::make_unique<Settings>();
    CallSet set;
    try {
        set = parse_calls(options.calls.starts_with("trace=") ? options.calls.substr(6) : options.calls);
    } catch (const BadExpression &error) {
        complain("{}", error.what());
        return own_error;
    }
    settings->tally = 1;
    settings->follow = options.no_follow ? 0 : 1;
    settings->ring_bytes = ring_bytes_min;
    settings->ring_count = 1;
    for (unsigned number = 0; number < intercept::call_number_limit; number++)
        settings->calls[number] = set.calls[number] ? 1 : 0;
    settings->unknown_calls = set.unknown ? 1 : 0;
    Session session;
    if (!session.open(*settings))
        return own_error;
    Observer observer;
    const int code = session.run(options.words, observer);
    if (session.segment().attached.load() == 0) {
        if (code != not_found && code != not_executable)
            complain("the command was not measured: it is linked statically, runs with other rights, or took the agent "
                     "out of its environment");
        return end_as(session, code);
    }
    Summary summary;
    summary.add_tallies(session.segment(), session.clock(), set);
    const std::string text =
        options.json ? summary.json().dump() + "\n" : histograms_as_text(summary, options.most_calls);
    if (!write_file(options.output, text) ||
        (!options.picture.empty() &&
         !write_file(options.picture,
                     histograms_as_svg(summary, options.most_calls,
                                       fmt::format("System calls of {}", fmt::join(options.words, " "))))))
        return own_error;
    return end_as(session, code);
}

} // namespace

void add_lat(CLI::App &app, Action &action) {
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("lat", "Show how long the system calls of a command take");
    command->add_option("-e,--expression", options->calls, "The calls to measure, as `sc trace -e` has them (all)");
    command->add_option("-n,--most", options->most_calls, "At most N calls, those that take most time (12)")
        ->check(CLI::PositiveNumber);
    command->add_option("-o,--output", options->output, "Write to FILE instead of standard error");
    command->add_option("--svg", options->picture, "Draw the histograms into FILE");
    command->add_flag("-j,--json", options->json, "All calls as JSON");
    command->add_flag("--no-follow", options->no_follow, "Leave children alone");
    add_words(*command, options->words);
    command->footer("Exit code: the command's own; 125 when sc fails, 126 when the command cannot be executed,\n"
                    "127 when it is not found.");
    command->callback([options, &action] { action = [options] { return measure(*options); }; });
}

} // namespace sc
