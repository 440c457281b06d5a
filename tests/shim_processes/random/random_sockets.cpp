// random_sockets DIRECTORY: three processes in turns make fifos and unix sockets, give them names, rename and remove
// them, connect, send (also open files) and ask for addresses; what each call gives is a line (compare_script.sh
// compares them with Linux's). RANDOM_CALLS_SEED, RANDOM_CALLS_COUNT: another series, and how long it is.
//
// Nothing waits. Left out is what docs/limits.md says to be different: descriptors with O_PATH, and links below /proc.
#include "tests/shim_processes/random/drawn.h"
#include "tests/shim_processes/random/kinds.h"
#include "tests/shim_processes/random/turns.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace random_calls;

namespace {

constexpr const char *names[] = {"f", "g", "d/f", "s", "t", "d/s", "l", "d/../f", "./s", "../w/s"};
constexpr socklen_t path_begin = offsetof(sockaddr_un, sun_path);

struct Address {
    sockaddr_un name = {};
    socklen_t length = sizeof name;

    sockaddr *get() {
        return reinterpret_cast<sockaddr *>(&name);
    }
};

const char *name() {
    static std::string held[2];
    static unsigned turn = 0;
    std::string &to = held[turn++ % 2];
    to = names[draw(std::size(names))];
    const bool is_absolute = draw(6) == 0;
    tell((is_absolute ? "/" : "") + to);
    if (is_absolute)
        to = base + "/" + to;
    return to.c_str();
}
int number() {
    return static_cast<int>(told("fd", slot()));
}
Address address() {
    Address to;
    to.name.sun_family = AF_UNIX;
    const char *path = name();
    const size_t bytes = strnlen(path, sizeof to.name.sun_path);
    std::memcpy(to.name.sun_path, path, bytes);
    const bool has_nul = bytes < sizeof to.name.sun_path && draw(4) != 0;
    to.length = path_begin + static_cast<socklen_t>(bytes) + (has_nul ? 1 : 0);
    if (draw(30) == 0)
        to.length = told("length", one_of<socklen_t>({0, 1, 2, 3, 110, 111}));
    return to;
}
// An address that the kernel gave.
void tell_address(const Address &given) {
    std::string path;
    socklen_t length = given.length;
    if (length > path_begin && length <= sizeof given.name && given.name.sun_path[0] != 0)
        path.assign(given.name.sun_path, strnlen(given.name.sun_path, length - path_begin));
    if (path.rfind(base, 0) == 0) {
        path.erase(0, base.size());
        length -= static_cast<socklen_t>(base.size());
    }
    told("length", length);
    tell("'" + path + "'");
}

long open_name() {
    const char *path = name();
    const long kind = told(
        "flags", one_of({O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY, O_WRONLY, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL}));
    return to_slot(open(path, static_cast<int>(kind) | O_NONBLOCK, 0644));
}
long read_some() {
    const int from = number();
    const auto bytes = static_cast<size_t>(told("bytes", one_of({0, 1, 10, 4096, 70000})));
    const ssize_t got = read(from, buffer, bytes);
    if (got > 0)
        told("hash", static_cast<long>(hash(buffer, static_cast<size_t>(got)) & 0xffff));
    return got;
}
long write_some() {
    const int to = number();
    const auto bytes = static_cast<size_t>(told("bytes", one_of({0, 1, 10, 4096, 70000})));
    fill();
    return write(to, buffer, bytes);
}
long poll_one() {
    struct pollfd asked = {number(), POLLIN | POLLOUT | POLLRDHUP, 0};
    const long ready = poll(&asked, 1, 0);
    told("revents", asked.revents);
    return ready;
}
long look_at(long (*look)(struct stat *)) {
    struct stat status = {};
    const long result = look(&status);
    told("mode", status.st_mode);
    told("links", static_cast<long>(status.st_nlink));
    return result;
}
long accept_one() {
    const int from = number();
    Address peer;
    const bool asks = draw(2) == 0;
    const long accepted =
        accept4(from, asks ? peer.get() : nullptr, asks ? &peer.length : nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0 && asks)
        tell_address(peer);
    return to_slot(accepted);
}
long send_to() {
    const int from = number();
    Address to = address();
    fill();
    return sendto(from, buffer, static_cast<size_t>(told("bytes", one_of({0, 1, 100}))), MSG_NOSIGNAL, to.get(),
                  to.length);
}
long receive_from() {
    const int at = number();
    Address from;
    from.length = static_cast<socklen_t>(told("room", one_of<long>({sizeof from.name, 2, 5})));
    const bool has_room = from.length == sizeof from.name;
    const long got = recvfrom(at, buffer, 1000, MSG_DONTWAIT | (draw(4) == 0 ? MSG_PEEK : 0), from.get(), &from.length);
    if (got >= 0 && has_room)
        tell_address(from);
    return got;
}
long ask_address(int (*ask)(int, sockaddr *, socklen_t *)) {
    Address told_address;
    const long result = ask(number(), told_address.get(), &told_address.length);
    if (result == 0)
        tell_address(told_address);
    return result;
}

// A message with a descriptor.
struct Message {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec piece = {buffer, 100};
    msghdr header = {};

