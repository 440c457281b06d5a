// Calls that wait in the kernel for a file of a pool, or on a path that has left it, and handlers that make such calls
// meanwhile. The same on tmpfs (compare_script.sh).
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr long first_signal_us = 30'000;
constexpr useconds_t late_us = 150'000; // behind the first signal
constexpr size_t file_bytes = 1 << 20;

std::function<void()> in_handler;
volatile int handled = 0;

void handler(int) {
    const int before = errno;
    in_handler();
    handled = handled + 1;
    errno = before;
}

// One SIGALRM soon, or one every `again_us`.
void expect_signal(bool restarts, std::function<void()> body, long again_us = 0) {
    in_handler = std::move(body);
    handled = 0;
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = restarts ? SA_RESTART : 0;
    sigaction(SIGALRM, &action, nullptr);
    const itimerval timer = {{0, again_us}, {0, again_us != 0 ? again_us : first_signal_us}};
    setitimer(ITIMER_REAL, &timer, nullptr);
}

void stop_signals() {
    const itimerval none = {};
    setitimer(ITIMER_REAL, &none, nullptr);
}

template <typename Body> pid_t child(Body body) {
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

void wait_for(pid_t pid) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR)
        ;
}

const char *error_of(long result) {
    return result < 0 ? strerrorname_np(errno) : "done";
}

bool is_file(int descriptor, const char *path) {
    struct stat open_one;
    struct stat named;
    return fstat(descriptor, &open_one) == 0 && stat(path, &named) == 0 && open_one.st_ino == named.st_ino;
}

void look_around() {
    DIR *directory = opendir(".");
    while (readdir(directory) != nullptr)
        ;
    closedir(directory);
}

void open_fifo() {
    mkfifo("first", 0666);
    mkfifo("second", 0666);
    for (const bool restarts : {true, false}) {
        int other = -1;
        expect_signal(restarts, [&] { other = open("second", O_RDWR); });
        const pid_t pid = child([] {
            usleep(late_us);
            const int writing = open("first", O_WRONLY | O_NONBLOCK);
            if (writing >= 0)
                static_cast<void>(write(writing, "x", 1));
        });
        const int reading = open("first", O_RDONLY);
        const int error_number = errno;
        char byte = 0;
        errno = error_number;
        printf("open of a fifo, restarts %d: %s, it is that one %d, handled %d", restarts, error_of(reading),
               reading < 0 || is_file(reading, "first"), handled);
        printf(", the handler's %d, read %zd\n", is_file(other, "second"), reading < 0 ? 0 : read(reading, &byte, 1));
        wait_for(pid);
        close(reading);
        close(other);
    }
}

sockaddr_un address_of(const char *name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, name);
    return address;
}

