// random_processes DIRECTORY: open files and what else a process has (their flags and offsets, working directory,
// umask) through drawn calls, forks, vforks, spawns, threads, executions and deaths; what each call gives, and what it
// has changed, is a line (compare_script.sh compares them with Linux's). RANDOM_CALLS_SEED, RANDOM_CALLS_COUNT: another
// series, and how long it is.
//
//   process ── fork ──► child ── some calls, a fork or an execution ──► exit or SIGKILL
//      │ <──────────────── waits ──────────────────────────────────────────┘
//      └── executes itself and goes on where it was
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace random_calls;

namespace {

constexpr int first_number = 3, number_end = 40; // what is looked at; the kernel gives the lowest
constexpr int sockets[2] = {60, 61};             // descriptors are sent from one to the other
constexpr unsigned max_depth = 2;
constexpr long depth_stride = 1L << 24; // of the seeds of children's calls
constexpr const char *names[] = {"f", "g", "h", "d", "d/f", "d/g", "d/e", "n0", "n1", "d/n0", ".", "../w/f", "d/../g"};

std::string program; // this one
std::string top;     // where all bases are, and a copy of the program
long call_number;
long calls_left; // of this process
unsigned depth;
std::array<std::string, number_end> known; // what was told of each number last

const char *name() {
    static std::string held[2];
    static unsigned turn = 0;
    std::string &to = held[turn++ % 2];
    to = names[draw(std::size(names))];
    const uint64_t kind = draw(10);
    if (kind == 0)
        to = base + "/" + to;
    if (kind == 1 && !other.empty())
        to = other + "/" + to;
    tell(kind == 0                     ? "/" + to.substr(base.size())
         : kind == 1 && !other.empty() ? "other/" + to.substr(other.size())
                                       : to);
    return to.c_str();
}
int number() {
    return static_cast<int>(told("fd", first_number + static_cast<int>(draw(14))));
}
// One that nothing waits at.
int file_number() {
    const int file = number();
    struct stat status = {};
    return fstat(file, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) ? -1 : file;
}
// At the limit of open files a path's own error may come first, here and there.
long unless_full(long descriptor) {
    if (descriptor >= 0 || errno == EMFILE)
        return descriptor;
    const int number_of_error = errno;
    const int more = dup(STDIN_FILENO);
    close(more);
    errno = more < 0 ? EMFILE : number_of_error;
    return -1;
}
// A new number is looked at, unless it is too high.
long opened(long descriptor) {
    if (descriptor >= number_end)
        close(static_cast<int>(descriptor));
    return descriptor;
}

std::string without_base(std::string text) {
    for (const std::string *front : {&base, &other})
        if (const size_t at = text.find(*front); !front->empty() && at != text.npos)
            text.replace(at, front->size(), front == &base ? "BASE" : "OTHER");
    return text;
}
std::string description(int file) {
    const int flags = fcntl(file, F_GETFD);
    if (flags < 0)
        return "-";
    struct stat status = {};
    const bool is_known = fstat(file, &status) == 0;
    std::string text = std::to_string(flags) + " " + std::to_string(fcntl(file, F_GETFL)) + " ";
    if (!is_known || S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode))
        return text + "pipe or socket";
    const off_t at = S_ISDIR(status.st_mode) ? 0 : lseek(file, 0, SEEK_CUR);
    text += std::to_string(at) + " " + std::to_string(status.st_mode) + " " +
            std::to_string(S_ISDIR(status.st_mode) ? 0 : status.st_size) + " " + std::to_string(status.st_nlink);
    char link[PATH_MAX + 1] = {};
    if (readlink(("/proc/self/fd/" + std::to_string(file)).c_str(), link, PATH_MAX) < 0)
        return text + " no link";
    const std::string_view name(link);
    return text + " " + (name.ends_with(" (deleted)") ? "deleted" : without_base(link));
}
// What is not as it was told.
void tell_changes() {
    for (int file = first_number; file < number_end; file++) {
        std::string now = description(file);
        if (now == known[static_cast<size_t>(file)])
            continue;
        tell("\n    " + std::to_string(file) + ": " + now);
        known[static_cast<size_t>(file)] = std::move(now);
    }
}
void tell_all() {
    for (std::string &text : known)
        text = "-";
    tell_changes();
    char cwd[PATH_MAX] = {};
    tell(getcwd(cwd, sizeof cwd) != nullptr ? "\n    cwd " + without_base(cwd) : "\n    cwd is gone");
    const mode_t mask = umask(0);
    umask(mask);
    told("umask", mask);
}
void put_line() {
    line += "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        _exit(9);
    line.clear();
}
long ended(pid_t child) {
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return status;
}

