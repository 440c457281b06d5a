// pmemfile cat: copies files out of a pool.
#include "tools/commands.h"
#include "tools/pool_session.h"

#include <cstring>
#include <memory>

namespace tools {

namespace {

int cat(const std::vector<std::string> &arguments) {
    int code = 0;
    for (const std::string &argument : arguments) {
        auto [pool, path] = split_pool_path(argument);
        PoolSession session;
        if (!session.attach(pool)) {
            code = 1;
            continue;
        }
        auto inode = session.resolve(path, true);
        base::Status copied = inode.ok() ? session.copy_to_stdout(*inode) : base::Status(inode.error());
        if (!copied.ok()) {
            complain("{}:{}: {}", pool, path, std::strerror(copied.error().number()));
            code = 1;
        }
    }
    return code;
}

} // namespace

void add_cat(CLI::App &app, Action &action) {
    auto arguments = std::make_shared<std::vector<std::string>>();
    CLI::App *command = app.add_subcommand("cat", "Copy files of a pool to standard output");
    command->add_option("POOL:PATH", *arguments, "The pool, a colon, and a path in it (repeatable)")->required();
    command->callback([arguments, &action] { action = [arguments] { return cat(*arguments); }; });
}

} // namespace tools
