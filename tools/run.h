// run: what `pmemfile run` and `pmemfile check` do alike: a command that sees pools.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace tools {

struct RunRequest {
    std::vector<std::string> mounts, read_only_mounts; // DIR=POOL; none of both: the registered ones
    std::vector<std::string> words;                    // the command
};

void add_run_options(CLI::App &command, RunRequest &request);
// Becomes the command. Returns only when that failed: 125, 126 or 127, after a complaint.
int run_command(const RunRequest &request);

} // namespace tools
