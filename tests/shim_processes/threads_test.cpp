// What threads of one process share and what they do not, as Linux has it.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <future>
#include <linux/close_range.h>
#include <sched.h>
#include <spawn.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

extern char **environ;

namespace {

std::string in_pool(const std::string &name) {
    return std::string(getenv("POOL_DIRECTORY")) + "/" + name;
}

constexpr uid_t user = 1000;

struct Made {
    uid_t uid;
    mode_t mode;
    bool operator==(const Made &) const = default;
};

// What a file is made like by who calls.
Made make_file(const char *name) {
    const int made = open(in_pool(name).c_str(), O_CREAT | O_RDWR, 0666);
    struct stat status = {};
    if (made < 0 || fstat(made, &status) != 0)
        return {static_cast<uid_t>(-1), static_cast<mode_t>(errno)};
    close(made);
    unlink(in_pool(name).c_str());
    return {status.st_uid, status.st_mode & 0777};
}

void in_thread(const std::function<void()> &body) {
    std::thread(body).join();
}

// One thread's table of descriptors stays its process's.
TEST(Threads, DescriptorsStayShared) {
    std::promise<void> has_ended;
    std::thread other([&] { has_ended.get_future().wait(); });
    EXPECT_EQ(unshare(CLONE_FILES | CLONE_FS), -1);
    EXPECT_EQ(errno, EINVAL);
    constexpr unsigned none = 1 << 20;
    EXPECT_EQ(close_range(none, none, CLOSE_RANGE_UNSHARE), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(close_range(none, none, 0), 0);
    EXPECT_EQ(unshare(CLONE_FS), 0);
    const auto part = [] { return unshare(CLONE_FILES) != 0 || close_range(none, none, CLOSE_RANGE_UNSHARE) != 0; };
    int status = 0;
    pid_t child = fork(); // it has one thread
    if (child == 0)
        _exit(part());
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    child = vfork();
    if (child == 0)
        _exit(part());
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    has_ended.set_value();
    other.join();
}

// The kernel's calls change one thread's, libc's all threads'. The umask is everybody's.
TEST(Threads, CredentialsAreTheirOwn) {
    if (geteuid() != 0)
        GTEST_SKIP() << "root alone has another user to be";
    chmod(in_pool("").c_str(), 0777);
    close(open(in_pool("roots").c_str(), O_CREAT | O_RDWR, 0600));
    const auto may_open = [] {
        const int opened = open(in_pool("roots").c_str(), O_RDONLY);
        close(opened);
        return opened >= 0;
    };
    EXPECT_EQ(make_file("one"), (Made{0, 0644}));
    std::promise<void> is_user, has_looked, has_made, has_masked;
    std::thread other([&] {
        EXPECT_TRUE(may_open());
        syscall(SYS_setfsuid, user);
        is_user.set_value();
        has_looked.get_future().wait();
        EXPECT_FALSE(may_open());
        EXPECT_EQ(make_file("two"), (Made{user, 0644}));
        in_thread([] { EXPECT_EQ(make_file("three"), (Made{user, 0644})); });
        int status = 0;
        const pid_t child = fork();
        if (child == 0) {
            bool is_right = make_file("four") == Made{user, 0644};
            in_thread([&] { is_right = is_right && make_file("five") == Made{user, 0644}; });
            _exit(is_right ? 0 : 1);
        }
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
        has_made.set_value();
        has_masked.get_future().wait();
        EXPECT_EQ(make_file("six"), (Made{user, 0600}));
    });
    is_user.get_future().wait();
    EXPECT_TRUE(may_open());
    EXPECT_EQ(make_file("seven"), (Made{0, 0644}));
    in_thread([] { EXPECT_EQ(make_file("eight"), (Made{0, 0644})); });
    has_looked.set_value();
    has_made.get_future().wait();
    const mode_t former = umask(077);
    has_masked.set_value();
    other.join();
    umask(former);
    std::promise<void> is_there, all_are_user;
    std::thread one([&] {
        EXPECT_EQ(make_file("nine"), (Made{0, 0644}));
        is_there.set_value();
        all_are_user.get_future().wait();
        EXPECT_EQ(make_file("ten"), (Made{user, 0644}));
    });
    is_there.get_future().wait();
    ASSERT_EQ(seteuid(user), 0);
    EXPECT_EQ(make_file("eleven"), (Made{user, 0644}));
    all_are_user.set_value();
    one.join();
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_EQ(make_file("twelve"), (Made{0, 0644}));
}

// How many descriptors a process has by which somebody lives in the pool.
int places_of(pid_t process) {
    const std::string directory = "/proc/" + std::to_string(process) + "/fd/";
    DIR *descriptors = opendir(directory.c_str());
    int count = 0;
    while (const dirent *entry = readdir(descriptors)) {
        char target[PATH_MAX] = {};
        if (readlink((directory + entry->d_name).c_str(), target, sizeof target - 1) > 0 &&
            strstr(target, "/segment") != nullptr)
            count++;
    }
    closedir(descriptors);
    return count;
}

void end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
}

// A child that had another one's place beside its own would keep it alive when it is dead, and its locks with it.
TEST(Threads, ForkAtOnce) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&] {
            for (int round = 0; round < 100; round++) {
                int ends[2];
                char byte = 0;
                ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
                const auto child = static_cast<pid_t>(syscall(SYS_fork)); // libc's lets one thread fork at a time
                if (child == 0) {
                    static_cast<void>(syscall(SYS_write, ends[1], "", 1));
                    syscall(SYS_pause);
                }
                ASSERT_EQ(read(ends[0], &byte, 1), 1);
                wrong += places_of(child) != 1;
                end(child);
                close(ends[0]);
                close(ends[1]);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
}

// The number is a file's at every moment, so it is one in every child.
TEST(Threads, ForkBesideDup2) {
    const int files[] = {open(in_pool("dup2-one").c_str(), O_CREAT | O_RDWR, 0644),
                         open(in_pool("dup2-other").c_str(), O_CREAT | O_RDWR, 0644)};
    const int number = dup(files[0]);
    ASSERT_GE(number, 0);
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        for (unsigned i = 0; !is_over; i++)
            if (dup2(files[i % 2], number) != number)
                return;
    });
    int wrong = 0;
    for (int round = 0; round < 200; round++) {
        const pid_t child = fork();
        if (child == 0) {
            struct stat status;
            _exit(fstat(number, &status) == 0 && S_ISREG(status.st_mode) ? 0 : 1);
        }
        int status = -1;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        wrong += status != 0;
    }
    is_over = true;
    other.join();
    EXPECT_EQ(wrong, 0);
    for (const int file : {files[0], files[1], number})
        close(file);
}