    Message() {
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
    }
};
long send_descriptor() {
    Message message;
    const int to = number();
    const int given = number();
    message.piece.iov_len = 1;
    cmsghdr *rights = CMSG_FIRSTHDR(&message.header);
    rights->cmsg_len = CMSG_LEN(sizeof given);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    std::memcpy(CMSG_DATA(rights), &given, sizeof given);
    Address at;
    if (draw(4) == 0) {
        at = address();
        message.header.msg_name = at.get();
        message.header.msg_namelen = at.length;
    }
    return sendmsg(to, &message.header, MSG_NOSIGNAL);
}
long receive_descriptor() {
    Message message;
    Address from;
    const int at = number();
    if (draw(2) == 0) {
        message.header.msg_name = from.get();
        message.header.msg_namelen = from.length;
    }
    const long got = recvmsg(at, &message.header, MSG_DONTWAIT);
    if (got < 0)
        return -1;
    told("flags", message.header.msg_flags);
    told("control", static_cast<long>(message.header.msg_controllen));
    from.length = message.header.msg_namelen;
    tell_address(from);
    if (message.header.msg_controllen >= CMSG_LEN(sizeof(int))) {
        int given = -1;
        std::memcpy(&given, CMSG_DATA(CMSG_FIRSTHDR(&message.header)), sizeof given);
        to_slot(given);
    }
    return got;
}

const Kind kinds[] = {
    {"mkfifo", [] { return long{mkfifo(name(), 0666)}; }, 4},
    {"mknod", [] { return long{mknod(name(), S_IFSOCK | 0666, 0)}; }, 1},
    {"unlink", [] { return long{unlink(name())}; }, 3},
    {"rename",
     [] {
         const char *from = name();
         return long{rename(from, name())};
     },
     3},
    {"link",
     [] {
         const char *from = name();
         return long{link(from, name())};
     },
     2},
    {"symlink",
     [] {
         return long{symlink(one_of({"f", "s", "g"}), "l")};
     },
     1},
    {"chmod",
     [] {
         return long{chmod(name(), static_cast<mode_t>(told("mode", one_of({0644, 0600, 0666, 0}))))};
     },
     1},
    {"open", open_name, 14},
    {"close", [] { return long{close(number())}; }, 5},
    {"dup", [] { return to_slot(dup(number())); }, 3},
    {"read", read_some, 9},
    {"write", write_some, 10},
    {"poll", poll_one, 5},
    {"fstat", [] { return look_at([](struct stat *to) { return long{fstat(number(), to)}; }); }, 4},
    {"stat", [] { return look_at([](struct stat *to) { return long{lstat(name(), to)}; }); }, 4},
    {"getfl", [] { return long{fcntl(number(), F_GETFL)}; }, 2},
    {"socket",
     [] {
         const long type = told("type", one_of({SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}));
         return to_slot(socket(AF_UNIX, static_cast<int>(type) | SOCK_NONBLOCK, 0));
     },
     12},
    {"bind",
     [] {
         const int which = number();
         Address to = address();
         return long{bind(which, to.get(), to.length)};
     },
     10},
    {"listen", [] { return long{listen(number(), 5)}; }, 6},
    {"connect",
     [] {
         const int which = number();
         Address to = address();
         return long{connect(which, to.get(), to.length)};
     },
     12},
    {"accept", accept_one, 6},
    {"sendto", send_to, 8},
    {"recvfrom", receive_from, 8},
    {"getsockname", [] { return ask_address(getsockname); }, 4},
    {"getpeername", [] { return ask_address(getpeername); }, 4},
    {"shutdown",
     [] {
         return long{shutdown(number(), one_of({SHUT_RD, SHUT_WR, SHUT_RDWR}))};
     },
     1},
    {"send a descriptor", send_descriptor, 6},
    {"receive a descriptor", receive_descriptor, 8},
};

} // namespace

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    const Series series = wanted_series();
    signal(SIGPIPE, SIG_IGN);
    umask(0);
    Turns turns(3);
    for (long i = 0; i < series.calls; i++) {
        if (i % 300 == 0) { // all begins anew
            const std::string around = std::string(argv[1]) + "/" + std::to_string(i / 300);
            base = around + "/w";
            turns.take_all([&] {
                for (int open_slot = first_slot; open_slot < first_slot + slot_count; open_slot++)
                    close(open_slot);
                if (turns.player() == 0 && mkdir(around.c_str(), 0755) + mkdir(base.c_str(), 0755) != 0)
                    _exit(1);
                if (chdir(base.c_str()) != 0)
                    _exit(1);
                mkdir("d", 0755);
            });
        }
        seed(series.seed_of(i));
        turns.take(static_cast<unsigned>(draw(turns.count())), [&] {
            make_call(std::to_string(i) + " " + std::to_string(turns.player()), kinds);
            std::fflush(stdout);
        });
    }
    turns.end();
    return 0;
}
