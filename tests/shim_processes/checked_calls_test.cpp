// openat2 where a mount is crossed, and execveat that only checks. Run by run_in_pool.sh; $POOL_DIRECTORY is in the
// pool.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

std::string in_pool(const std::string &name) {
    return std::string(getenv("POOL_DIRECTORY")) + "/" + name;
}

void write_file(const std::string &path, const std::string &text, mode_t mode = 0644) {
    const int descriptor = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, mode);
    ASSERT_GE(descriptor, 0) << path;
    ASSERT_EQ(write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(descriptor);
}

long open2(int directory, const std::string &path, uint64_t resolve, uint64_t flags = O_RDONLY) {
    struct open_how how = {};
    how.flags = flags;
    how.resolve = resolve;
    const long opened = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (opened >= 0)
        close(static_cast<int>(opened));
    return opened >= 0 ? 0 : -errno;
}

// A pool's root is a mount: what a directory on tmpfs cannot show (resolve.py shows the rest).
TEST(OpenAt2, WhatCrossesIntoAMount) {
    write_file(in_pool("crossed"), "text");
    const std::string pool = getenv("POOL_DIRECTORY");
    const std::string above = pool.substr(0, pool.rfind('/'));
    const std::string below = pool.substr(pool.rfind('/') + 1);
    const int inside = open(pool.c_str(), O_RDONLY | O_DIRECTORY);
    const int outside = open(above.c_str(), O_RDONLY | O_DIRECTORY);
    const int file = open(in_pool("crossed").c_str(), O_RDONLY);
    ASSERT_TRUE(inside >= 0 && outside >= 0 && file >= 0);
    EXPECT_EQ(open2(AT_FDCWD, in_pool("crossed"), 0), 0);
    EXPECT_EQ(open2(AT_FDCWD, in_pool("crossed"), RESOLVE_NO_XDEV), -EXDEV);
    EXPECT_EQ(open2(inside, in_pool("crossed"), RESOLVE_NO_XDEV), -EXDEV);
    EXPECT_EQ(open2(AT_FDCWD, pool, RESOLVE_NO_XDEV), -EXDEV);
    EXPECT_EQ(open2(inside, "crossed", RESOLVE_NO_XDEV), 0);
    EXPECT_EQ(open2(inside, ".", RESOLVE_NO_XDEV), 0);
    EXPECT_EQ(open2(inside, "..", RESOLVE_NO_XDEV), -EXDEV);
    EXPECT_EQ(open2(inside, "../" + below + "/crossed", RESOLVE_NO_XDEV), -EXDEV);
    EXPECT_EQ(open2(inside, "..", RESOLVE_BENEATH), -EXDEV);
    EXPECT_EQ(open2(inside, in_pool("crossed"), RESOLVE_BENEATH), -EXDEV);
    EXPECT_EQ(open2(inside, "..", 0), 0);
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    EXPECT_EQ(open2(AT_FDCWD, link, RESOLVE_NO_XDEV), -EXDEV);
    EXPECT_EQ(open2(AT_FDCWD, link, RESOLVE_NO_MAGICLINKS), -ELOOP);
    EXPECT_EQ(open2(AT_FDCWD, link, 0), 0);
    // A symlink of the host into the pool.
    const std::string symlink_path = above + "/crossing";
    ASSERT_EQ(symlink(in_pool("crossed").c_str(), symlink_path.c_str()), 0);
    EXPECT_EQ(open2(AT_FDCWD, symlink_path, 0), 0);
    EXPECT_EQ(open2(AT_FDCWD, symlink_path, RESOLVE_NO_SYMLINKS), -ELOOP);
    EXPECT_EQ(open2(AT_FDCWD, symlink_path, RESOLVE_NO_XDEV), -EXDEV);
    unlink(symlink_path.c_str());
    // And one to its root: nothing is made, or opened, in the host's directory there.
    ASSERT_EQ(symlink(below.c_str(), symlink_path.c_str()), 0);
    for (const int directory : {AT_FDCWD, outside}) {
        const std::string path = directory == outside ? "crossing" : symlink_path;
        for (const char *name : {"", "/", "/crossed", "/nothing"})
            EXPECT_EQ(open2(directory, path + name, RESOLVE_NO_XDEV), -EXDEV) << name;
        EXPECT_EQ(open2(directory, path + "/nothing", RESOLVE_NO_XDEV, O_CREAT | O_RDWR), -EXDEV);
        EXPECT_EQ(open2(directory, path + "/nothing", 0), -ENOENT);
    }
    EXPECT_EQ(open2(outside, below + "/crossed", RESOLVE_NO_XDEV), -EXDEV);
    EXPECT_EQ(open2(outside, below + "/crossed", RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), 0);
    unlink(symlink_path.c_str());
    for (const int descriptor : {inside, outside, file})
        close(descriptor);
}

TEST(Exec, ChecksWithoutExecuting) {
    constexpr int only_check = 0x10000; // AT_EXECVE_CHECK
    char word[] = "checked";
    char *words[] = {word, nullptr};
    const auto check = [&](const std::string &path, int flags) {
        return syscall(SYS_execveat, AT_FDCWD, path.c_str(), words, environ, flags) == 0 ? 0 : -errno;
    };
    write_file(in_pool("program"), "#!/bin/true\n", 0755);
    write_file(in_pool("text"), "text", 0644);
    EXPECT_EQ(check(in_pool("program"), only_check), 0);
    EXPECT_EQ(check(in_pool("text"), only_check), -EACCES);
    EXPECT_EQ(check(in_pool("gone"), only_check), -ENOENT);
    EXPECT_EQ(check(in_pool("program"), 0x8000), -EINVAL);
}

} // namespace
