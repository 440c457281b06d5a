// pmemfile check: runs a command as `run` does and tells what was refused to it and what went
// round us, from the lines that the preload library writes (PMEMFILE_LOG, PMEMFILE_REPORT).
#include "tools/commands.h"
#include "tools/run.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <regex>
#include <sys/wait.h>
#include <unistd.h>

namespace tools {

namespace {

constexpr int own_error = 125;

struct Counts {
    uint64_t served = 0, passed = 0, refused = 0;
};

struct Findings {
    unsigned images = 0; // programs that reported at their end
    Counts all;
    std::map<std::string, uint64_t> refusals;  // "call: errno: why" → times
    std::map<std::string, uint64_t> outsiders; // "program: why" → times
};

Findings read_findings(const std::string &directory) {
    Findings findings;
    const std::regex report("pmemfile: report: [0-9]+ (.*): ([0-9]+) served, ([0-9]+) passed, ([0-9]+) refused");
    const std::regex refused("pmemfile: refused: [0-9]+ (.*)");
    const std::regex round("pmemfile: round: [0-9]+ (.*)");
    std::smatch match;
    std::string line;
    // A process writes a line for itself ("exit" or the path that it execs) and then one for each call.
    for (std::ifstream file(directory + "/report"); std::getline(file, line);) {
        if (!std::regex_match(line, match, report))
            continue;
        const std::string what = match[1];
        if (what != "exit" && what.find('/') == std::string::npos)
            continue;
        findings.images++;
        findings.all.served += std::stoull(match[2]);
        findings.all.passed += std::stoull(match[3]);
        findings.all.refused += std::stoull(match[4]);
    }
    for (std::ifstream file(directory + "/log"); std::getline(file, line);) {
        if (std::regex_match(line, match, refused))
            findings.refusals[match[1]]++;
        else if (std::regex_match(line, match, round))
            findings.outsiders[match[1]]++;
    }
    return findings;
}

void print(const Findings &findings, const std::string &command, int status) {
    if (WIFSIGNALED(status))
        fmt::print(stderr, "{}: ended by signal {} ({})\n", command, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fmt::print(stderr, "{}: exit code {}\n", command, WEXITSTATUS(status));
    fmt::print(stderr, "{} program images: {} calls served, {} passed to the kernel, {} refused\n", findings.images,
               findings.all.served, findings.all.passed, findings.all.refused);
    for (const auto &[what, times] : findings.refusals)
        fmt::print(stderr, "refused {} times: {}\n", times, what);
    for (const auto &[what, times] : findings.outsiders)
        fmt::print(stderr, "goes round us ({} times): {}\n", times, what);
    if (findings.images == 0)
        fmt::print(stderr, "nothing reported: the command is linked statically or set-id, or was killed\n");
    if (findings.refusals.empty() && findings.outsiders.empty() && findings.images > 0)
        fmt::print(stderr, "nothing was refused, nothing went round us\n");
}

int check(const RunRequest &request) {
    char name[] = "/tmp/pmemfile-check.XXXXXX";
    if (mkdtemp(name) == nullptr) {
        complain("cannot make a directory in /tmp: {}", std::strerror(errno));
        return own_error;
    }
    const std::string directory = name;
    // Where SIGCHLD is ignored, as some services start it, the kernel keeps nobody's exit code.
    struct sigaction standard = {}, former = {};
    sigaction(SIGCHLD, &standard, &former);
    const pid_t child = fork();
    if (child == 0) {
        sigaction(SIGCHLD, &former, nullptr);
        setenv("PMEMFILE_LOG", (directory + "/log").c_str(), 1);
        setenv("PMEMFILE_REPORT", (directory + "/report").c_str(), 1);
        _exit(run_command(request));
    }
    signal(SIGINT, SIG_IGN); // the command's
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    const Findings findings = read_findings(directory);
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    if (child < 0) {
        complain("cannot make a process: {}", std::strerror(errno));
        return own_error;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == own_error && findings.images == 0)
        return own_error; // it has said why
    print(findings, request.words[0], status);
    return findings.refusals.empty() && findings.outsiders.empty() && findings.images > 0 ? 0 : 1;
}

} // namespace

void add_check(CLI::App &app, Action &action) {
    auto request = std::make_shared<RunRequest>();
    CLI::App *command = app.add_subcommand("check", "Run a command and tell what was refused to it or went round us");
    add_run_options(*command, *request);
    command->footer("Exit code: 0 when nothing was refused and nothing went round us, 1 when something did; 125\n"
                    "when pmemfile fails. The command's own is told.");
    command->callback([request, &action] { action = [request] { return check(*request); }; });
}

} // namespace tools
