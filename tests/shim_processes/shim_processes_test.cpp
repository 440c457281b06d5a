// fork, vfork, posix_spawn and exec, as a program under the preload library sees
// them. Run by run_in_pool.sh; $POOL_DIRECTORY is in the pool.
#include <gtest/gtest.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/sched.h>
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

void write_file(const std::string &path, const std::string &text, mode_t mode = 0644) {
    const int descriptor = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, mode);
    ASSERT_GE(descriptor, 0) << path << ": " << strerror(errno);
    ASSERT_EQ(write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    fchmod(descriptor, mode);
    close(descriptor);
}

std::string read_descriptor(int descriptor) {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(descriptor, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<size_t>(got));
    return text;
}

std::string read_file(const std::string &path) {
    const int descriptor = open(path.c_str(), O_RDONLY);
    if (descriptor < 0)
        return "(" + std::string(strerror(errno)) + ")";
    std::string text = read_descriptor(descriptor);
    close(descriptor);
    return text;
}

// Exit code of a child, or 1000 + its signal.
int wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

template <typename Body> int in_child(Body body) {
    const pid_t child = fork();
    if (child == 0)
        _exit(body());
    return wait_for(child);
}

// Output of a shell command, run through fork and exec.
std::string shell(const std::string &command) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
        _exit(99);
    }
    close(ends[1]);
    std::string text = read_descriptor(ends[0]);
    close(ends[0]);
    wait_for(child);
    return text;
}

TEST(Fork, SharesOffsets) {
    const int descriptor = open(in_pool("offsets").c_str(), O_CREAT | O_RDWR | O_TRUNC, 0644);
    ASSERT_GE(descriptor, 0);
    ASSERT_EQ(write(descriptor, "one ", 4), 4);
    EXPECT_EQ(in_child([&] { return write(descriptor, "two ", 4) == 4 ? 0 : 1; }), 0);
    EXPECT_EQ(lseek(descriptor, 0, SEEK_CUR), 8);
    ASSERT_EQ(write(descriptor, "three", 5), 5);
    close(descriptor);
    EXPECT_EQ(read_file(in_pool("offsets")), "one two three");
}

TEST(Fork, ChildKeepsAnUnlinkedFileOfItsDeadParent) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t parent = fork();
    if (parent == 0) {
        const int descriptor = open(in_pool("gone").c_str(), O_CREAT | O_RDWR, 0644);
        unlink(in_pool("gone").c_str());
        if (fork() == 0) {
            usleep(100000); // the parent has ended
            const bool good = write(descriptor, "still here", 10) == 10 && lseek(descriptor, 0, SEEK_SET) == 0;
            const std::string text = good ? read_descriptor(descriptor) : "cannot write";
            _exit(write(ends[1], text.data(), text.size()) > 0 ? 0 : 1);
        }
        _exit(0);
    }
    close(ends[1]);
    EXPECT_EQ(wait_for(parent), 0);
    EXPECT_EQ(read_descriptor(ends[0]), "still here");
    close(ends[0]);
}

TEST(Fork, RecordLocksAreTheProcessesOwn) {
    const int descriptor = open(in_pool("lock").c_str(), O_CREAT | O_RDWR, 0644);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_len = 10;
    ASSERT_EQ(fcntl(descriptor, F_SETLK, &lock), 0);
    EXPECT_EQ(in_child([&] { return fcntl(descriptor, F_SETLK, &lock) < 0 && errno == EAGAIN ? 0 : 1; }), 0);
    // flock belongs to the description, which the child shares.
    ASSERT_EQ(flock(descriptor, LOCK_EX), 0);
    EXPECT_EQ(in_child([&] { return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : 1; }), 0);
    close(descriptor);
}

TEST(Fork, ManyChildrenAtOnce) {
    std::vector<pid_t> children;
    for (int i = 0; i < 40; i++) {
        const pid_t child = fork();
        ASSERT_GE(child, 0) << i << ": " << strerror(errno);
        if (child == 0) {
            const std::string path = in_pool("child" + std::to_string(i));
            const int descriptor = open(path.c_str(), O_CREAT | O_WRONLY, 0644);
            const bool good = descriptor >= 0 && write(descriptor, "x", 1) == 1;
            _exit(good ? 0 : 1);
        }
        children.push_back(child);
    }
    for (const pid_t child : children)
        EXPECT_EQ(wait_for(child), 0);
}

