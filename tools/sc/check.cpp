// sc check: which system calls of a file the interceptor can catch, without running it.
#include "tools/sc/commands.h"
#include "tools/sc/elf_image.h"
#include "tools/sc/site_census.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sc {
namespace {

constexpr int bad_file = 3;
constexpr unsigned seconds_max = 120;
// Names of files and functions need be no UTF-8.
constexpr auto replace_bad_text = nlohmann::json::error_handler_t::replace;

struct Options {
    std::vector<std::string> files;
    bool json = false, sites = false, code = false;
};

int check_one(const std::string &file, const Options &options) {
    ElfImage image;
    if (const std::string problem = image.open(file); !problem.empty()) {
        complain("{}: {}", file, problem);
        return bad_file;
    }
    std::vector<Site> sites;
    if (!take_census(image.object(), sites)) {
        complain("{}: {}", file, strerror(ENOMEM));
        return bad_file;
    }
    const std::string text =
        options.json ? census_as_json(image.object(), sites, file).dump(-1, ' ', false, replace_bad_text) + "\n"
                     : census_as_text(image.object(), sites, file, options.sites || options.code, options.code);
    if (fwrite(text.data(), 1, text.size(), stdout) != text.size() || fflush(stdout) != 0) {
        complain("the output cannot be written: {}", strerror(errno));
        return own_error;
    }
    return 0;
}

// Each file in a process of its own: the tables of a damaged one lead anywhere.
int check_apart(const std::string &file, const Options &options) {
    fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) {
        complain("{}: {}", file, strerror(errno));
        return own_error;
    }
    if (child == 0) {
        rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(seconds_max);
        _exit(check_one(file, options));
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
        return own_error; // nobody reads on
    if (WIFSIGNALED(status)) {
        complain("{}: damaged: its tables lead nowhere", file);
        return bad_file;
    }
    return WEXITSTATUS(status);
}

int check(const Options &options) {
    signal(SIGCHLD, SIG_DFL); // where it is ignored, the kernel keeps nobody's exit code
    int worst = 0;
    for (const std::string &file : options.files)
        worst = std::max(worst, check_apart(file, options));
    return worst;
}

} // namespace

void add_check(CLI::App &app, Action &action) {
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("check", "Tell which system calls of ELF files can be caught");
    command->add_option("FILE", options->files, "Programs and libraries")->required();
    command->add_flag("-v,--sites", options->sites, "A line for each place");
    command->add_flag("-d,--disassemble", options->code, "And its instructions: | moved, > the system call");
    command->add_flag("-j,--json", options->json, "One JSON object for each file");
    command->footer("Exit code: 0, 3 when a file is no ELF file for this processor, is cut short or damaged.");
    command->callback([options, &action] { action = [options] { return check(*options); }; });
}

} // namespace sc
