// sc inject: disturbs the system calls of a command by rules.
#include "tools/sc/commands.h"
#include "tools/sc/fault_text.h"
#include "tools/sc/selection.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

namespace sc {
namespace {

struct Options {
    std::vector<std::string> rules, words;
    std::string output;
    bool json = false, quiet = false, no_follow = false;
};

int report(const Segment &segment, const Options &options) {
    if (segment.attached.load() == 0)
        complain(
            "the command was not reached: it is linked statically, runs with other rights, or took the agent out of "
            "its environment");
    FILE *out = stderr;
    if (!options.output.empty() && (out = fopen(options.output.c_str(), "we")) == nullptr) {
        complain("cannot write {}: {}", options.output, strerror(errno));
        return own_error;
    }
    std::string text;
    if (options.json)
        text = faults_as_json(segment).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    else if (!options.quiet || out != stderr)
        text = faults_as_text(segment);
    const bool is_taken = fwrite(text.data(), 1, text.size(), out) == text.size();
    if ((out == stderr ? fflush(out) : fclose(out)) == 0 && is_taken)
        return 0;
    complain("cannot write {}: {}", options.output.empty() ? "the report" : options.output, strerror(errno));
    return own_error;
}

int inject(const Options &options) {
    auto settings = std::make_unique<Settings>();
    try {
        for (const std::string &rule : options.rules)
            add_fault(*settings, rule, false);
    } catch (const BadExpression &error) {
        complain("{}", error.what());
        return own_error;
    }
    settings->follow = options.no_follow ? 0 : 1;
    settings->ring_bytes = ring_bytes_min;
    settings->ring_count = 1;
    Session session;
    if (!session.open(*settings))
        return own_error;
    Observer observer;
    const int code = session.run(options.words, observer);
    if (code == not_found && session.segment().attached.load() == 0)
        return code;
    if (int failed = report(session.segment(), options); failed != 0)
        return failed;
    return end_as(session, code);
}

} // namespace

void add_inject(CLI::App &app, Action &action) {
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("inject", "Make system calls of a command fail, wait or come short");
    command->add_option("-e,--rule", options->rules, "SET:error=EIO:when=3+ and the like (repeatable); see sc(1)")
        ->required()
        ->allow_extra_args(false);
    command->add_option("-o,--output", options->output, "Write the report to FILE instead of standard error");
    command->add_flag("-j,--json", options->json, "The report as JSON");
    command->add_flag("-q,--quiet", options->quiet, "No report on standard error");
    command->add_flag("--no-follow", options->no_follow, "Leave children alone");
    add_words(*command, options->words);
    command->footer("RULE: SET of calls, then what is to happen, then to which of them, with colons between:\n"
                    "  error=EIO | retval=N | short=BYTES   delay_enter=TIME  delay_exit=TIME  signal=NAME\n"
                    "  when=N | N+ | N+STEP | N..M | N..M+STEP   prob=P  seed=N   path=FILE | path=DIRECTORY/  fd=N\n"
                    "The first rule that matches a call and whose turn it is acts. Exit code: the command's own;\n"
                    "125 when sc fails, 126 when the command cannot be executed, 127 when it is not found.");
    command->callback([options, &action] { action = [options] { return inject(*options); }; });
}

} // namespace sc
