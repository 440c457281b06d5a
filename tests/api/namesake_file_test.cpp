// Calls on open files against those of Linux: making them, times, space, fcntl, the working directory, record locks
// of two processes, and who the calls act for.
#include "tests/api/namesake.h"

#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <grp.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <utime.h>
#include <vector>

using namespace namesake;

namespace {

class NamesakeFile : public Namesake {};

TEST_F(NamesakeFile, Create) {
    make_directory("d");
    make_link("new", "l");
    const auto create = [&](const char *path, mode_t mode) {
        Both both;
        same(
            std::string("create ") + path, [&] { return (both.number = ::creat(path, mode)) < 0 ? -1 : 0; },
            [&] { return (both.file = pmemfile_create(pool, path, mode)) == nullptr ? -1 : 0; });
        if (both.file == nullptr)
            return;
        char byte = 'x';
        same(
            "it can be written", [&] { return ::write(both.number, &byte, 1); },
            [&] { return pmemfile_write(pool, both.file, &byte, 1); });
        same(
            "and not be read", [&] { return ::read(both.number, &byte, 1); },
            [&] { return pmemfile_read(pool, both.file, &byte, 1); });
        close(both);
        same_status(path);
    };
    create("f", 0666);
    create("f", 0600); // cut, its mode stays
    create("ids", 06777);
    create("l", 0644);
    same_status("new");
    create("d", 0644);
    create("missing/f", 0644);
    create("f/g", 0644);
    create("", 0644);
}

TEST_F(NamesakeFile, Times) {
    make("f");
    make_link("f", "l");
    make_directory("d");
    make("d/g");
    const Both file = open("f", O_RDONLY), path = open("f", O_PATH), dir = open("d", O_RDONLY | O_DIRECTORY);
    const struct timespec good[2] = {{10, 11}, {12, 999999999}}, bad[2] = {{0, 0}, {0, 1000000000}},
                          omit[2] = {{5, UTIME_OMIT}, {13, 7}};
    const struct timeval micro[2] = {{20, 21}, {22, 999999}}, bad_micro[2] = {{0, 0}, {0, 1000000}};
    const struct utimbuf seconds = {30, 31};
    const auto futimens = [&](const Both &both, const struct timespec *times) {
        same(
            "futimens", [&] { return ::futimens(both.number, times); },
            [&] { return pmemfile_futimens(pool, both.file, times); });
    };
    const auto futimesat = [&](const Both &both, const char *name, const struct timeval *times) {
        same(
            "futimesat", [&] { return ::futimesat(both.number, name, times); },
            [&] { return pmemfile_futimesat(pool, both.file, name, times); });
    };
    const auto utimes = [&](const char *name, const struct timeval *times) {
        same(
            "utimes", [&] { return ::utimes(name, times); }, [&] { return pmemfile_utimes(pool, name, times); });
    };
    const auto utime = [&](const char *name, const struct utimbuf *times) {
        same(
            "utime", [&] { return ::utime(name, times); }, [&] { return pmemfile_utime(pool, name, times); });
    };
    futimens(file, good);
    same_status("f", true);
    futimens(file, omit);
    same_status("f", true);
    futimens(file, bad);
    futimens(path, good);
    futimesat(dir, "g", micro);
    same_status("d/g", true);
    futimesat(dir, "g", bad_micro);
    futimesat(dir, "missing", micro);
    futimesat(file, "g", micro);
    utimes("l", micro);
    same_status("f", true);
    utimes("f", bad_micro);
    utimes("missing", micro);
    utime("l", &seconds);
    same_status("f", true);
    utime("missing", &seconds);
    as_user(1000, [&] {
        utime("f", &seconds);
        utime("f", nullptr);
        utimes("f", nullptr);
        futimens(file, nullptr);
        futimens(file, good);
    });
    same_status("f", true); // nothing has changed
    for (const std::function<void()> &now :
         {std::function<void()>([&] { utime("f", nullptr); }), std::function<void()>([&] { utimes("f", nullptr); }),
          std::function<void()>([&] { futimens(file, nullptr); }),
          std::function<void()>([&] { futimesat(here, "f", nullptr); })}) {
        futimens(file, good);
        now();
        EXPECT_LE(std::abs(pool_stat("f").st_mtim.tv_sec - time(nullptr)), 2);
    }
    for (const Both &both : {file, path, dir})
        close(both);
}

TEST_F(NamesakeFile, Space) {
    make("f");
    const Both file = open("f", O_RDWR), reading = open("f", O_RDONLY), path = open("f", O_PATH);
    const auto allocate = [&](const Both &both, off_t offset, off_t length) {
        // (glibc's imitates what a filesystem refuses; tmpfs does not.)
        const int ours = (errno = 4711, pmemfile_posix_fallocate(pool, both.file, offset, length));
        EXPECT_EQ(errno, 4711) << "it leaves errno alone";
        EXPECT_EQ(ours, ::posix_fallocate(both.number, offset, length)) << offset << "+" << length;
    };
    allocate(file, 0, 10000);
    same_status("f");
    allocate(file, 5000, 20000);
    same_status("f");
    allocate(file, 0, 100);
    same_status("f");
    EXPECT_GE(pool_stat("f").st_blocks, 25000 / 512);
    allocate(file, 0, 0);
    allocate(file, -1, 10);
    allocate(file, 10, -1);
    allocate(file, INT64_MAX - 10, 20);
    allocate(file, 0, int64_t{1} << 50);
    allocate(reading, 0, 100);
    allocate(path, 0, 100);
    same_status("f");
    for (const Both &both : {file, reading, path})
        close(both);
}

TEST_F(NamesakeFile, Fcntl) {
    make("f");
    make_directory("d");
    const struct {
        const char *path;
        int flags;
    } rows[] = {{"f", O_RDWR},
                {"f", O_RDONLY | O_CLOEXEC},
                {"f", O_WRONLY | O_APPEND | O_NONBLOCK | O_CREAT | O_TRUNC},
                {"f", O_RDWR | O_DIRECT | O_SYNC},
                {"f", O_RDONLY | O_NOFOLLOW | O_NOATIME},
                {"d", O_RDONLY | O_DIRECTORY},
                {".", O_RDWR | O_TMPFILE},
                {"f", O_PATH},
                {"f", O_PATH | O_CLOEXEC},
                {"d", O_PATH | O_DIRECTORY | O_NOFOLLOW}};
    for (const auto &[path, flags] : rows) {
        const Both both = open(path, flags);
        const auto fcntl = [&](int command, int argument) {
            return same(
                std::string(path) + ", flags " + std::to_string(flags) + ", command " + std::to_string(command),
                [&] { return ::fcntl(both.number, command, argument); },
                [&] { return pmemfile_fcntl(pool, both.file, command, argument); });
        };
        fcntl(F_GETFL, 0);
        fcntl(F_GETFD, 0);
        fcntl(F_SETFD, FD_CLOEXEC);
        EXPECT_EQ(fcntl(F_GETFD, 0), FD_CLOEXEC);
        fcntl(F_SETFD, 0);
        EXPECT_EQ(fcntl(F_GETFD, 0), 0);
        fcntl(F_SETFL, O_APPEND | O_NONBLOCK);
        fcntl(F_GETFL, 0);
        fcntl(4711, 0);
        struct flock ours = {}, theirs = {};
        ours.l_type = theirs.l_type = F_RDLCK;
        same(
            "F_GETLK", [&] { return ::fcntl(both.number, F_GETLK, &theirs); },
            [&] { return pmemfile_fcntl(pool, both.file, F_GETLK, &ours); });
        EXPECT_EQ(ours.l_type, theirs.l_type);
        same(
            "flock", [&] { return ::flock(both.number, LOCK_SH); },
            [&] { return pmemfile_flock(pool, both.file, LOCK_SH); });
        // No number, so no copy of one.
        EXPECT_EQ(pmemfile_fcntl(pool, both.file, F_DUPFD, 0), -1);
        EXPECT_EQ(errno, (flags & O_PATH) != 0 ? EBADF : EINVAL);
        EXPECT_EQ(pmemfile_fcntl(pool, both.file, F_DUPFD_CLOEXEC, 0), -1);
        close(both);
    }
}

TEST_F(NamesakeFile, WorkingDirectory) {
    make_directory("d");
    make_directory("closed", 0700);
    make("f");
    const auto fchdir = [&](const Both &both) {
        return same(
            "fchdir", [&] { return ::fchdir(both.number); }, [&] { return pmemfile_fchdir(pool, both.file); });
    };
    const Both dir = open("d", O_PATH | O_DIRECTORY), file = open("f", O_RDONLY), closed = open("closed", O_RDONLY);
    as_user(1000, [&] { fchdir(closed); });
    fchdir(file);
    EXPECT_EQ(fchdir(dir), 0);
    make("in"); // on both sides
    char buffer[PMEMFILE_PATH_MAX];
    EXPECT_STREQ(pmemfile_getcwd(pool, buffer, sizeof(buffer)), "/d");
    ASSERT_NE(::getcwd(buffer, sizeof(buffer)), nullptr);
    EXPECT_EQ(buffer, directory_ + "/d");
    EXPECT_EQ(pmemfile_access(pool, "/d/in", F_OK), 0);
    for (const Both &both : {dir, file, closed})
        close(both);
}

// Two processes that each hold a byte and want the other's: one of them is told EDEADLK. `begin` gives a process its
// way to lock: lock(type, byte) waits, 0 or an errno.
using Lock = std::function<int(short type, off_t byte)>;
void expect_one_deadlock(const std::function<Lock()> &begin) {
    int ready[2], holds[2];
    ASSERT_EQ(pipe(ready), 0);
    ASSERT_EQ(pipe(holds), 0);
    char byte = 0;
    const pid_t child = fork();
    if (child == 0) {
        {
            const Lock lock = begin();
            if (lock(F_WRLCK, 1) != 0 || write(holds[1], &byte, 1) != 1 || read(ready[0], &byte, 1) != 1)
                _exit(1);
            const int result = lock(F_WRLCK, 0);
            lock(F_UNLCK, 1);
            byte = static_cast<char>(result);
        }
        _exit(byte);
    }
    {
        const Lock lock = begin();
        EXPECT_EQ(lock(F_WRLCK, 0), 0);
        ASSERT_EQ(read(holds[0], &byte, 1), 1);
        ASSERT_EQ(write(ready[1], &byte, 1), 1);
        const int result = lock(F_WRLCK, 1);
        lock(F_UNLCK, 0);
        int status = 0;
        waitpid(child, &status, 0);
        ASSERT_TRUE(WIFEXITED(status)) << status;
        EXPECT_TRUE((result == EDEADLK && WEXITSTATUS(status) == 0) || (result == 0 && WEXITSTATUS(status) == EDEADLK))
            << "errno " << result << " and " << WEXITSTATUS(status);
    }
    for (const int end : {ready[0], ready[1], holds[0], holds[1]})
        ::close(end);
}

struct flock record(short type, off_t byte) {
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = byte;
    lock.l_len = 1;
    return lock;
}

TEST_F(NamesakeFile, DeadlockOfTwoProcesses) {
    make("f");
    expect_one_deadlock([] {
        const int file = ::open("f", O_RDWR);
        return [file](short type, off_t byte) {
            struct flock lock = record(type, byte);
            return ::fcntl(file, F_SETLKW, &lock) == 0 ? 0 : errno;
        };
    });
    pmemfile_pool_close(pool); // each process opens it for itself
    const auto begin = [&]() -> Lock {
        std::shared_ptr<PMEMfilepool> own(pmemfile_pool_open(path_.c_str()), pmemfile_pool_close);
        PMEMfile *file = pmemfile_open(own.get(), "f", O_RDWR);
        return [own, file](short type, off_t byte) {
            struct flock lock = record(type, byte);
            return pmemfile_fcntl(own.get(), file, F_SETLKW, &lock) == 0 ? 0 : errno;
        };
    };
    expect_one_deadlock(begin);
    pool = pmemfile_pool_open(path_.c_str());
    ASSERT_NE(pool, nullptr);
}

// Linux's answers come from a child, which gives its ids up for good.
TEST_F(NamesakeFile, Ids) {
    int channel[2];
    ASSERT_EQ(pipe(channel), 0);
    std::vector<long> theirs(14), ours;
    if (fork() == 0) {
        setgroups(0, nullptr);
        const std::vector<long> told = {getgid(),     getegid(),     setegid(1001), getgid(),     getegid(),
                                        setfsgid(77), setfsgid(78),  setegid(0),    setgid(1002), getgid(),
                                        getegid(),    setfsgid(-1u), setuid(1003),  geteuid()};
        const auto bytes = static_cast<ssize_t>(told.size() * sizeof(long));
        _exit(told.size() == theirs.size() && write(channel[1], told.data(), static_cast<size_t>(bytes)) == bytes ? 0
                                                                                                                  : 1);
    }
    ASSERT_EQ(read(channel[0], theirs.data(), theirs.size() * sizeof(long)),
              static_cast<ssize_t>(theirs.size() * sizeof(long)));
    int status = 1;
    wait(&status);
    EXPECT_EQ(status, 0);
    pmemfile_setgroups(pool, 0, nullptr);
    ours = {pmemfile_getgid(pool),       pmemfile_getegid(pool),    pmemfile_setegid(pool, 1001),
            pmemfile_getgid(pool),       pmemfile_getegid(pool),    pmemfile_setfsgid(pool, 77),
            pmemfile_setfsgid(pool, 78), pmemfile_setegid(pool, 0), pmemfile_setgid(pool, 1002),
            pmemfile_getgid(pool),       pmemfile_getegid(pool),    pmemfile_setfsgid(pool, static_cast<gid_t>(-1)),
            pmemfile_setuid(pool, 1003), pmemfile_geteuid(pool)};
    EXPECT_EQ(ours, theirs);
    EXPECT_EQ(pmemfile_getuid(pool), 1003u);
    ::close(channel[0]);
    ::close(channel[1]);
}

TEST_F(NamesakeFile, NewFilesAreOfTheFileSystemsIds) {
    const auto made = [&](const char *path) {
        PMEMfile *file = pmemfile_create(pool, path, 0644);
        EXPECT_NE(file, nullptr) << path;
        pmemfile_close(pool, file);
        return pool_stat(path);
    };
    pmemfile_chmod(pool, "/", 0777);
    EXPECT_EQ(pmemfile_setgid(pool, 21), 0);
    EXPECT_EQ(made("a").st_gid, 21u);
    EXPECT_EQ(pmemfile_setegid(pool, 22), 0);
    EXPECT_EQ(made("b").st_gid, 22u);
    EXPECT_EQ(pmemfile_setfsgid(pool, 23), 22);
    EXPECT_EQ(made("c").st_gid, 23u);
    EXPECT_EQ(pmemfile_setuid(pool, 24), 0);
    EXPECT_EQ(made("d").st_uid, 24u);
    EXPECT_EQ(pmemfile_chown(pool, "a", 24, static_cast<gid_t>(-1)), -1) << "no capability any more";
    EXPECT_EQ(errno, EPERM);
}

TEST_F(NamesakeFile, DeviceOfThePool) {
    make("f");
    pmemfile_pool_set_device(pool, 4711);
    EXPECT_EQ(pool_stat("f").st_dev, 4711u);
    PMEMfile *file = pmemfile_open(pool, "f", O_RDONLY);
    struct stat status = {};
    ASSERT_EQ(pmemfile_fstat(pool, file, &status), 0);
    EXPECT_EQ(status.st_dev, 4711u);
    pmemfile_close(pool, file);
}

} // namespace
