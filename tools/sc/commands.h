// commands: the subcommands of `sc`. Each adds itself to the command line and puts what it
// is to do, once the line is parsed, into `action`.
#pragma once

#include "tools/sc/session.h"

#include <CLI/CLI.hpp>

#include <fmt/core.h>

#include <cstdio>
#include <functional>
#include <string>
#include <utility>

namespace sc {

// What the chosen subcommand does; returns the exit code.
using Action = std::function<int()>;

void add_trace(CLI::App &app, Action &action);
void add_inject(CLI::App &app, Action &action);
void add_lat(CLI::App &app, Action &action);
void add_check(CLI::App &app, Action &action);

// One line on stderr: "sc: ...".
template <typename... Args> void complain(fmt::format_string<Args...> format, Args &&...args) {
    complain_line(fmt::format(format, std::forward<Args>(args)...));
}

// The command that is to be run, as the last words of the line. After the first of them
// everything is its own, also what looks like an option.
void add_words(CLI::App &command, std::vector<std::string> &words);

// Ends as the command did: by its signal, or with `code`.
int end_as(Session &session, int code);

} // namespace sc
