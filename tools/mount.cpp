// pmemfile mount, umount: the list of mounts that `pmemfile run` begins with.
#include "tools/commands.h"
#include "tools/mount_registry.h"
#include "tools/mount_words.h"

#include <algorithm>
#include <filesystem>
#include <memory>

namespace tools {

namespace {

bool add(std::vector<RegisteredMount> &mounts, const RegisteredMount &mount) {
    for (const RegisteredMount &other : mounts)
        if (const std::string wrong = registry_conflict(other, mount); !wrong.empty()) {
            complain("{}", wrong);
            return false;
        }
    mounts.push_back(mount);
    return true;
}

bool take_off(std::vector<RegisteredMount> &mounts, const RegisteredMount &mount) {
    // By directory or by pool, as umount(8) takes either.
    const auto found = std::ranges::find_if(mounts, [&](const RegisteredMount &other) {
        return other.directory == mount.directory || other.pool == mount.directory;
    });
    if (found == mounts.end()) {
        complain("{} is not mounted (see `pmemfile mount`)", mount.directory);
        return false;
    }
    mounts.erase(found);
    return true;
}

int list() {
    const auto mounts = registry_read();
    if (!mounts)
        return 1;
    for (const RegisteredMount &mount : *mounts)
        fmt::print("{} on {} type pmemfile ({})\n", mount.pool, mount.directory, mount.options);
    return 0;
}

int mount(const std::string &directory, const std::string &pool, bool read_only) {
    if (directory.empty())
        return list();
    if (pool.empty()) {
        complain("give a directory and a pool. Try `pmemfile mount --help`.");
        return 2;
    }
    const auto words = absolute_mount(directory + "=" + pool, read_only);
    if (!words)
        return 1;
    return registry_change(add, {words->pool, words->directory, read_only ? "ro" : "rw"}) ? 0 : 1;
}

int umount(const std::string &directory) {
    // The directory may be gone: then it is looked for as it was called.
    std::error_code error;
    auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(directory, error), error);
    if (!path.has_filename()) // "gone/"
        path = path.parent_path();
    return registry_change(take_off, {"", error ? directory : path.string(), ""}) ? 0 : 1;
}

} // namespace

void add_mount(CLI::App &app, Action &action) {
    struct Options {
        std::string directory, pool;
        bool read_only = false;
    };
    auto options = std::make_shared<Options>();
    CLI::App *command = app.add_subcommand("mount", "List the mounts that `run` begins with, or add one");
    command->add_option("DIRECTORY", options->directory, "Where the pool's files shall appear");
    command->add_option("POOL", options->pool, "The pool");
    command->add_flag("-r,--read-only", options->read_only, "For reading only");
    command->footer("The list is $XDG_CONFIG_HOME/pmemfile/mounts, else ~/.config/pmemfile/mounts. It changes what\n"
                    "the next `pmemfile run` without -m shows, nothing that runs.");
    command->callback([options, &action] {
        action = [options] { return mount(options->directory, options->pool, options->read_only); };
    });
}

void add_umount(CLI::App &app, Action &action) {
    auto directory = std::make_shared<std::string>();
    CLI::App *command = app.add_subcommand("umount", "Take a mount off the list that `run` begins with");
    command->add_option("DIRECTORY", *directory, "The mount's directory, or its pool")->required();
    command->callback([directory, &action] { action = [directory] { return umount(*directory); }; });
}

} // namespace tools