TEST(Fork, KilledChildrenLeaveNoSlots) {
    for (int i = 0; i < 600; i++) { // more than there are process slots
        const pid_t child = fork();
        ASSERT_GE(child, 0) << i << ": " << strerror(errno);
        if (child == 0) {
            close(open(in_pool("killed").c_str(), O_CREAT | O_RDWR, 0644));
            kill(getpid(), SIGKILL);
        }
        EXPECT_EQ(wait_for(child), 1000 + SIGKILL);
    }
}

// More ends of processes, of each kind, than there are thread slots (2048).
TEST(Fork, EndsLeaveNoThreadSlots) {
    const std::string path = in_pool("ended");
    for (int i = 0; i < 2200; i++) {
        const pid_t child = fork();
        ASSERT_GE(child, 0) << i << ": " << strerror(errno);
        if (child == 0) {
            const int descriptor = open(path.c_str(), O_CREAT | O_RDWR, 0644);
            if (descriptor < 0)
                _exit(1);
            if (i % 20 == 0)
                execl("/bin/true", "true", nullptr);
            if (i % 20 == 1)
                std::thread([] {
                    close(open(in_pool("ended").c_str(), O_RDONLY));
                    _exit(0);
                }).join();
            _exit(0);
        }
        ASSERT_EQ(wait_for(child), 0) << i;
    }
}

TEST(Fork, FromAThread) {
    std::thread([] {
        EXPECT_EQ(in_child([] { return access(in_pool("").c_str(), F_OK); }), 0);
        write_file(in_pool("thread"), "of a thread");
    }).join();
    EXPECT_EQ(read_file(in_pool("thread")), "of a thread");
}

TEST(Vfork, ChildsDescriptorsAndDirectoryAreItsOwn) {
    mkdir(in_pool("directory").c_str(), 0755);
    const int descriptor = open(in_pool("mine").c_str(), O_CREAT | O_RDWR, 0644);
    char before[PATH_MAX];
    ASSERT_NE(getcwd(before, sizeof before), nullptr);
    const std::string directory = in_pool("directory");
    const pid_t child = vfork();
    if (child == 0) {
        close(descriptor);
        if (chdir(directory.c_str()) != 0)
            _exit(1);
        const int other = open("inner", O_CREAT | O_RDWR, 0644);
        if (other != descriptor) // the lowest free number
            _exit(2);
        _exit(write(other, "inner", 5) == 5 ? 0 : 3);
    }
    EXPECT_EQ(wait_for(child), 0);
    char after[PATH_MAX];
    ASSERT_NE(getcwd(after, sizeof after), nullptr);
    EXPECT_STREQ(before, after);
    EXPECT_EQ(write(descriptor, "mine", 4), 4);
    close(descriptor);
    EXPECT_EQ(read_file(in_pool("mine")), "mine");
    EXPECT_EQ(read_file(in_pool("directory/inner")), "inner");
}

TEST(Vfork, ChildExecs) {
    const std::string command = "echo from vfork > " + in_pool("vforked");
    const char *words[] = {"sh", "-c", command.c_str(), nullptr};
    const pid_t child = vfork();
    if (child == 0) {
        execve("/absent/program", const_cast<char **>(words), environ);
        execve("/bin/sh", const_cast<char **>(words), environ);
        _exit(99);
    }
    EXPECT_EQ(wait_for(child), 0);
    EXPECT_EQ(read_file(in_pool("vforked")), "from vfork\n");
}

volatile int log_descriptor = -1;

