// process_test: what processes share: offsets, appends, locks, mappings. Needs
// descriptors that the kernel knows (is_kernel_like).
#include "tests/posix/case.h"

#include <atomic>
#include <csignal>
#include <functional>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace posix {
namespace {

class Processes : public Case {
protected:
    // Runs `work` in a child; its result (0..255) comes back.
    static pid_t start(const std::function<int()> &work) {
        pid_t child = fork();
        if (child == 0) {
            alarm(30); // a hang ends as a failure
            _exit(work());
        }
        return child;
    }
    static int finish(pid_t child) {
        int status = -1;
        waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    }
    static int in_child(const std::function<int()> &work) {
        return finish(start(work));
    }
    static struct flock range(short type, off_t first, off_t length) {
        struct flock lock = {};
        lock.l_type = type;
        lock.l_whence = SEEK_SET;
        lock.l_start = first;
        lock.l_len = length;
        return lock;
    }
};

TEST_F(Processes, ForkSharesTheOffset) {
    make("/a", "abcdef");
    int file = opened("/a", O_RDONLY);
    EXPECT_EQ(in_child([&] {
                  char buffer[4];
                  return t.read(file, buffer, 4) == 4 ? 0 : 1;
              }),
              0);
    EXPECT_EQ(t.seek(file, 0, SEEK_CUR), 4);
    t.close(file);
}
TEST_F(Processes, AppendsOfTwoNeverMix) {
    make("/a");
    auto work = [&](char letter) {
        int file = static_cast<int>(t.open("/a", O_WRONLY | O_APPEND));
        std::string line = std::string(99, letter) + "\n";
        for (int i = 0; i < 500; i++)
            if (t.write(file, line.data(), line.size()) != 100)
                return 1;
        return 0;
    };
    pid_t one = start([&] { return work('a'); }), two = start([&] { return work('b'); });
    EXPECT_EQ(finish(one), 0);
    EXPECT_EQ(finish(two), 0);
    std::string text = content("/a");
    ASSERT_EQ(text.size(), 100000u);
    for (size_t i = 0; i < text.size(); i += 100)
        ASSERT_EQ(text.substr(i, 100), std::string(99, text[i]) + "\n");
}
TEST_F(Processes, OneSharedOffsetTwoWriters) {
    int file = opened("/a", O_CREAT | O_WRONLY);
    auto work = [&] {
        for (int i = 0; i < 500; i++)
            if (t.write(file, "12345678", 8) != 8)
                return 1;
        return 0;
    };
    pid_t child = start(work);
    EXPECT_EQ(work(), 0);
    EXPECT_EQ(finish(child), 0);
    EXPECT_EQ(attributes("/a").st_size, 8000);
    t.close(file);
}
// As a log is begun anew: each write goes to the one file or the other, and to no third one.
TEST_F(Processes, WritersGoOnWhileTheirNumberIsGivenAnotherFile) {
    for (const char *path : {"/a", "/b", "/bystander"})
        make(path);
    const int number = opened("/a", O_WRONLY | O_APPEND);
    std::atomic<bool> is_over{false};
    std::atomic<long> written{0}, failed{0};
    std::vector<std::thread> writers;
    for (int i = 0; i < 3; i++)
        writers.emplace_back([&] {
            const std::string line(3000, 'x');
            while (!is_over) {
                const long done = t.write(number, line.data(), line.size());
                (done == static_cast<long>(line.size()) ? written : failed)++;
            }
        });
    while (written == 0 && failed == 0)
        std::this_thread::yield();
    for (int round = 0; round < 3000; round++) {
        const int next = opened(round % 2 == 0 ? "/b" : "/a", O_WRONLY | O_APPEND);
        ASSERT_EQ(::dup2(next, number), number);
        const int bystander = opened("/bystander", O_RDWR);
        t.close(next);
        ASSERT_EQ(t.seek(bystander, 0, SEEK_END), 0) << "round " << round;
        t.close(bystander);
        if (round % 100 == 0) { // so that it fits
            EXPECT_EQ(t.truncate("/a", 0), 0);
            EXPECT_EQ(t.truncate("/b", 0), 0);
        }
    }
    is_over = true;
    for (std::thread &writer : writers)
        writer.join();
    t.close(number);
    EXPECT_EQ(failed, 0) << "of " << written + failed;
    EXPECT_EQ(content("/bystander"), "");
}
TEST_F(Processes, ExclusiveCreateHasOneWinner) {
    for (int round = 0; round < 50; round++) {
        std::string path = "/a" + std::to_string(round);
        auto work = [&] { return t.open(path, O_CREAT | O_EXCL | O_WRONLY) >= 0 ? 1 : 0; };
        pid_t one = start(work), two = start(work);
        int winners = finish(one) + finish(two);
        ASSERT_EQ(winners, 1);
    }
}
TEST_F(Processes, UnlinkedFileIsReadByTheChild) {
    make("/a", "abc");
    int file = opened("/a", O_RDONLY);
    pid_t child = start([&] {
        usleep(50000);
        char buffer[3];
        return t.pread(file, buffer, 3, 0) == 3 && buffer[2] == 'c' ? 0 : 1;
    });
    ASSERT_EQ(t.unlink("/a"), 0);
    t.close(file);
    EXPECT_EQ(finish(child), 0);
}
TEST_F(Processes, RecordLocksExclude) {
    make("/a", "0123456789");
    int file = opened("/a", O_RDWR);
    auto lock = range(F_WRLCK, 2, 3);
    ASSERT_EQ(t.fcntl(file, F_SETLK, &lock), 0);
    pid_t parent = getpid();
    EXPECT_EQ(in_child([&] {
                  auto mine = range(F_RDLCK, 4, 1), free = range(F_WRLCK, 5, 0), ask = range(F_WRLCK, 0, 0);
                  if (t.fcntl(file, F_SETLK, &mine) != -EAGAIN || t.fcntl(file, F_SETLK, &free) != 0)
                      return 1;
                  if (t.fcntl(file, F_GETLK, &ask) != 0 || ask.l_type != F_WRLCK || ask.l_start != 2 || ask.l_len != 3)
                      return 2;
                  return ask.l_pid == parent ? 0 : 3;
              }),
              0);
    t.close(file);
}
TEST_F(Processes, AnyCloseDropsRecordLocks) {
    make("/a");
    int file = opened("/a", O_RDWR), other = opened("/a", O_RDONLY);
    auto lock = range(F_WRLCK, 0, 0);
    ASSERT_EQ(t.fcntl(file, F_SETLK, &lock), 0);
    t.close(other);
    EXPECT_EQ(in_child([&] {
                  auto mine = range(F_WRLCK, 0, 0);
                  return t.fcntl(file, F_SETLK, &mine) == 0 ? 0 : 1;
              }),
              0);
    t.close(file);
}
TEST_F(Processes, LockNeedsTheAccessMode) {
    make("/a");
    int file = opened("/a", O_RDONLY);
    auto lock = range(F_WRLCK, 0, 0), negative = range(F_RDLCK, -1, 1);
    EXPECT_EQ(t.fcntl(file, F_SETLK, &lock), -EBADF);
    EXPECT_EQ(t.fcntl(file, F_SETLK, &negative), -EINVAL);
    t.close(file);
}
TEST_F(Processes, WaitingLockIsWoken) {
    make("/a");
    int file = opened("/a", O_RDWR);
    auto lock = range(F_WRLCK, 0, 1), unlock = range(F_UNLCK, 0, 1);
    ASSERT_EQ(t.fcntl(file, F_SETLK, &lock), 0);
    pid_t child = start([&] {
        auto mine = range(F_WRLCK, 0, 1);
        return t.fcntl(file, F_SETLKW, &mine) == 0 ? 0 : 1;
    });
    usleep(50000);
    ASSERT_EQ(t.fcntl(file, F_SETLK, &unlock), 0);
    EXPECT_EQ(finish(child), 0);
    t.close(file);
}
TEST_F(Processes, DeathFreesLocks) {
    make("/a");
    int file = opened("/a", O_RDWR);
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    pid_t child = start([&] {
        auto mine = range(F_WRLCK, 0, 0);
        bool ok = t.fcntl(file, F_SETLK, &mine) == 0 && ::write(ready[1], "x", 1) == 1;
        pause();
        return ok ? 0 : 1;
    });
    char byte;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    auto lock = range(F_WRLCK, 0, 0);
    EXPECT_EQ(t.fcntl(file, F_SETLK, &lock), -EAGAIN);
    kill(child, SIGKILL);
    EXPECT_EQ(finish(child), 1000 + SIGKILL);
    EXPECT_EQ(t.fcntl(file, F_SETLK, &lock), 0);
    ::close(ready[0]);
    ::close(ready[1]);
    t.close(file);
}
TEST_F(Processes, CycleOfWaitsIsADeadlock) {
    make("/a");
    int file = opened("/a", O_RDWR);
    auto first = range(F_WRLCK, 0, 1), second = range(F_WRLCK, 1, 1);
    ASSERT_EQ(t.fcntl(file, F_SETLK, &first), 0);
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    pid_t child = start([&] {
        auto mine = range(F_WRLCK, 1, 1), theirs = range(F_WRLCK, 0, 1);
        bool ok = t.fcntl(file, F_SETLK, &mine) == 0 && ::write(ready[1], "x", 1) == 1;
        return ok && t.fcntl(file, F_SETLKW, &theirs) == 0 ? 0 : 1;
    });
    char byte;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    usleep(100000); // the child waits by now
    EXPECT_EQ(t.fcntl(file, F_SETLKW, &second), -EDEADLK);
    auto unlock = range(F_UNLCK, 0, 0);
    t.fcntl(file, F_SETLK, &unlock);
    EXPECT_EQ(finish(child), 0);
    ::close(ready[0]);
    ::close(ready[1]);
    t.close(file);
}
TEST_F(Processes, DescriptionLocksBelongToTheOpen) {
    make("/a");
    int one = opened("/a", O_RDWR), two = opened("/a", O_RDWR), same = static_cast<int>(t.dup(one));
    auto lock = range(F_WRLCK, 0, 0);
    ASSERT_EQ(t.fcntl(one, F_OFD_SETLK, &lock), 0);
    EXPECT_EQ(t.fcntl(same, F_OFD_SETLK, &lock), 0);
    EXPECT_EQ(t.fcntl(two, F_OFD_SETLK, &lock), -EAGAIN);
    EXPECT_EQ(t.fcntl(two, F_SETLK, &lock), -EAGAIN) << "seen by POSIX locks too";
    t.close(one);
    EXPECT_EQ(t.fcntl(two, F_OFD_SETLK, &lock), -EAGAIN) << "held by the duplicate";
    t.close(same);
    EXPECT_EQ(t.fcntl(two, F_OFD_SETLK, &lock), 0);
    t.close(two);
}
TEST_F(Processes, FlockByDescription) {
    make("/a");
    int one = opened("/a", O_RDONLY), two = opened("/a", O_RDONLY);
    EXPECT_EQ(t.flock(one, LOCK_EX), 0);
    EXPECT_EQ(t.flock(two, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
    EXPECT_EQ(in_child([&] { return t.flock(one, LOCK_UN) == 0 ? 0 : 1; }), 0) << "a child shares it";
    EXPECT_EQ(t.flock(two, LOCK_SH | LOCK_NB), 0);
    EXPECT_EQ(t.flock(one, LOCK_SH | LOCK_NB), 0);
    EXPECT_EQ(t.flock(one, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
    EXPECT_EQ(t.flock(one, 0), -EINVAL);
    t.close(one);
    t.close(two);
}
TEST_F(Processes, PrivateMappingKeepsItsStores) {
    make("/a", std::string(8192, 'x'));
    int file = opened("/a", O_RDONLY);
    auto *map = static_cast<char *>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
    ASSERT_NE(map, MAP_FAILED);
    t.close(file);
    EXPECT_EQ(map[5000], 'x');
    map[5000] = 'y';
    EXPECT_TRUE(content("/a") == std::string(8192, 'x'));
    munmap(map, 8192);
}
TEST_F(Processes, SharedMappingIsTheFile) {
    make("/a", std::string(8192, 'x'));
    int file = opened("/a", O_RDWR);
    auto *map = static_cast<char *>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    ASSERT_NE(map, MAP_FAILED);
    map[5000] = 'y';
    char byte = 0;
    EXPECT_EQ(t.pread(file, &byte, 1, 5000), 1);
    EXPECT_EQ(byte, 'y');
    EXPECT_EQ(t.pwrite(file, "z", 1, 100), 1);
    EXPECT_EQ(map[100], 'z');
    std::string page(4096, 'p');
    EXPECT_EQ(t.pwrite(file, page.data(), 4096, 4096), 4096);
    EXPECT_EQ(map[5000], 'p');
    EXPECT_EQ(in_child([&] {
                  map[1] = 'c';
                  return msync(map, 8192, MS_SYNC) == 0 ? 0 : 1;
              }),
              0);
    EXPECT_EQ(t.pread(file, &byte, 1, 1), 1);
    EXPECT_EQ(byte, 'c');
    munmap(map, 8192);
    t.close(file);
}
TEST_F(Processes, MappingOutlivesNameAndDescriptor) {
    make("/a", std::string(4096, 'x'));
    int file = opened("/a", O_RDWR);
    auto *map = static_cast<char *>(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0));
    ASSERT_NE(map, MAP_FAILED);
    t.close(file);
    ASSERT_EQ(t.unlink("/a"), 0);
    make("/b", std::string(65536, 'b')); // would reuse the block if it had been freed
    EXPECT_EQ(map[77], 'x');
    munmap(map, 4096);
}
TEST_F(Processes, MappingErrors) {
    make("/a", "abc");
    int reader = opened("/a", O_RDONLY), writer = opened("/a", O_WRONLY);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_WRITE, MAP_SHARED, reader, 0), MAP_FAILED);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, writer, 0), MAP_FAILED);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, reader, 100), MAP_FAILED);
    EXPECT_EQ(errno, EINVAL);
    t.close(reader);
    t.close(writer);
}
TEST_F(Processes, WorkingDirectoryOfAChild) {
    ASSERT_EQ(t.mkdir("/d"), 0);
    EXPECT_EQ(in_child([&] {
                  char buffer[4096];
                  if (chdir(t.real_path("/d").c_str()) != 0 || !getcwd(buffer, sizeof(buffer)))
                      return 1;
                  if (t.real_path("/d") != buffer)
                      return 2;
                  return t.open("x", O_CREAT | O_WRONLY, 0600) >= 0 ? 0 : 3;
              }),
              0);
    EXPECT_TRUE(exists("/d/x"));
}