// A number that another thread is just opening is a file in the child, or none; not one that is taken for nothing.
TEST(Threads, ForkBesideOpens) {
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        while (!is_over)
            close(open(in_pool("cut").c_str(), O_CREAT | O_TRUNC | O_RDWR, 0644));
    });
    int wrong = 0;
    for (int round = 0; round < 200; round++) {
        const pid_t child = fork();
        if (child == 0) {
            int bad = 0;
            DIR *numbers = opendir("/proc/self/fd");
            while (const dirent *entry = readdir(numbers)) {
                struct stat status;
                bad += entry->d_name[0] != '.' && atoi(entry->d_name) < 100 && fstat(atoi(entry->d_name), &status) != 0;
            }
            _exit(bad);
        }
        int status = -1;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        wrong += status != 0;
    }
    is_over = true;
    other.join();
    EXPECT_EQ(wrong, 0);
}

// One that waits for a fifo's other end does not hold up a fork: the child may be that end.
TEST(Threads, ForkBesideAFifoThatWaits) {
    const std::string fifo = in_pool("waited-for");
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    std::atomic<int> read_end = -1;
    std::thread other([&] { read_end = open(fifo.c_str(), O_RDONLY); });
    usleep(50'000);
    const pid_t child = fork();
    if (child == 0)
        _exit(open(fifo.c_str(), O_WRONLY) >= 0 ? 0 : 1);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    other.join();
    EXPECT_GE(read_end, 0);
    close(read_end);
}

// A thread that was joined is none.
TEST(Threads, PartsDescriptorsAfterJoin) {
    const pid_t child = fork();
    if (child == 0) {
        for (int round = 0; round < 300; round++) {
            std::thread([] {}).join();
            if (unshare(CLONE_FILES) != 0 || close_range(1 << 20, 1 << 20, CLOSE_RANGE_UNSHARE) != 0)
                _exit(1);
        }
        _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

// Each of two threads gives one number its own file: none of them stays open when all numbers are closed.
TEST(Threads, Dup2OntoOneNumberAtOnce) {
    const std::string names[] = {in_pool("onto-one"), in_pool("onto-other")};
    constexpr int number = 200;
    for (int round = 0; round < 300; round++) {
        int files[2];
        for (int i = 0; i < 2; i++) {
            files[i] = open(names[i].c_str(), O_CREAT | O_RDWR, 0644);
            ASSERT_GE(files[i], 0);
            ASSERT_EQ(flock(files[i], LOCK_EX | LOCK_NB), 0) << "round " << round << ", file " << i;
        }
        std::atomic<int> ready = 0;
        const auto onto = [&](int file) {
            for (ready++; ready < 2;)
                ;
            for (int i = 0; i < 100; i++)
                EXPECT_EQ(dup2(file, number), number);
        };
        std::thread other([&] { onto(files[1]); });
        onto(files[0]);
        other.join();
        for (const int file : {files[0], files[1], number})
            EXPECT_EQ(close(file), 0);
    }
}

TEST(Threads, SpawnBesideExecsThatFail) {
    const std::string broken = in_pool("broken-program");
    const int file = open(broken.c_str(), O_CREAT | O_WRONLY, 0755);
    ASSERT_EQ(write(file, "\177ELF and nothing", 16), 16);
    close(file);
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        char *words[] = {const_cast<char *>("broken"), nullptr};
        while (!is_over)
            execv(broken.c_str(), words);
    });
    int wrong = 0;
    for (int round = 0; round < 100; round++) {
        int in[2];
        int out[2];
        char byte = 0;
        ASSERT_EQ(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, in[0], 0);
        posix_spawn_file_actions_adddup2(&actions, out[1], 1);
        char *words[] = {const_cast<char *>("cat"), nullptr};
        pid_t child = -1;
        ASSERT_EQ(posix_spawn(&child, "/bin/cat", &actions, nullptr, words, environ), 0);
        posix_spawn_file_actions_destroy(&actions);
        ASSERT_EQ(write(in[1], "x", 1), 1);
        ASSERT_EQ(read(out[0], &byte, 1), 1); // it has begun
        wrong += places_of(child) != 1;
        end(child);
        for (const int descriptor : {in[0], in[1], out[0], out[1]})
            close(descriptor);
    }
    is_over = true;
    other.join();
    EXPECT_EQ(wrong, 0);
}

} // namespace