void reopen_log(int) {
    close(log_descriptor);
    log_descriptor = open(in_pool("log.new").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
}

// A handler that runs as soon as the child has gone is the parent's, and so is what it opens and closes.
TEST(Vfork, ParentsHandlerAtItsEnd) {
    struct sigaction action = {};
    action.sa_handler = reopen_log;
    struct sigaction former;
    ASSERT_EQ(sigaction(SIGUSR1, &action, &former), 0);
    log_descriptor = open(in_pool("log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
    const pid_t parent = getpid();
    const pid_t child = vfork();
    if (child == 0) {
        kill(parent, SIGUSR1);
        sigset_t blocked;
        sigprocmask(SIG_BLOCK, nullptr, &blocked);
        _exit(sigismember(&blocked, SIGUSR1));
    }
    EXPECT_EQ(wait_for(child), 0);
    EXPECT_EQ(write(log_descriptor, "new", 3), 3);
    close(log_descriptor);
    EXPECT_EQ(read_file(in_pool("log")), "");
    EXPECT_EQ(read_file(in_pool("log.new")), "new");
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, nullptr, &blocked);
    EXPECT_FALSE(sigismember(&blocked, SIGUSR1));
    sigaction(SIGUSR1, &former, nullptr);
}

__attribute__((noinline)) pid_t vfork_and_create(const char *directory, mode_t mask) {
    const pid_t child = vfork();
    if (child == 0) {
        umask(mask);
        if (chdir(directory) != 0)
            _exit(1);
        const int descriptor = open("made", O_CREAT | O_WRONLY, 0666);
        _exit(descriptor >= 0 && unlink("made") == 0 ? 0 : 2);
    }
    return child;
}

TEST(Vfork, FromManyThreadsAtOnce) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([i] {
            const std::string directory = in_pool("vfork" + std::to_string(i));
            ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
            for (int round = 0; round < 50; round++) {
                const pid_t child = vfork_and_create(directory.c_str(), static_cast<mode_t>(i));
                ASSERT_EQ(wait_for(child), 0);
            }
            EXPECT_EQ(rmdir(directory.c_str()), 0);
        });
    for (std::thread &thread : threads)
        thread.join();
    const mode_t mask = umask(0);
    umask(mask);
    EXPECT_EQ(mask, 022u);
    const int descriptor = open(in_pool("masked").c_str(), O_CREAT | O_WRONLY, 0666);
    struct stat status = {};
    fstat(descriptor, &status);
    EXPECT_EQ(status.st_mode & 0777, 0644u);
    close(descriptor);
}

TEST(Spawn, FileActions) {
    write_file(in_pool("input"), "spawned\n");
    const std::string input = in_pool("input");
    const std::string output = in_pool("output");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 7);
    posix_spawn_file_actions_addchdir_np(&actions, getenv("POOL_DIRECTORY"));
    const char *words[] = {"sh", "-c", "cat; pwd >&7; cat input", nullptr};
    pid_t child = 0;
    ASSERT_EQ(posix_spawn(&child, "/bin/sh", &actions, nullptr, const_cast<char **>(words), environ), 0);
    EXPECT_EQ(wait_for(child), 0);
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(read_file(output), "spawned\n" + std::string(getenv("POOL_DIRECTORY")) + "\nspawned\n");
}

TEST(Exec, InheritsDescriptorsAndOffset) {
    write_file(in_pool("lines"), "first\nsecond\n");
    const int descriptor = open(in_pool("lines").c_str(), O_RDONLY);
    char buffer[6];
    ASSERT_EQ(read(descriptor, buffer, 6), 6);
    ASSERT_EQ(dup2(descriptor, 9), 9);
    EXPECT_EQ(shell("cat <&9"), "second\n");
    EXPECT_EQ(lseek(descriptor, 0, SEEK_CUR), 13);
    ASSERT_EQ(fcntl(9, F_SETFD, FD_CLOEXEC), 0);
    EXPECT_NE(shell("cat <&9").find("9"), std::string::npos); // "Bad file descriptor"
    close(9);
    close(descriptor);
}

TEST(Exec, KeepsTheWorkingDirectory) {
    mkdir(in_pool("here").c_str(), 0755);
    write_file(in_pool("here/file"), "found");
    EXPECT_EQ(shell("cd " + in_pool("here") + " && exec /bin/sh -c 'exec cat file'"), "found");
    EXPECT_EQ(shell("cd " + in_pool("here") + " && rmdir ../absent 2>/dev/null; /bin/pwd"), in_pool("here") + "\n");
}

