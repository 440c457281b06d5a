// pmemfile run: starts a command with pools mounted, by way of the preload
// library. It only sets the environment and execs; the library attaches.
//
//   PMEMFILE_POOLS="dir=pool;dir2=pool2"  LD_PRELOAD=libpmemfile-preload.so  COMMAND
#include "tools/run.h"

#include "tools/commands.h"
#include "tools/mount_registry.h"
#include "tools/mount_words.h"
#include "tools/preload_path.h"
#include "tools/static_program.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace tools {

namespace {

constexpr int own_error = 125;
constexpr int not_executable = 126;
constexpr int not_found = 127;

// Is the command, given as a path, below one of the mount points of `pools`?
bool lies_in_mount(const std::string &command, std::string_view pools) {
    if (command.find('/') == std::string::npos)
        return false;
    std::error_code error;
    std::string path = std::filesystem::weakly_canonical(command, error).string();
    while (!error && !pools.empty()) {
        std::string_view entry = pools.substr(0, pools.find(';'));
        pools.remove_prefix(std::min(entry.size() + 1, pools.size()));
        if (path.starts_with(std::string(entry.substr(0, entry.find('='))) + "/"))
            return true;
    }
    return false;
}

// Empty is as good as not set: no program would see anything.
bool has_pools() {
    const char *pools = getenv("PMEMFILE_POOLS");
    return pools != nullptr && *pools != 0;
}

// PMEMFILE_POOLS of what the user gave, else of what he has registered; nullopt after a complaint.
std::optional<std::string> pools_of(const RunRequest &request) {
    std::vector<MountWords> mounts;
    for (const auto *list : {&request.mounts, &request.read_only_mounts})
        for (const std::string &mount : *list) {
            const auto words = absolute_mount(mount, list == &request.read_only_mounts);
            if (!words)
                return std::nullopt;
            mounts.push_back(*words);
        }
    if (mounts.empty() && !has_pools()) {
        const auto registered = registry_read();
        if (!registered)
            return std::nullopt;
        for (const RegisteredMount &mount : *registered) {
            const auto words = absolute_mount(mount.directory + "=" + mount.pool, mount.is_read_only());
            if (!words)
                return std::nullopt;
            mounts.push_back(*words);
        }
    }
    std::string pools;
    for (const MountWords &mount : mounts)
        pools += (pools.empty() ? "" : ";") + mount.text();
    return pools;
}

} // namespace

void add_run_options(CLI::App &command, RunRequest &request) {
    command.add_option("-m,--mount", request.mounts, "DIR=POOL: the pool's files appear below DIR (repeatable)")
        ->allow_extra_args(false);
    command.add_option("-r,--read-only-mount", request.read_only_mounts, "DIR=POOL: the same, for reading only")
        ->allow_extra_args(false);
    command.add_option("COMMAND", request.words, "The command and its arguments, after --")->required();
    command.positionals_at_end(true);
}

int run_command(const RunRequest &request) {
    const auto pools = pools_of(request);
    if (!pools)
        return own_error;
    std::string preload = find_preload();
    if (preload.empty()) {
        complain("{} is neither beside this program nor in {}", preload_name, PMEMFILE_LIBDIR);
        return own_error;
    }
    // Colons and spaces separate libraries in LD_PRELOAD.
    if (preload.find_first_of(": ") != std::string::npos) {
        complain("the path of the preload library may not hold ':' or ' ': {}", preload);
        return own_error;
    }
    if (!pools->empty())
        setenv("PMEMFILE_POOLS", pools->c_str(), 1);
    else if (!has_pools()) {
        complain("no pool: give at least one -m DIR=POOL, `pmemfile mount` one, or set PMEMFILE_POOLS");
        return own_error;
    }
    const char *others = getenv("LD_PRELOAD");
    if (others != nullptr && (":" + std::string(others) + ":").find(":" + preload + ":") != std::string::npos)
        preload = others;
    else if (others != nullptr && *others != '\0')
        preload += std::string(":") + others;
    setenv("LD_PRELOAD", preload.c_str(), 1);

    std::vector<char *> arguments = {const_cast<char *>("pmemfile"), const_cast<char *>("run"),
                                     const_cast<char *>("--")};
    for (const std::string &word : request.words)
        arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    // Static programs, ours and those below, start by way of the launcher (the interceptor's level 3).
    const std::string launcher = find_launcher();
    const bool has_launcher = !launcher.empty();
    if (has_launcher) {
        setenv("INTERCEPT_LAUNCHER", launcher.c_str(), 0);
        setenv("INTERCEPT_LEVELS", "0,1,3", 0);
    }
    // Only a process that sees the pools can start a program in them, a static one, or a script that such a one
    // interprets: ourselves, once more.
    bool is_again = pools->empty();
    bool is_hidden = !is_again && (lies_in_mount(request.words[0], *pools) ||
                                   (has_launcher && may_be_static_program(request.words[0])));
    errno = ENOENT;
    if (!is_hidden)
        execvp(arguments[3], arguments.data() + 3);
    if (!is_again && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
        execv("/proc/self/exe", arguments.data());
    int reason = errno;
    complain("cannot run {}: {}", request.words[0], std::strerror(reason));
    return reason == ENOENT ? not_found : not_executable;
}

void add_run(CLI::App &app, Action &action) {
    auto request = std::make_shared<RunRequest>();
    CLI::App *command = app.add_subcommand("run", "Run a command that sees pools as directories");
    add_run_options(*command, *request);
    command->footer("Without -m and -r: the mounts of `pmemfile mount`.\n"
                    "Exit code: the command's own; 125 when pmemfile fails, 126 when the command cannot be\n"
                    "executed, 127 when it is not found.");
    command->callback([request, &action] { action = [request] { return run_command(*request); }; });
}

} // namespace tools
