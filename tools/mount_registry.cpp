#include "tools/mount_registry.h"

#include "tools/commands.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/file.h>
#include <unistd.h>

namespace tools {

namespace {

std::string escaped(const std::string &name) {
    std::string text;
    for (const char character : name)
        if (static_cast<unsigned char>(character) <= ' ' || character == '\\' || character == '#')
            text += fmt::format("\\{:03o}", static_cast<unsigned char>(character));
        else
            text += character;
    return text;
}

std::string unescaped(const std::string &text) {
    std::string name;
    for (size_t i = 0; i < text.size(); i++) {
        const auto is_octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
        if (text[i] == '\\' && is_octal(i + 1) && is_octal(i + 2) && is_octal(i + 3)) {
            name += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            name += text[i];
        }
    }
    return name;
}

// Held while the list is read, changed and replaced.
class Lock {
public:
    explicit Lock(const std::string &path) : file_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
        if (file_ >= 0)
            flock(file_, LOCK_EX);
    }
    ~Lock() {
        if (file_ >= 0)
            close(file_);
    }
    Lock(const Lock &) = delete;
    Lock &operator=(const Lock &) = delete;
    bool ok() const {
        return file_ >= 0;
    }

private:
    int file_;
};

struct Line {
    std::string text;
    std::optional<RegisteredMount> mount; // none: blank, or a comment
};

bool lies_in(const std::string &inner, const std::string &outer) {
    return inner.size() > outer.size() && inner.starts_with(outer) && inner[outer.size()] == '/';
}

// nullopt after a complaint.
std::optional<std::vector<Line>> read_lines(const std::string &path) {
    std::vector<Line> lines;
    errno = 0;
    std::ifstream file(path);
    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return lines;
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream fields(line.substr(0, line.find('#')));
        std::string pool, directory, type, options;
        lines.push_back({line, std::nullopt});
        if (!(fields >> pool))
            continue;
        fields >> directory >> type >> options;
        // The two numbers that end a line of fstab(5) are let through.
        if (options.empty() || type != "pmemfile" || pool[0] != '/' || directory[0] != '/') {
            complain("{}:{}: not of the form POOL DIRECTORY pmemfile OPTIONS, with absolute paths", path, lines.size());
            return std::nullopt;
        }
        lines.back().mount = {unescaped(pool), unescaped(directory), options};
    }
    if (!file.eof()) { // taken for empty, it would be lost with the next change
        complain("cannot read {}: {}", path, std::strerror(errno));
        return std::nullopt;
    }
    return lines;
}

std::vector<RegisteredMount> mounts_of(const std::vector<Line> &lines) {
    std::vector<RegisteredMount> mounts;
    for (const Line &line : lines)
        if (line.mount)
            mounts.push_back(*line.mount);
    return mounts;
}

bool write_list(const std::string &path, const std::vector<Line> &former, std::vector<RegisteredMount> mounts) {
    // Where the list is a symlink (people keep such files elsewhere), what it leads to is replaced.
    std::error_code error;
    const auto whole = std::filesystem::canonical(path, error);
    const std::string target = error ? path : whole.string();
    const std::string fresh = target + ".new";
    std::ofstream file(fresh, std::ios::trunc);
    for (const Line &line : former) {
        const auto stays = line.mount ? std::ranges::find(mounts, *line.mount) : mounts.end();
        if (!line.mount || stays != mounts.end())
            file << line.text << '\n';
        if (stays != mounts.end())
            mounts.erase(stays);
    }
    for (const RegisteredMount &mount : mounts)
        file << escaped(mount.pool) << '\t' << escaped(mount.directory) << "\tpmemfile\t" << mount.options << '\n';
    file.close();
    if (file.good() && std::rename(fresh.c_str(), target.c_str()) == 0)
        return true;
    const int reason = errno;
    unlink(fresh.c_str());
    errno = reason;
    return false;
}

} // namespace

bool RegisteredMount::is_read_only() const {
    bool read_only = false;
    std::istringstream words(options);
    for (std::string word; std::getline(words, word, ',');)
        read_only = word == "ro" || (read_only && word != "rw");
    return read_only;
}

std::string registry_path() {
    const char *config = getenv("XDG_CONFIG_HOME");
    if (config != nullptr && config[0] == '/')
        return std::string(config) + "/pmemfile/mounts";
    const char *home = getenv("HOME");
    return home != nullptr && home[0] == '/' ? std::string(home) + "/.config/pmemfile/mounts" : std::string();
}

std::optional<std::vector<RegisteredMount>> registry_read() {
    const auto lines = read_lines(registry_path());
    if (!lines)
        return std::nullopt;
    return mounts_of(*lines);
}

std::string registry_conflict(const RegisteredMount &first, const RegisteredMount &other) {
    if (first.directory == other.directory)
        return fmt::format("{} is mounted already, with pool {}", other.directory, first.pool);
    if (first.pool == other.pool)
        return fmt::format("pool {} is mounted already, on {}", other.pool, first.directory);
    if (lies_in(other.directory, first.directory) || lies_in(first.directory, other.directory))
        return fmt::format("a mount cannot lie in another mount: {} and {}", other.directory, first.directory);
    return {};
}

bool registry_change(bool (*change)(std::vector<RegisteredMount> &, const RegisteredMount &),
                     const RegisteredMount &mount) {
    const std::string path = registry_path();
    if (path.empty()) {
        complain("neither HOME nor XDG_CONFIG_HOME is set: there is no place for the list of mounts");
        return false;
    }
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    const Lock lock(path + ".lock");
    if (error || !lock.ok()) {
        complain("cannot write {}: {}", path, error ? error.message() : std::strerror(errno));
        return false;
    }
    const auto lines = read_lines(path);
    if (!lines)
        return false;
    auto mounts = mounts_of(*lines);
    if (!change(mounts, mount))
        return false;
    if (!write_list(path, *lines, mounts)) {
        complain("cannot write {}: {}", path, std::strerror(errno));
        return false;
    }
    return true;
}

} // namespace tools