TEST(Exec, RestoresTheEnvironment) {
    const char *words[] = {"sh", "-c", "cat \"$0\"; echo ${PMEMFILE_HANDOVER-none}", nullptr, nullptr};
    write_file(in_pool("plain"), "seen ");
    const std::string path = in_pool("plain");
    words[3] = path.c_str();
    const char *empty[] = {"PATH=/usr/bin:/bin", nullptr};
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execve("/bin/sh", const_cast<char **>(words), const_cast<char **>(empty));
        _exit(99);
    }
    close(ends[1]);
    EXPECT_EQ(read_descriptor(ends[0]), "seen none\n");
    close(ends[0]);
    EXPECT_EQ(wait_for(child), 0);
}

TEST(Exec, ProgramsAndScriptsInThePool) {
    EXPECT_EQ(shell("cp /bin/echo " + in_pool("my-echo") + " && " + in_pool("my-echo") + " hello"), "hello\n");
    write_file(in_pool("script"), "#!/bin/sh -e\necho \"$0\" \"$@\"\n", 0755);
    EXPECT_EQ(shell(in_pool("script") + " a b"), in_pool("script") + " a b\n");
    write_file(in_pool("nested"), "#!" + in_pool("script") + " option\n", 0755);
    EXPECT_EQ(shell(in_pool("nested") + " c"), in_pool("script") + " option " + in_pool("nested") + " c\n");
    EXPECT_EQ(shell("cd " + in_pool("") + " && ./script x"), "./script x\n");
}

int error_of_exec(const std::string &path) {
    return in_child([&] {
        const char *words[] = {"x", nullptr};
        execve(path.c_str(), const_cast<char **>(words), environ);
        return errno;
    });
}

TEST(Exec, Errors) {
    write_file(in_pool("no-permission"), "#!/bin/sh\n", 0644);
    write_file(in_pool("no-format"), "neither\n", 0755);
    write_file(in_pool("no-interpreter"), "#!/absent/interpreter\n", 0755);
    write_file(in_pool("loop"), "#!" + in_pool("loop") + "\n", 0755);
    write_file(in_pool("empty-interpreter"), "#! \n", 0755);
    EXPECT_EQ(error_of_exec(in_pool("absent")), ENOENT);
    EXPECT_EQ(error_of_exec(in_pool("no-permission")), EACCES);
    EXPECT_EQ(error_of_exec(in_pool("no-format")), ENOEXEC);
    EXPECT_EQ(error_of_exec(in_pool("no-interpreter")), ENOENT);
    EXPECT_EQ(error_of_exec(in_pool("loop")), ELOOP);
    EXPECT_EQ(error_of_exec(in_pool("empty-interpreter")), ENOEXEC);
    EXPECT_EQ(error_of_exec(getenv("POOL_DIRECTORY")), EACCES);
    EXPECT_EQ(error_of_exec(in_pool("no-format/below")), ENOTDIR);
    EXPECT_EQ(error_of_exec(""), ENOENT);
    EXPECT_EQ(in_child([] {
                  syscall(SYS_execve, 8, nullptr, nullptr);
                  return errno;
              }),
              EFAULT);
    // A failed exec has changed nothing.
    EXPECT_EQ(in_child([] {
                  const int descriptor = open(in_pool("after").c_str(), O_CREAT | O_RDWR, 0644);
                  execl(in_pool("absent").c_str(), "x", nullptr);
                  return write(descriptor, "x", 1) == 1 ? 0 : 1;
              }),
              0);
}

