// pmemfile ls: lists directories of a pool, in the manner of ls(1).
#include "tools/commands.h"
#include "tools/pool_session.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <sys/stat.h>

namespace tools {

namespace {

struct LsOptions {
    std::string argument;
    bool all = false, with_attributes = false, recursive = false;
};

std::string mode_text(uint32_t mode) {
    std::string text = "?rwxrwxrwx";
    switch (mode & S_IFMT) {
    case S_IFDIR:
        text[0] = 'd';
        break;
    case S_IFLNK:
        text[0] = 'l';
        break;
    case S_IFREG:
        text[0] = '-';
        break;
    case S_IFIFO:
        text[0] = 'p';
        break;
    case S_IFSOCK:
        text[0] = 's';
        break;
    case S_IFCHR:
        text[0] = 'c';
        break;
    case S_IFBLK:
        text[0] = 'b';
        break;
    }
    for (unsigned i = 0; i < 9; ++i)
        if (!(mode >> (8 - i) & 1))
            text[i + 1] = '-';
    if (mode & S_ISUID)
        text[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        text[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        text[9] = mode & S_IXOTH ? 't' : 'T';
    return text;
}

// A name that cannot disturb the terminal: control characters become '?'.
std::string printable(std::string name) {
    for (char &c : name)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            c = '?';
    return name;
}

class Listing {
public:
    Listing(PoolSession &session, const LsOptions &options) : session_(session), options_(options) {}

    int list(pmemfile::InodeNumber inode, const std::string &path) {
        auto attributes = session_.attributes(inode);
        if (!attributes.ok())
            return fail(path, attributes.error());
        if (!S_ISDIR(attributes->mode)) {
            print(path, *attributes);
            return 0;
        }
        std::vector<ListedName> names;
        base::Status listed = session_.list(inode, &names);
        if (!listed.ok())
            return fail(path, listed.error());
        int code = 0;
        std::vector<ListedName> directories;
        if (options_.recursive)
            fmt::print("{}{}:\n", first_ ? "" : "\n", printable(path));
        first_ = false;
        for (const ListedName &name : names) {
            if (!options_.all && name.name[0] == '.')
                continue;
            auto entry = session_.attributes(name.inode);
            if (!entry.ok()) {
                code = fail(path + "/" + name.name, entry.error());
                continue;
            }
            print(name.name, *entry);
            if (S_ISDIR(entry->mode))
                directories.push_back(name);
        }
        above_.push_back(inode);
        if (options_.recursive)
            for (const ListedName &name : directories) {
                const std::string below = (path == "/" ? "" : path) + "/" + name.name;
                // In a damaged pool a directory may lie in itself.
                code |= std::ranges::find(above_, name.inode) == above_.end() ? list(name.inode, below)
                                                                              : fail(below, base::error(ELOOP));
            }
        above_.pop_back();
        return code;
    }

private:
    static int fail(const std::string &path, base::Errno error) {
        complain("{}: {}", printable(path), std::strerror(error.number()));
        return 1;
    }

    void print(const std::string &name, const pmemfile::Attributes &attributes) {
        if (!options_.with_attributes) {
            fmt::print("{}\n", printable(name));
            return;
        }
        time_t seconds = attributes.mtime_ns / 1000000000;
        struct tm broken_down = {};
        char time_text[32] = "?";
        if (localtime_r(&seconds, &broken_down) != nullptr)
            strftime(time_text, sizeof(time_text), "%Y-%m-%d %H:%M", &broken_down);
        std::string arrow;
        if (S_ISLNK(attributes.mode))
            if (auto target = session_.symlink_target(attributes.inode); target.ok())
                arrow = " -> " + printable(*target);
        fmt::print("{} {:>3} {:>5} {:>5} {:>12} {} {}{}\n", mode_text(attributes.mode), attributes.link_count,
                   attributes.uid, attributes.gid, attributes.size_bytes, time_text, printable(name), arrow);
    }

    PoolSession &session_;
    const LsOptions &options_;
    bool first_ = true;
    std::vector<pmemfile::InodeNumber> above_; // from where the listing began to where it is
};

int ls(const LsOptions &options) {
    auto [pool, path] = split_pool_path(options.argument);
    PoolSession session;
    if (!session.attach(pool))
        return 1;
    auto inode = session.resolve(path, false);
    if (!inode.ok()) {
        complain("{}:{}: {}", pool, path, std::strerror(inode.error().number()));
        return 1;
    }
    return Listing(session, options).list(*inode, path);
}

} // namespace

void add_ls(CLI::App &app, Action &action) {
    auto options = std::make_shared<LsOptions>();
    CLI::App *command = app.add_subcommand("ls", "List files of a pool");
    command->add_option("POOL[:PATH]", options->argument, "The pool, and a path in it (default /)")->required();
    command->add_flag("-a,--all", options->all, "Also names that begin with a dot");
    command->add_flag("-l,--long", options->with_attributes, "Mode, links, owner, size, time, and where symlinks lead");
    command->add_flag("-R,--recursive", options->recursive, "Directories below too");
    command->callback([options, &action] { action = [options] { return ls(*options); }; });
}

} // namespace tools
