// Calls on paths against those of Linux: names, owners, modes, and the flags of the *at calls.
#include "tests/api/namesake.h"

#include <cstring>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

using namespace namesake;

namespace {

class NamesakeName : public Namesake {
protected:
    void fstatat(const char *what, const Both &dir, const char *path, int flags) {
        struct stat ours = {}, theirs = {};
        same(
            std::string("fstatat ") + what, [&] { return ::fstatat(dir.number, path, &theirs, flags); },
            [&] { return pmemfile_fstatat(pool, dir.file, path, &ours, flags); });
        EXPECT_EQ(ours.st_mode, theirs.st_mode) << what;
    }
    void fchownat(const char *what, const Both &dir, const char *path, int flags) {
        same(
            std::string("fchownat ") + what, [&] { return ::fchownat(dir.number, path, 5, 6, flags); },
            [&] { return pmemfile_fchownat(pool, dir.file, path, 5, 6, flags); });
    }
    // By the system call: glibc imitates some of the flags.
    void faccessat(const char *what, const Both &dir, const char *path, int mode, int flags) {
        same(
            std::string("faccessat ") + what, [&] { return ::syscall(SYS_faccessat2, dir.number, path, mode, flags); },
            [&] { return pmemfile_faccessat(pool, dir.file, path, mode, flags); });
    }
    void utimensat(const char *what, const Both &dir, const char *path, int flags) {
        const struct timespec times[2] = {{10, 11}, {12, 13}};
        same(
            std::string("utimensat ") + what, [&] { return ::syscall(SYS_utimensat, dir.number, path, times, flags); },
            [&] { return pmemfile_utimensat(pool, dir.file, path, times, flags); });
    }
    void fchmodat(const char *what, const Both &dir, const char *path, mode_t mode, int flags) {
        constexpr long fchmodat2 = 452; // Linux 6.6
        errno = 0;
        if (::syscall(fchmodat2, -1, nullptr, 0, 0) == -1 && errno == ENOSYS) {
            (void)pmemfile_fchmodat(pool, dir.file, path, mode, flags);
            return;
        }
        same(
            std::string("fchmodat ") + what, [&] { return ::syscall(fchmodat2, dir.number, path, mode, flags); },
            [&] { return pmemfile_fchmodat(pool, dir.file, path, mode, flags); });
    }
    void readlinkat(const char *what, const Both &dir, const char *path, size_t size) {
        char ours[64] = {}, theirs[64] = {};
        same(
            std::string("readlinkat ") + what, [&] { return ::readlinkat(dir.number, path, theirs, size); },
            [&] { return pmemfile_readlinkat(pool, dir.file, path, ours, size); });
        EXPECT_STREQ(ours, theirs) << what;
    }
    void mknodat(const char *path, mode_t mode, dev_t device, const Both &dir) {
        same(
            std::string("mknodat ") + path, [&] { return ::mknodat(dir.number, path, mode, device); },
            [&] { return pmemfile_mknodat(pool, dir.file, path, mode, device); });
    }
};

TEST_F(NamesakeName, EmptyPathIsTheDirectoryArgument) {
    make("f");
    make_directory("d");
    make_link("f", "l");
    const Both file = open("f", O_RDWR), path = open("f", O_PATH), dir = open("d", O_RDONLY | O_DIRECTORY),
               link = open("l", O_PATH | O_NOFOLLOW);
    const struct {
        const char *name;
        Both both;
    } rows[] = {{"cwd", here}, {"file", file}, {"O_PATH", path}, {"directory", dir}, {"link", link}};
    for (const auto &[name, both] : rows)
        for (const int flags : {0, AT_EMPTY_PATH, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 1 << 30}) {
            const std::string what = std::string(name) + ", flags " + std::to_string(flags);
            fstatat(what.c_str(), both, "", flags);
            fchownat(what.c_str(), both, "", flags);
            faccessat(what.c_str(), both, "", R_OK, flags);
            utimensat(what.c_str(), both, "", flags);
            fchmodat(what.c_str(), both, "", 0750, flags);
        }
    for (const char *changed : {"f", "d", "l", "."})
        same_status(changed, true);
    for (const Both &both : {file, path, dir, link})
        close(both);
}

TEST_F(NamesakeName, FlagsOfStat) {
    make("f");
    make_link("f", "l");
    for (const char *path : {"f", "l", "missing"})
        for (const int flags : {AT_NO_AUTOMOUNT, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, PMEMFILE_AT_STATX_FORCE_SYNC,
                                PMEMFILE_AT_STATX_DONT_SYNC, PMEMFILE_AT_RECURSIVE, AT_REMOVEDIR, AT_SYMLINK_FOLLOW}) {
            fstatat((path + std::to_string(flags)).c_str(), here, path, flags);
            fchownat((path + std::to_string(flags)).c_str(), here, path, flags & ~AT_SYMLINK_NOFOLLOW);
        }
}

TEST_F(NamesakeName, Symlinks) {
    make_directory("d");
    make("f");
    const Both dir = open("d", O_PATH | O_DIRECTORY);
    const auto symlinkat = [&](const char *target, const Both &where, const char *path) {
        same(
            std::string("symlinkat ") + path, [&] { return ::symlinkat(target, where.number, path); },
            [&] { return pmemfile_symlinkat(pool, target, where.file, path); });
    };
    symlinkat("../f", dir, "l");
    symlinkat("x", dir, "l");
    symlinkat("x", here, "f/l");
    symlinkat("x", here, "missing/l");
    symlinkat("", here, "empty");
    same_status("d/l");
    readlinkat("", dir, "l", 64);
    readlinkat("cut", dir, "l", 2);
    readlinkat("no room", dir, "l", 0);
    readlinkat("no link", here, "f", 64);
    readlinkat("missing", here, "missing", 64);
    const Both link = open("d/l", O_PATH | O_NOFOLLOW), file = open("f", O_RDONLY);
    readlinkat("an open link", link, "", 64);
    readlinkat("an open file", file, "", 64);
    readlinkat("an open directory", dir, "", 64);
    readlinkat("here", here, "", 64);
    for (const Both &both : {dir, link, file})
        close(both);
}

TEST_F(NamesakeName, Links) {
    make("f");
    make_directory("d");
    make_link("f", "l");
    const auto link = [&](const char *from, const char *to) {
        same(
            std::string(from) + " " + to, [&] { return ::link(from, to); },
            [&] { return pmemfile_link(pool, from, to); });
    };
    link("f", "g");
    link("f", "g");
    link("f", "d/f");
    link("l", "l2");
    link("d", "e");
    link("missing", "h");
    link("f", "missing/h");
    link("f", "f/h");
    link("", "h");
    for (const char *path : {"f", "g", "d/f", "l2"})
        same_status(path);
    same(
        "the working directory", [] { return ::linkat(AT_FDCWD, "", AT_FDCWD, "h", AT_EMPTY_PATH); },
        [&] { return pmemfile_linkat(pool, PMEMFILE_AT_CWD, "", PMEMFILE_AT_CWD, "h", AT_EMPTY_PATH); });
}

TEST_F(NamesakeName, Nodes) {
    make_directory("d");
    const Both dir = open("d", O_RDONLY | O_DIRECTORY);
    mknodat("fifo", S_IFIFO | 0666, 0, dir);
    mknodat("socket", S_IFSOCK | 0600, 0, dir);
    mknodat("file", S_IFREG | 0640, 0, dir);
    mknodat("plain", 0640, 0, dir);
    mknodat("device", S_IFCHR | 0600, makedev(1, 3), dir);
    mknodat("directory", S_IFDIR | 0700, 0, dir);
    mknodat("link", S_IFLNK | 0700, 0, dir);
    mknodat("fifo", S_IFIFO | 0666, 0, dir);
    mknodat("missing/fifo", S_IFIFO | 0666, 0, here);
    for (const char *path : {"d/fifo", "d/socket", "d/file", "d/plain", "d/device"})
        same_status(path);
    as_user(1000, [&] { mknodat("device2", S_IFCHR | 0600, makedev(1, 3), here); });
    close(dir);
    // Not as Linux, and documented: a fifo does not wait for its other end.
    EXPECT_EQ(pmemfile_open(pool, "d/fifo", O_RDONLY), nullptr);
    EXPECT_EQ(errno, ENXIO);
    PMEMfile *fifo = pmemfile_open(pool, "d/fifo", O_PATH);
    EXPECT_NE(fifo, nullptr);
    pmemfile_close(pool, fifo);
}

TEST_F(NamesakeName, Owners) {
    make("f", 06755);
    make_link("f", "l");
    make_link("missing", "dangling");
    const auto chown = [&](const char *path, uid_t uid, gid_t gid) {
        same(
            std::string("chown ") + path, [&] { return ::chown(path, uid, gid); },
            [&] { return pmemfile_chown(pool, path, uid, gid); });
    };
    const auto lchown = [&](const char *path, uid_t uid, gid_t gid) {
        same(
            std::string("lchown ") + path, [&] { return ::lchown(path, uid, gid); },
            [&] { return pmemfile_lchown(pool, path, uid, gid); });
    };
    const Both file = open("f", O_RDONLY), path = open("f", O_PATH);
    const auto fchown = [&](const Both &both, uid_t uid, gid_t gid) {
        same(
            "fchown", [&] { return ::fchown(both.number, uid, gid); },
            [&] { return pmemfile_fchown(pool, both.file, uid, gid); });
    };
    constexpr auto keep = static_cast<uid_t>(-1);
    chown("l", 7, keep);
    same_status("f");
    same_status("l");
    lchown("l", 8, 9);
    lchown("dangling", 8, 9);
    chown("dangling", 8, 9);
    chown("", 8, 9);
    fchown(file, keep, 11);
    fchown(path, 1, 1);
    for (const char *name : {"f", "l", "dangling"})
        same_status(name);
    as_user(1000, [&] {
        chown("f", 1000, keep);
        lchown("l", keep, 1000);
        fchown(file, 1000, 1000);
        chown("f", keep, keep);
    });
    same_status("f");
    close(file);
    close(path);
}

TEST_F(NamesakeName, Modes) {
    make("f");
    make_directory("d");
    make("d/g");
    make_link("f", "l");
    const Both dir = open("d", O_RDONLY | O_DIRECTORY);
    fchmodat("", dir, "g", 0601, 0);
    fchmodat("through a link", here, "l", 04711, 0);
    fchmodat("a link", here, "l", 0711, AT_SYMLINK_NOFOLLOW);
    fchmodat("no link", here, "f", 0711, AT_SYMLINK_NOFOLLOW);
    fchmodat("missing", dir, "missing", 0600, 0);
    fchmodat("other flags", here, "f", 0600, AT_REMOVEDIR);
    fchmodat("more bits", here, "f", 0177777, 0);
    as_user(1000, [&] { fchmodat("another's", here, "f", 0600, 0); });
    for (const char *path : {"f", "d/g", "l"})
        same_status(path);
    close(dir);
}

TEST_F(NamesakeName, Access) {
    make("mine", 0600);
    make("all", 0644);
    make_directory("closed", 0700);
    make("closed/f");
    for (const char *path : {"mine", "all", "closed/f", "closed", "missing"})
        for (const int mode : {F_OK, R_OK, W_OK, X_OK, R_OK | W_OK, 8}) {
            const auto check = [&] {
                const std::string what = std::string(path) + " " + std::to_string(mode);
                same(
                    "euidaccess " + what, [&] { return ::syscall(SYS_faccessat2, AT_FDCWD, path, mode, AT_EACCESS); },
                    [&] { return pmemfile_euidaccess(pool, path, mode); });
                same(
                    "access " + what, [&] { return ::access(path, mode); },
                    [&] { return pmemfile_access(pool, path, mode); });
            };
            check();
            as_user(1000, check);
        }
}

} // namespace