int bound(int kind, const char *name) {
    const sockaddr_un address = address_of(name);
    const int made = socket(AF_UNIX, kind, 0);
    if (bind(made, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0)
        perror(name);
    return made;
}

int connected(const char *name) {
    const sockaddr_un address = address_of(name);
    const int made = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(made, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0 ? made : -1;
}

void send_datagram(const char *name) {
    const sockaddr_un address = address_of(name);
    const int sending = socket(AF_UNIX, SOCK_DGRAM, 0);
    sendto(sending, "x", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr *>(&address), sizeof address);
    close(sending);
}

void wait_for_socket() {
    const int other = bound(SOCK_DGRAM, "other");
    const int listening = bound(SOCK_STREAM, "listening");
    listen(listening, 0);
    for (const bool restarts : {true, false}) {
        const int first = connected("listening");
        expect_signal(restarts, [&] {
            look_around();
            send_datagram("other");
        });
        const pid_t pid = child([&] {
            usleep(late_us);
            close(accept(listening, nullptr, nullptr));
        });
        const int second = connected("listening");
        printf("connect, restarts %d: %s, handled %d\n", restarts, error_of(second), handled);
        wait_for(pid);
        close(first);
        close(second);
        if (!restarts)
            break;
        close(accept(listening, nullptr, nullptr));
    }
    const int full = bound(SOCK_DGRAM, "full");
    while (true) { // until it has no room
        const sockaddr_un address = address_of("full");
        if (sendto(other, "x", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr *>(&address), sizeof address) < 0)
            break;
    }
    for (const bool restarts : {true, false}) {
        expect_signal(restarts, [&] {
            look_around();
            send_datagram("other");
        });
        const pid_t pid = child([&] {
            usleep(late_us);
            char byte;
            static_cast<void>(read(full, &byte, 1));
        });
        sockaddr_un address = address_of("full");
        iovec data = {const_cast<char *>("y"), 1};
        msghdr message = {};
        message.msg_name = &address;
        message.msg_namelen = sizeof address;
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        const long sent = sendmsg(other, &message, 0);
        printf("sendmsg, restarts %d: %s, handled %d\n", restarts, error_of(sent), handled);
        wait_for(pid);
    }
}

int made_file() {
    static const std::array<char, file_bytes> zeros = {};
    const int file = open("file", O_CREAT | O_RDWR, 0666);
    if (write(file, zeros.data(), zeros.size()) != static_cast<ssize_t>(zeros.size()))
        perror("file");
    lseek(file, 0, SEEK_SET);
    return file;
}

void drain(int descriptor) {
    std::array<char, 4096> buffer;
    while (recv(descriptor, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0)
        ;
}

// Nobody takes anything until the handler runs.
void send_to_socket() {
    const int file = made_file();
    int ends[2];
    for (const bool restarts : {true, false}) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
        lseek(file, 0, SEEK_SET);
        expect_signal(restarts, [&] { drain(ends[1]); });
        const long sent = sendfile(ends[0], file, nullptr, file_bytes);
        printf("sendfile to a socket, restarts %d: short %d, handled %d, the offset follows %d\n", restarts,
               sent > 0 && sent < static_cast<long>(file_bytes), handled, lseek(file, 0, SEEK_CUR) == sent);
        lseek(file, 0, SEEK_SET);
        while (send(ends[0], "x", 1, MSG_DONTWAIT) == 1) // full to the end
            ;
        expect_signal(restarts, [] {});
        const pid_t pid = child([&] {
            usleep(late_us);
            drain(ends[1]);
        });
        const long again = sendfile(ends[0], file, nullptr, 10);
        printf("sendfile to a full socket, restarts %d: %ld %s, handled %d, offset %ld\n", restarts, again,
               error_of(again), handled, static_cast<long>(lseek(file, 0, SEEK_CUR)));
        wait_for(pid);
        close(ends[0]);
        close(ends[1]);
    }
    close(file);
}

void fill(int pipe_end, size_t room_bytes) {
    static const std::array<char, 65536> zeros = {};
    static_cast<void>(write(pipe_end, zeros.data(), zeros.size() - room_bytes));
}

void into_pipe() {
    const int file = made_file();
    int ends[2];
    for (const size_t room_bytes : {size_t{4096}, size_t{8192}, size_t{0}}) {
        for (const bool restarts : {true, false})
            for (const bool splices : {true, false}) {
                static_cast<void>(pipe(ends));
                fill(ends[1], room_bytes);
                lseek(file, 0, SEEK_SET);
                const auto make_room = [&] {
                    std::array<char, 4096> buffer;
                    static_cast<void>(read(ends[0], buffer.data(), buffer.size()));
                };
                expect_signal(restarts, [&] {
                    if (restarts)
                        make_room();
                });
                errno = 0;
                const long moved = splices ? splice(file, nullptr, ends[1], nullptr, 30000, 0)
                                           : sendfile(ends[1], file, nullptr, file_bytes);
                stop_signals();
                printf("%s to a pipe with %zu, restarts %d: %ld %s, handled %d, offset %ld\n",
                       splices ? "splice" : "sendfile", room_bytes, restarts, moved, error_of(moved), handled,
                       static_cast<long>(lseek(file, 0, SEEK_CUR)));
                close(ends[0]);
                close(ends[1]);
            }
    }
    for (const bool restarts : {true, false}) { // from an empty one
        static_cast<void>(pipe(ends));
        expect_signal(restarts, [&] { static_cast<void>(write(ends[1], "0123", restarts ? 4 : 0)); });
        const long moved = splice(ends[0], nullptr, file, nullptr, 100, 0);
        printf("splice from a pipe, restarts %d: %ld %s, handled %d\n", restarts, moved, error_of(moved), handled);
        close(ends[0]);
        close(ends[1]);
    }
    close(file);
}

// By a symlink that leads away; the handler goes by it to another file.
void paths_that_leave() {
    static_cast<void>(symlink(getenv("OTHER_DIRECTORY"), "away"));
    close(open("away/mine", O_CREAT | O_RDWR, 0600));
    close(open("away/handlers-file", O_CREAT | O_RDWR, 0644));
    int wrong = 0;
    struct stat status;
    expect_signal(
        true, [&] { stat("away/handlers-file", &status); }, 50);
    for (int round = 0; round < 200'000 && handled < 20'000; round++) {
        struct stat mine;
        if (stat("away/mine", &mine) != 0 || (mine.st_mode & 0777) != 0600)
            wrong++;
    }
    stop_signals();
    printf("by a symlink that leads away: %d wrong, handlers ran %d\n", wrong, handled > 10);
}

} // namespace

int main(int, char **arguments) {
    setbuf(stdout, nullptr);
    if (chdir(arguments[1]) != 0)
        return 1;
    open_fifo();
    wait_for_socket();
    send_to_socket();
    into_pipe();
    paths_that_leave();
    return 0;
}