TEST(Exec, ByDescriptor) {
    write_file(in_pool("by-descriptor"), "#!/bin/sh\necho by descriptor\n", 0755);
    EXPECT_EQ(in_child([] {
                  const int descriptor = open(in_pool("my-echo").c_str(), O_PATH);
                  dup2(open(in_pool("out").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644), 1);
                  const char *words[] = {"echo", "fexecve", nullptr};
                  fexecve(descriptor, const_cast<char **>(words), environ);
                  return errno;
              }),
              0);
    EXPECT_EQ(read_file(in_pool("out")), "fexecve\n");
    EXPECT_EQ(in_child([] {
                  const int descriptor = open(in_pool("by-descriptor").c_str(), O_RDONLY);
                  dup2(open(in_pool("out").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644), 1);
                  const char *words[] = {"x", nullptr};
                  fexecve(descriptor, const_cast<char **>(words), environ);
                  return errno;
              }),
              0);
    EXPECT_EQ(read_file(in_pool("out")), "by descriptor\n");
}

// Two memories with one table of descriptors: what a number stands for would be known to one of them only.
TEST(Fork, SharedDescriptorsAreRefused) {
    EXPECT_EQ(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    struct clone_args arguments = {};
    arguments.flags = CLONE_FILES | CLONE_FS;
    arguments.exit_signal = SIGCHLD;
    EXPECT_EQ(syscall(SYS_clone3, &arguments, sizeof arguments), -1);
    EXPECT_EQ(errno, EINVAL);
}

// The kernel's part of a working directory is shared, ours is not.
TEST(Fork, SharedWorkingDirectory) {
    write_file(in_pool("beside"), "beside");
    mkdir(in_pool("below").c_str(), 0755);
    char before[PATH_MAX];
    ASSERT_NE(getcwd(before, sizeof before), nullptr);
    ASSERT_EQ(chdir(in_pool("").c_str()), 0);
    const long child = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    ASSERT_GE(child, 0);
    if (child == 0)
        _exit(chdir("below") == 0 && access("../beside", F_OK) == 0 ? 0 : 1);
    EXPECT_EQ(wait_for(static_cast<pid_t>(child)), 0);
    EXPECT_EQ(read_file("beside"), "beside");
    EXPECT_EQ(chdir(before), 0);
}

TEST(Exec, WithOtherThreadsInCalls) {
    EXPECT_EQ(in_child([] {
                  for (int i = 0; i < 3; i++)
                      std::thread([i] {
                          const int descriptor =
                              open(in_pool("busy" + std::to_string(i)).c_str(), O_CREAT | O_RDWR, 0644);
                          char block[8192] = {};
                          for (;;)
                              if (pwrite(descriptor, block, sizeof block, 0) < 0)
                                  _exit(3);
                      }).detach();
                  usleep(20000);
                  execl("/bin/sh", "sh", "-c", ("exec cat " + in_pool("plain") + " >/dev/null").c_str(), nullptr);
                  return 1;
              }),
              0);
}

// Which each fork copies.
TEST(Run, TablesOfDescriptorsStaySmall) {
    write_file(in_pool("opened"), "");
    const std::string size = shell("exec 3<" + in_pool("opened") + "; sed -n 's/^FDSize:\\t//p' /proc/$$/status");
    EXPECT_LE(atoi(size.c_str()), 1024) << size;
    EXPECT_GT(atoi(size.c_str()), 0) << size;
}

TEST(Run, ExitCodes) {
    const std::string run =
        std::string(getenv("PMEMFILE")) + " run -m " + getenv("POOL_DIRECTORY") + "=" + getenv("POOL") + " -- ";
    EXPECT_EQ(WEXITSTATUS(system((run + "sh -c 'exit 7'").c_str())), 7);
    EXPECT_EQ(WEXITSTATUS(system((run + "/absent/program 2>/dev/null").c_str())), 127);
    EXPECT_EQ(WEXITSTATUS(system((run + "/etc/passwd 2>/dev/null").c_str())), 126);
    EXPECT_EQ(WEXITSTATUS(system((std::string(getenv("PMEMFILE")) + " run -m " + getenv("POOL_DIRECTORY") +
                                  "=/absent/pool -- true 2>/dev/null")
                                     .c_str())),
              125);
    // Behind the tool's back: the constructor must refuse too.
    EXPECT_EQ(WEXITSTATUS(system("PMEMFILE_POOLS=/tmp=/absent/pool /bin/true 2>/dev/null")), 125);
}

} // namespace