TEST_F(Processes, FlockIsLostByAConversionThatFails) {
    make("/f");
    const int one = opened("/f", O_RDWR), two = opened("/f", O_RDWR);
    EXPECT_EQ(t.flock(one, LOCK_SH), 0);
    EXPECT_EQ(t.flock(two, LOCK_SH), 0);
    EXPECT_EQ(t.flock(one, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
    EXPECT_EQ(t.flock(two, LOCK_EX | LOCK_NB), 0) << "the first one has lost its own";
    EXPECT_EQ(t.flock(one, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
    t.close(one);
    t.close(two);
}
TEST_F(Processes, TwoFlockConversionsDoNotWaitForEachOther) {
    make("/f");
    const int mine = opened("/f", O_RDWR);
    EXPECT_EQ(t.flock(mine, LOCK_SH), 0);
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        const int its = static_cast<int>(t.open("/f", O_RDWR));
        bool ok = t.flock(its, LOCK_SH) == 0 && ::write(ready[1], "r", 1) == 1 && t.flock(its, LOCK_EX) == 0;
        _exit(ok ? 0 : 1);
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::usleep(20'000);
    EXPECT_EQ(t.flock(mine, LOCK_EX), 0);
    EXPECT_EQ(t.flock(mine, LOCK_UN), 0);
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    t.close(mine);
}
// It shares its parent's memory (CLONE_VM), is a process of its own and is not waited for.
TEST_F(Processes, AProcessInOurMemoryEndsAlone) {
    const auto rounds = [&] {
        static char stack[65536];
        for (int round = 0; round < 50; round++) {
            std::string name = "/f" + std::to_string(round);
            const pid_t child = ::clone([](void *) -> int { _exit(7); }, stack + sizeof stack,
                                        CLONE_VM | CLONE_FILES | SIGCHLD, nullptr);
            make(name, "abc");
            if (child < 0 || finish(child) != 7 || content(name) != "abc")
                return 1;
        }
        return 0;
    };
    const pid_t one = start(rounds);
    EXPECT_EQ(finish(one), 0);
    EXPECT_EQ(content("/f49"), "abc");
    // Our state is still our own: a fork child is served, and so is what it makes.
    EXPECT_EQ(in_child([&] { return content("/f0") == "abc" ? 0 : 1; }), 0);
}
} // namespace
} // namespace posix