void run();

// The arguments of this program as another image: "on": it goes on with the series; "tell": it tells what it has.
struct Arguments {
    std::string texts[6];
    char *pointers[7] = {};

    explicit Arguments(const char *what)
        : texts{program,
                what,
                base,
                other,
                std::to_string(call_number + 1),
                std::to_string(depth) + ":" + std::to_string(calls_left)} {
        for (size_t i = 0; i < std::size(texts); i++)
            pointers[i] = texts[i].data();
    }
};
void end_limit() {
    const struct rlimit limit = {1024, 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
}
const char *image() {
    static std::string held;
    const bool is_copy = draw(6) == 0;
    held = is_copy ? top + "/program" : program;
    tell(is_copy ? "the copy" : "the program");
    end_limit(); // for its libraries
    return held.c_str();
}
long child_of_fork() {
    if (depth >= max_depth)
        return 0;
    const auto calls = static_cast<long>(told("calls", 1 + static_cast<long>(draw(6))));
    const uint64_t end = draw(4);
    const char *as = image();
    put_line();
    const pid_t child = fork();
    if (child != 0)
        return ended(child);
    depth++;
    calls_left = calls;
    call_number = call_number * 8 + depth_stride * depth;
    if (end == 0) {
        Arguments arguments("on");
        execv(as, arguments.pointers);
        _exit(8);
    }
    run();
    if (end == 1)
        raise(SIGKILL);
    _exit(static_cast<int>(end));
}
// The child's child outlives it.
long child_of_child() {
    if (depth >= max_depth)
        return 0;
    put_line();
    end_limit();
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    const int wait_end = fcntl(ends[0], F_DUPFD_CLOEXEC, 50),
              hold_end = fcntl(ends[1], F_DUPFD, 50); // also past an execution
    close(ends[0]), close(ends[1]);
    const pid_t child = fork();
    if (child == 0) {
        if (fork() != 0)
            _exit(5);
        close(wait_end);
        depth++;
        call_number = call_number * 8 + depth_stride * depth;
        calls_left = 3;
        run();
        _exit(0);
    }
    close(hold_end);
    const long status = ended(child);
    char byte = 0;
    const bool is_over = read(wait_end, &byte, 1) == 0; // the grandchild has ended
    close(wait_end);
    return is_over ? status : -1;
}
long child_of_vfork() {
    Arguments arguments("tell");
    const int from = number(), to = number(), closed = number();
    const long kind = told("kind", static_cast<long>(draw(5)));
    const char *path = name();
    const char *as = image();
    put_line();
    const pid_t child = vfork();
    if (child != 0)
        return ended(child);
    dup2(from, to);
    close(closed);
    if (kind == 1)
        call(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT, 0640);
    if (kind == 2)
        call(SYS_chdir, path);
    if (kind == 3)
        call(SYS_lseek, to, 3, SEEK_SET);
    if (kind == 4)
        _exit(6);
    call(SYS_execve, as, arguments.pointers, environ);
    _exit(8);
}
long spawned() {
    Arguments arguments("tell");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const int from = number(), to = number();
    posix_spawn_file_actions_adddup2(&actions, from, to);
    if (draw(2) == 0)
        posix_spawn_file_actions_addopen(&actions, number(), name(), O_RDWR | O_CREAT, 0604);
    if (draw(2) == 0)
        posix_spawn_file_actions_addclose(&actions, number());
    if (draw(3) == 0)
        posix_spawn_file_actions_addchdir_np(&actions, name());
    const char *as = image();
    put_line();
    pid_t child = -1;
    const int failed = posix_spawn(&child, as, &actions, nullptr, arguments.pointers, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed != 0 ? -failed : ended(child);
}
long execute_itself() {
    Arguments arguments("on");
    const char *as = image();
    put_line();
    return execv(as, arguments.pointers);
}
long send_number() {
    const int file = number();
    char byte = 'd';
    struct iovec data = {&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof file)] = {};
    struct msghdr message = {};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(header), &file, sizeof file);
    return sendmsg(sockets[0], &message, MSG_DONTWAIT);
}
long receive_number() {
    char byte = 0;
    struct iovec data = {&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    struct msghdr message = {};
    message.msg_iov = &data, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    const long got = recvmsg(sockets[1], &message, MSG_DONTWAIT | (draw(2) == 0 ? MSG_CMSG_CLOEXEC : 0));
    if (const cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr; header != nullptr) {
        int file = -1;
        std::memcpy(&file, CMSG_DATA(header), sizeof file);
        opened(told("is", file));
    }
    return got;
}
long make_pipe() {
    int ends[2] = {-1, -1};
    const int made = draw(2) == 0 ? pipe2(ends, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    for (const int end : ends)
        opened(end);
    return made;
}
long limit_numbers() {
    struct rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = static_cast<rlim_t>(told("limit", one_of({10, 14, 20, 64, 256, 1024})));
    return setrlimit(RLIMIT_NOFILE, &limit);
}
int opening_flags() {
    const int mode = static_cast<int>(told("mode", one_of({O_RDONLY, O_RDWR, O_RDWR, O_WRONLY})));
    return mode | static_cast<int>(bits({O_CREAT, O_APPEND, O_CLOEXEC})) |
           static_cast<int>(bits({O_TRUNC, O_DIRECTORY, O_PATH, O_EXCL, O_NONBLOCK, O_SYNC}, 8));
}
long in_thread(long (*act)()) {
    long result = 0;
    int number_of_error = 0;
    std::thread([&] { result = act(), number_of_error = errno; }).join();
    errno = number_of_error;
    return result;
}
long open_one() {
    const char *path = name();
    const int flags = opening_flags();
    return opened(unless_full(call(SYS_openat, AT_FDCWD, path, flags, 0666)));
}
long close_one() {
    return close(number());
}
long copy_onto() {
    const int from = number();
    return dup2(from, number());
}

const Kind kinds[] = {
    {"open", open_one, 30},
    {"openat",
     [] {
         const int at = number();
         const char *path = name();
         return opened(unless_full(openat(at, path, opening_flags(), 0666)));
     },
     6},
    {"pipe", make_pipe, 3},
    {"close", close_one, 14},
    {"dup", [] { return opened(dup(number())); }, 6},
    {"dup2", copy_onto, 8},
    {"dup3",
     [] {
         const int from = number();
         return long{dup3(from, number(), draw(2) == 0 ? O_CLOEXEC : 0)};
     },
     6},
    {"F_DUPFD",
     [] {
         const int from = number();
         return opened(fcntl(from, draw(2) == 0 ? F_DUPFD : F_DUPFD_CLOEXEC, number()));
     },
     6},
    {"F_SETFD",
     [] {
         const int file = number();
         return long{fcntl(file, F_SETFD, static_cast<int>(draw(2)))};
     },
     8},
    {"F_SETFL",
     [] {
         const int file = number();
         return long{fcntl(file, F_SETFL, one_of({0, O_APPEND, O_NONBLOCK}))};
     },
     4},
    {"close_range",
     [] {
         const int first = number();
         return call(SYS_close_range, first, first + static_cast<int>(draw(6)), one_of({0, 2, 4, 4, 6}));
     },
     4},
    {"write",
     [] {
         const int file = file_number();
         fill();
         return long{write(file, buffer, draw(300))};
     },
     12},
    {"read",
     [] {
         const int file = file_number();
         const ssize_t got = read(file, buffer, draw(300));
         return got <= 0 ? got : told("hash", static_cast<long>(hash(buffer, static_cast<size_t>(got)) & 0xffff));
     },
     8},
    {"lseek",
     [] {
         const int file = number();
         return is_directory(file)
                    ? -1L
                    : long{lseek(file, static_cast<off_t>(draw(500)), one_of({SEEK_SET, SEEK_CUR, SEEK_END}))};
     },
     6},
    {"unlink", [] { return long{unlink(name())}; }, 6},
    {"rename",
     [] {
         const char *from = name();
         return long{rename(from, name())};
     },
     5},
    {"mkdir", [] { return long{mkdir(name(), 0777)}; }, 3},
    {"rmdir", [] { return long{rmdir(name())}; }, 2},
    {"chdir", [] { return long{chdir(draw(3) == 0 ? base.c_str() : name())}; }, 4},
    {"fchdir", [] { return long{fchdir(number())}; }, 3},
    {"umask",
     [] {
         return long{umask(static_cast<mode_t>(one_of({0, 022, 077, 0777})))};
     },
     3},
    {"limit", limit_numbers, 3},
    {"open in a thread", [] { return in_thread(open_one); }, 2},
    {"close in a thread", [] { return in_thread(close_one); }, 2},
    {"dup2 in a thread", [] { return in_thread(copy_onto); }, 2},
    {"send", send_number, 6},
    {"receive", receive_number, 7},
    {"fork", child_of_fork, 5},
    {"fork twice", child_of_child, 2},
    {"vfork", child_of_vfork, 3},
    {"spawn", spawned, 3},
    {"execute", execute_itself, 2},
};

void run() {
    const Series series = wanted_series();
    for (; calls_left > 0; calls_left--, call_number++) {
        if (depth == 0 && call_number % 250 == 0) { // all begins anew
            for (int file = first_number; file < number_end; file++)
                close(file);
            while (receive_number() > 0)
                ;
            const std::string around = top + "/" + std::to_string(call_number / 250);
            base = around + "/w";
            mkdir(around.c_str(), 0777), mkdir(base.c_str(), 0777);
            if (chdir(base.c_str()) != 0)
                _exit(7);
            umask(0);
            mkdir("d", 0777), mkdir("d/e", 0777);
            for (std::string &text : known)
                text = "-";
            line.clear();
        }
        seed(series.seed_of(call_number));
        make_call(std::string(depth * 2, ' ') + std::to_string(call_number), kinds);
        line.clear();
        tell_changes();
        if (!line.empty())
            put_line();
    }
}

} // namespace

// PROGRAM DIRECTORY, or as Arguments says.
int main(int argc, char **argv) {
    if (argc != 2 && argc != 6)
        return 2;
    setvbuf(stdout, nullptr, _IOLBF, 1 << 16);
    signal(SIGPIPE, SIG_IGN);
    program = argv[0];
    if (argc == 2) {
        top = argv[1];
        other = getenv("OTHER_DIRECTORY") != nullptr ? getenv("OTHER_DIRECTORY") : "";
        chmod(other.c_str(), 0755);
        int ends[2] = {-1, -1};
        if (std::system(("cp '" + program + "' '" + top + "/program'").c_str()) != 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0)
            return 1;
        for (int i = 0; i < 2; i++)
            dup2(ends[i], sockets[i]), close(ends[i]);
        calls_left = wanted_series().calls;
        run();
        return 0;
    }
    base = argv[2];
    top = base.substr(0, base.rfind('/', base.rfind('/') - 1));
    other = argv[3];
    call_number = atol(argv[4]);
    char *calls = nullptr;
    depth = static_cast<unsigned>(strtoul(argv[5], &calls, 10));
    tell_all();
    put_line();
    calls_left = atol(calls + 1) - 1;
    if (argv[1] == std::string_view("on"))
        run();
    return 3;
}
