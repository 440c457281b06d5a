// case: the fixture of all cases: a fresh empty directory on the chosen target,
// and short ways to make and look at files.
#pragma once

#include "tests/posix/target.h"

#include <cerrno>
#include <gtest/gtest.h>
#include <string>

namespace posix {

// Makes a target for one case; set by main() from the command line.
extern std::unique_ptr<Target> (*make_target)();

class Case : public testing::Test {
protected:
    Case() : target(make_target()), t(*target) {
        t.umask(022);
    }
    // Creates `path` with `content`; the case fails if that fails.
    void make(const std::string &path, const std::string &content = "", mode_t mode = 0666) {
        int file = opened(path, O_CREAT | O_EXCL | O_WRONLY, mode);
        EXPECT_EQ(t.write(file, content.data(), content.size()), static_cast<long>(content.size())) << path;
        EXPECT_EQ(t.close(file), 0);
    }
    int opened(const std::string &path, int flags, mode_t mode = 0666) {
        long file = t.open(path, flags, mode);
        EXPECT_GE(file, 0) << path;
        return static_cast<int>(file);
    }
    std::string content(const std::string &path) {
        std::string text;
        long file = t.open(path, O_RDONLY);
        if (file < 0)
            return "error " + std::to_string(-file);
        char buffer[4096];
        for (long n; (n = t.read(static_cast<int>(file), buffer, sizeof(buffer))) > 0;)
            text.append(buffer, static_cast<size_t>(n));
        t.close(static_cast<int>(file));
        return text;
    }
    struct stat attributes(const std::string &path, int flags = AT_SYMLINK_NOFOLLOW) {
        struct stat stat = {};
        EXPECT_EQ(t.stat(path, &stat, flags), 0) << path;
        return stat;
    }
    bool exists(const std::string &path) {
        struct stat stat;
        return t.stat(path, &stat, AT_SYMLINK_NOFOLLOW) == 0;
    }
    // All names but . and .., in the order of getdents.
    std::vector<Name> list(const std::string &path, size_t buffer_bytes = 32768) {
        std::vector<Name> names, kept;
        int file = opened(path, O_RDONLY | O_DIRECTORY);
        while (t.getdents(file, &names, buffer_bytes) > 0)
            ;
        t.close(file);
        for (auto &name : names)
            if (name.name != "." && name.name != "..")
                kept.push_back(name);
        return kept;
    }

    std::unique_ptr<Target> target;
    Target &t;
};

} // namespace posix
