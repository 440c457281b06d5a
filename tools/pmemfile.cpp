// pmemfile: makes, checks, looks into and runs programs on pools.
// The table of contents; each subcommand has its file.
#include "tools/commands.h"

#include <new>
#include <string_view>

int main(int argc, char **argv) {
    CLI::App app("Files in persistent memory for unmodified programs, without the kernel.", "pmemfile");
    app.require_subcommand(1);
    app.set_version_flag("--version", "pmemfile 0.1.0");
    app.footer("`pmemfile COMMAND --help` tells more about a command.");

    tools::Action action;
    tools::add_mkfs(app, action);
    tools::add_run(app, action);
    tools::add_check(app, action);
    tools::add_mount(app, action);
    tools::add_umount(app, action);
    tools::add_doctor(app, action);
    tools::add_fsck(app, action);
    tools::add_grow(app, action);
    tools::add_info(app, action);
    tools::add_ls(app, action);
    tools::add_cat(app, action);

    // Usage errors: 16 for fsck (fsck(8)), 125 for run (as env(1) and timeout(1) do), else 2.
    std::string_view command = argc > 1 ? argv[1] : "";
    int usage_error = command == "fsck" ? 16 : command == "run" || command == "check" ? 125 : 2;
    if (!command.empty() && command[0] != '-' &&
        app.get_subcommands([&](const CLI::App *known) { return known->get_name() == command; }).empty()) {
        tools::complain("there is no command '{}'. Try `pmemfile --help`.", command);
        return usage_error;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == 0)
            return app.exit(error); // --help, --version
        tools::complain("{}. Try `pmemfile{}{} --help`.", error.what(), app.get_subcommands().empty() ? "" : " ",
                        app.get_subcommands().empty() ? "" : app.get_subcommands()[0]->get_name());
        return usage_error;
    }
    try {
        return action();
    } catch (const std::bad_alloc &) { // the checker and the lists of names are on the heap
        tools::complain("out of memory");
        return command == "fsck" ? 8 : command == "run" || command == "check" ? 125 : 1;
    }
}
