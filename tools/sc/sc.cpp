// sc: tools on the interceptor. The table of contents; each subcommand has its file.
#include "tools/sc/commands.h"

#include <csignal>
#include <fcntl.h>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>

namespace sc {

void add_words(CLI::App &command, std::vector<std::string> &words) {
    command.add_option("COMMAND", words, "The command and its arguments")->required();
    command.positionals_at_end(true);
    command.prefix_command(false);
}

int end_as(Session &session, int code) {
    session.close(); // nothing is taken down when a signal ends us
    if (int number = session.end_signal(); number != 0) {
        // One core file is enough.
        rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(number, SIG_DFL);
        fflush(nullptr);
        raise(number);
    }
    return code;
}

namespace {

// A file of ours must not become the standard error that is closed, or messages would be written to it. The command
// finds it closed, as it was.
void occupy_standard_descriptors() {
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
        if (fcntl(descriptor, F_GETFD) == -1)
            (void)!open("/dev/null", O_PATH | O_CLOEXEC);
}

} // namespace
} // namespace sc

int main(int argc, char **argv) {
    sc::occupy_standard_descriptors();
    CLI::App app("Traces, disturbs and measures the system calls of programs, from inside them.", "sc");
    app.require_subcommand(1);
    app.set_version_flag("--version", "sc 0.1.0");
    app.footer("`sc COMMAND --help` tells more about a command.");

    sc::Action action;
    sc::add_trace(app, action);
    sc::add_inject(app, action);
    sc::add_lat(app, action);
    sc::add_check(app, action);

    // sc-trace is `sc trace`, and so on.
    std::vector<char *> arguments(argv, argv + argc);
    std::string_view name = argc > 0 ? argv[0] : "";
    name.remove_prefix(name.rfind('/') + 1);
    std::string command;
    if (name.starts_with("sc-")) {
        command = name.substr(3);
        arguments.insert(arguments.begin() + 1, command.data());
    } else if (argc > 1) {
        command = argv[1];
    }
    // Usage errors: 125 for what runs commands (as env(1) and timeout(1) do), else 2.
    const int usage_error = command == "check" ? 2 : sc::own_error;
    if (!command.empty() && command[0] != '-' &&
        app.get_subcommands([&](const CLI::App *known) { return known->get_name() == command; }).empty()) {
        sc::complain("there is no command '{}'. Try `sc --help`.", command);
        return usage_error;
    }
    try {
        app.parse(static_cast<int>(arguments.size()), arguments.data());
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0)
            return app.exit(error); // --help, --version
        sc::complain("{}. Try `sc{}{} --help`.", error.what(), app.get_subcommands().empty() ? "" : " ",
                     app.get_subcommands().empty() ? "" : app.get_subcommands()[0]->get_name());
        return usage_error;
    }
    return action();
}
