// pmemfile run: starts a command with pools mounted, by way of the preload
// library. It only sets the environment and execs; the library attaches.
//
//   PMEMFILE_POOLS="dir=pool;dir2=pool2"  LD_PRELOAD=libpmemfile-preload.so  COMMAND
#include "tools/commands.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace tools {

namespace {

constexpr int own_error = 125;
constexpr int not_executable = 126;
constexpr int not_found = 127;
constexpr char preload_name[] = "libpmemfile-preload.so";

// Beside us: in the build tree, or installed (bin/ and lib/ under one prefix).
std::string find_preload() {
    std::error_code error;
    auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    auto directory = self.parent_path();
    for (const auto &candidate :
         {directory / "../posix-shim" / preload_name, directory / preload_name, directory / "../lib" / preload_name,
          directory / "../lib/x86_64-linux-gnu" / preload_name,
          std::filesystem::path(PMEMFILE_LIBDIR) / preload_name}) {
        auto whole = std::filesystem::canonical(candidate, error);
        if (!error)
            return whole.string();
    }
    return {};
}

// "DIR=POOL" as PMEMFILE_POOLS has it, absolute, or an empty string after a complaint.
std::string absolute_mount(const std::string &mount, bool read_only) {
    size_t equals = mount.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == mount.size()) {
        complain("'{}' is not of the form DIR=POOL", mount);
        return {};
    }
    std::error_code error;
    auto directory = std::filesystem::canonical(mount.substr(0, equals), error);
    if (!error && !std::filesystem::is_directory(directory, error))
        error = std::make_error_code(std::errc::not_a_directory);
    if (error) {
        complain("cannot mount on {}: {}", mount.substr(0, equals), std::strerror(error.value()));
        return {};
    }
    auto pool = std::filesystem::canonical(mount.substr(equals + 1), error);
    if (!error && std::filesystem::is_directory(pool, error))
        error = std::make_error_code(std::errc::is_a_directory);
    if (error) {
        complain("cannot use pool {}: {}", mount.substr(equals + 1), std::strerror(error.value()));
        return {};
    }
    if (access(pool.c_str(), R_OK) != 0) {
        complain("cannot use pool {}: {}", pool.string(), std::strerror(errno));
        return {};
    }
    std::string absolute = directory.string() + (read_only ? "=ro:" : "=") + pool.string();
    if (absolute.find(';') != std::string::npos || directory.string().find('=') != std::string::npos) {
        complain("'{}': the names of a mount may not hold ';' or '='", mount);
        return {};
    }
    return absolute;
}

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

int run(const std::vector<std::string> &mounts, const std::vector<std::string> &read_only_mounts,
        const std::vector<std::string> &words) {
    std::string pools;
    for (const auto *list : {&mounts, &read_only_mounts})
        for (const std::string &mount : *list) {
            std::string absolute = absolute_mount(mount, list == &read_only_mounts);
            if (absolute.empty())
                return own_error;
            pools += (pools.empty() ? "" : ";") + absolute;
        }
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
    if (!pools.empty())
        setenv("PMEMFILE_POOLS", pools.c_str(), 1);
    else if (getenv("PMEMFILE_POOLS") == nullptr) {
        complain("no pool: give at least one -m DIR=POOL, or set PMEMFILE_POOLS");
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
    for (const std::string &word : words)
        arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    // Only a process that sees the pools can start a program in them: ourselves, once more.
    bool is_again = pools.empty();
    bool is_hidden = !is_again && lies_in_mount(words[0], pools);
    errno = ENOENT;
    if (!is_hidden)
        execvp(arguments[3], arguments.data() + 3);
    if (!is_again && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
        execv("/proc/self/exe", arguments.data());
    int reason = errno;
    complain("cannot run {}: {}", words[0], std::strerror(reason));
    return reason == ENOENT ? not_found : not_executable;
}

} // namespace

void add_run(CLI::App &app, Action &action) {
    struct Options {
        std::vector<std::string> mounts, read_only_mounts, words;
    };
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("run", "Run a command that sees pools as directories");
    command->add_option("-m,--mount", options->mounts, "DIR=POOL: the pool's files appear below DIR (repeatable)")
        ->allow_extra_args(false);
    command->add_option("-r,--read-only-mount", options->read_only_mounts, "DIR=POOL: the same, for reading only")
        ->allow_extra_args(false);
    command->add_option("COMMAND", options->words, "The command and its arguments, after --")->required();
    command->positionals_at_end(true);
    command->footer("Exit code: the command's own; 125 when pmemfile fails, 126 when the command cannot be\n"
                    "executed, 127 when it is not found.");
    command->callback([options, &action] {
        action = [options] { return run(options->mounts, options->read_only_mounts, options->words); };
    });
}

} // namespace tools
