// commands: the subcommands of `pmemfile`. Each adds itself to the command
// line and puts what it is to do, once the line is parsed, into `action`.
#pragma once

#include <CLI/CLI.hpp>

#include <fmt/core.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace tools {

// What the chosen subcommand does; returns the exit code.
using Action = std::function<int()>;

void add_cat(CLI::App &app, Action &action);
void add_check(CLI::App &app, Action &action);
void add_doctor(CLI::App &app, Action &action);
void add_fsck(CLI::App &app, Action &action);
void add_grow(CLI::App &app, Action &action);
void add_info(CLI::App &app, Action &action);
void add_ls(CLI::App &app, Action &action);
void add_mkfs(CLI::App &app, Action &action);
void add_mount(CLI::App &app, Action &action);
void add_run(CLI::App &app, Action &action);
void add_umount(CLI::App &app, Action &action);

// One line on stderr: "pmemfile: ...".
template <typename... Args> void complain(fmt::format_string<Args...> format, Args &&...args) {
    fmt::print(stderr, "pmemfile: {}\n", fmt::format(format, std::forward<Args>(args)...));
}

// A message of the library without the path that it begins with: the line names it already.
inline std::string without_path(std::string_view text, const std::string &path) {
    if (text.starts_with(path) && text.substr(path.size()).starts_with(": "))
        text.remove_prefix(path.size() + 2);
    return std::string(text);
}

// "64M" → 67108864; suffixes K, M, G, T (powers of 1024), none: bytes. False: no such size.
bool parse_size(const std::string &text, uint64_t *size_bytes);

} // namespace tools
